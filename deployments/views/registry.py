"""The pages about registries: pushing to this one, pulling from others, and log-ins there."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from deployments.forms.registry import PullForm, RegistryForm
from deployments.models import RegistryCredential
from deployments.services import registry as services
from deployments.views.distribution_access import realm
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go


@dataclass(frozen=True, slots=True)
class Commands:
    """What one program is told."""

    program: str
    lines: tuple[str, ...]
    note: str = ""


@project_view(Role.VIEWER)
def push(request: ProjectRequest, project: str) -> HttpResponse:
    """How to push to the dashboard, and what was pushed."""
    tags = request.project.registry_tags.select_related("manifest__image").defer("manifest__document")
    context = {
        "commands": _commands(request),
        "tags": tags,
        "host": request.get_host(),
        "plain": realm(request).startswith("http://"),
    }
    return render(request, "deployments/registry.html", context)


@project_view(Role.OPERATOR)
@require_http_methods(["GET", "POST"])
def pull(request: ProjectRequest, project: str) -> HttpResponse:
    """Pull an image from a registry; POST leads to the operation."""
    form = PullForm(posted(request))
    if request.method == "POST" and form.is_valid():
        operation = services.request_pull(
            project=request.project,
            actor=request.user,
            reference=form.cleaned_data["reference"],
            request=request,
        )
        return go(request, "operations:detail", operation.pk)
    context = {"form": form, "logins": request.project.registry_credentials.all()}
    return render(request, "deployments/registry_pull.html", context, status=422 if form.errors else 200)


@project_view(Role.VIEWER)
def logins(request: ProjectRequest, project: str) -> HttpResponse:
    """The registries that the project knows."""
    return _logins(request, RegistryForm())


@sensitive_post_parameters()
@project_view(Role.ADMIN)
@require_POST
def set_login(request: ProjectRequest, project: str) -> HttpResponse:
    """Store how to come to one."""
    form = RegistryForm(request.POST)
    if not form.is_valid():
        return _logins(request, form)
    services.set_login(project=request.project, actor=request.user, request=request, **form.cleaned_data)
    messages.success(request, f"The registry {form.cleaned_data['host']} was stored.")
    return go(request, "deployments:registry_logins", project=project)


@project_view(Role.ADMIN)
@require_POST
def remove_login(request: ProjectRequest, project: str, login: int) -> HttpResponse:
    """Forget one."""
    found = get_object_or_404(RegistryCredential, project=request.project, pk=login)
    services.remove_login(login=found, actor=request.user, request=request)
    messages.success(request, f"The registry {found.host} was removed.")
    return go(request, "deployments:registry_logins", project=project)


def _logins(request: ProjectRequest, form: RegistryForm) -> HttpResponse:
    context = {"logins": request.project.registry_credentials.all(), "form": form}
    return render(request, "deployments/registry_logins.html", context, status=422 if form.errors else 200)


def _commands(request: ProjectRequest) -> tuple[Commands, ...]:
    """The exact commands for this project, this person, and the address by which they came."""
    host, name = request.get_host(), request.project.name
    target, user = f"{host}/{name}:1.0", request.user.username
    plain = realm(request).startswith("http://")
    verify, destination = ("--tls-verify=false ", "--dest-tls-verify=false ") if plain else ("", "")
    docker = "docker itself takes plain HTTP from loopback addresses alone; for others see its insecure-registries."
    return (
        Commands(
            "podman",
            (f"podman login {verify}-u {user} {host}", f"podman push {verify}localhost/{name}:1.0 {target}"),
        ),
        Commands(
            "skopeo",
            (
                f"skopeo login {verify}-u {user} {host}",
                f"skopeo copy {destination}oci-archive:{name}.tar docker://{target}",
            ),
            "For an image for several architectures: skopeo copy --all, or podman manifest push --all.",
        ),
        Commands(
            "docker",
            (f"docker login -u {user} {host}", f"docker tag {name}:1.0 {target}", f"docker push {target}"),
            docker if plain else "",
        ),
    )
