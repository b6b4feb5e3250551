"""A project's settings: set or not, never their sealed values."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from deployments.core.env_file import EnvError
from deployments.forms.content import EnvForm, SettingForm
from deployments.models import Setting
from deployments.services import settings as services
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.htmx import go

_MAX_FILE = 256 * 1024


@project_view(Role.VIEWER)
def listing(request: ProjectRequest, project: str) -> HttpResponse:
    """All settings: plain ones with their values, sealed ones as set."""
    return _page(request, env=EnvForm(), single=SettingForm())


@sensitive_post_parameters()
@project_view(Role.ADMIN)
@require_POST
def import_file(request: ProjectRequest, project: str) -> HttpResponse:
    """Import a ``.env``; all of it or nothing."""
    form = EnvForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            done = services.import_env(
                project=request.project,
                actor=request.user,
                text=_text(form),
                plain=form.cleaned_data["plain_names"].replace(",", " ").split(),
                request=request,
            )
        except EnvError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{len(done.names)} settings were stored. They go into the next release.")
            return go(request, "deployments:settings", project=project)
    return _page(request, env=form, single=SettingForm(), status=422)


@sensitive_post_parameters()
@project_view(Role.ADMIN)
@require_POST
def change(request: ProjectRequest, project: str) -> HttpResponse:
    """Set one value."""
    form = SettingForm(request.POST)
    if form.is_valid():
        services.set_setting(project=request.project, actor=request.user, request=request, **form.cleaned_data)
        messages.success(request, f"{form.cleaned_data['name']} was set. It goes into the next release.")
        return go(request, "deployments:settings", project=project)
    return _page(request, env=EnvForm(), single=form, status=422)


@project_view(Role.ADMIN)
@require_POST
def remove(request: ProjectRequest, project: str, name: str) -> HttpResponse:
    """Remove one setting."""
    setting = get_object_or_404(Setting, project=request.project, name=name)
    services.remove_setting(setting=setting, actor=request.user, request=request)
    messages.success(request, f"{name} was removed. Releases that hold it keep it.")
    return go(request, "deployments:settings", project=project)


def _text(form: EnvForm) -> str:
    upload = form.cleaned_data["file"]
    if not upload:
        return str(form.cleaned_data["text"])
    if upload.size > _MAX_FILE:
        raise EnvError.whole(f"The file has {upload.size} bytes; a .env has at most {_MAX_FILE}.")
    try:
        return str(upload.read().decode())
    except UnicodeDecodeError as error:
        raise EnvError.whole("The file is not text in UTF-8.") from error


def _page(request: ProjectRequest, *, env: EnvForm, single: SettingForm, status: int = 200) -> HttpResponse:
    context = {"settings": request.project.settings.all(), "env_form": env, "setting_form": single}
    return render(request, "deployments/settings.html", context, status=status)
