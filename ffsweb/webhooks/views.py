"""The pages of webhooks: of a project for its admins, of the installation for its administrators.

Both are the same pages; ``project`` is the project's name, or "" for the installation's. An address may hold a secret
in its path, so nobody else sees it.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ffsweb.accounts.access import administrator_view, project_view
from ffsweb.accounts.models import Project, Role
from ffsweb.web.forms import ConfirmNameForm, posted
from ffsweb.web.htmx import go, is_partial

from . import services
from .forms import EndpointForm
from .models import Delivery, Endpoint

SHOWN = 50


def _listing(request: Any, project: str = "") -> HttpResponse:
    """The endpoints; two queries."""
    waiting = Count("deliveries", filter=Q(deliveries__state=Delivery.State.QUEUED))
    rows = Endpoint.objects.of(_project(request)).select_related("project").annotate(waiting=waiting)
    return render(request, "webhooks/list.html", {**_scope(request), "rows": rows})


def _create(request: Any, project: str = "") -> HttpResponse:
    """A new endpoint, whose secret is shown once in the answer to the POST."""
    form = EndpointForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            row, secret = services.add(
                actor=request.user, project=_project(request), request=request, **form.cleaned_data
            )
        except services.NotPossible as error:
            form.add_error(None, str(error))
        else:
            return _shown(request, row, secret.reveal_text())
    context = {**_scope(request), "form": form, "submit": "Make the webhook"}
    return render(request, "webhooks/form.html", context, status=422 if form.errors else 200)


def _one(request: Any, endpoint: int, project: str = "") -> HttpResponse:
    """One endpoint with its last deliveries; three queries."""
    row = _find(request, endpoint)
    context = {**_scope(request), "row": row, "deliveries": row.deliveries.defer("body")[:SHOWN]}
    template = "webhooks/one.html#deliveries" if is_partial(request) else "webhooks/one.html"
    response = render(request, template, context)
    response["Vary"] = "HX-Request"
    return response


def _edit(request: Any, endpoint: int, project: str = "") -> HttpResponse:
    """Another address or other events."""
    row = _find(request, endpoint)
    form = EndpointForm.of(row, posted(request))
    if request.method == "POST" and form.is_valid():
        services.change(row, actor=request.user, request=request, **form.cleaned_data)
        messages.success(request, "Saved.")
        return _to(request, row)
    context = {**_scope(request), "row": row, "form": form, "submit": "Save"}
    return render(request, "webhooks/form.html", context, status=422 if form.errors else 200)


def _act(request: Any, endpoint: int, project: str = "") -> HttpResponse:
    """``verb``: test, rotate, forget-old, on or off."""
    row = _find(request, endpoint)
    who = {"actor": request.user, "request": request}
    try:
        match request.POST.get("verb"):
            case "rotate":
                return _shown(request, row, services.rotate(row, **who).reveal_text())
            case "test":
                services.test(row, **who)
                messages.success(request, "A test is on its way: what became of it is below.")
            case "forget-old":
                services.forget_old_secret(row, **who)
                messages.success(request, "The old secret signs no more.")
            case "on":
                services.switch_on(row, **who)
                messages.success(request, "What happens from now on is sent.")
            case "off":
                services.switch_off(row, **who)
                messages.success(request, "Nothing is sent any more.")
            case _:
                messages.error(request, "There is nothing to be done by that name. Nothing was changed.")
    except services.NotPossible as error:
        messages.error(request, str(error))
    return _to(request, row)


def _again(request: Any, endpoint: int, delivery: int, project: str = "") -> HttpResponse:
    """Send one delivery once more."""
    row = _find(request, endpoint)
    found = get_object_or_404(Delivery.objects.select_related("endpoint__project"), pk=delivery, endpoint=row)
    try:
        services.again(found, actor=request.user, request=request)
        messages.success(request, "It is sent again now, under its old webhook-id.")
    except services.NotPossible as error:
        messages.error(request, str(error))
    return _to(request, row)


def _remove(request: Any, endpoint: int, project: str = "") -> HttpResponse:
    """Forget an endpoint, after its address was typed."""
    row = _find(request, endpoint)
    form = ConfirmNameForm(posted(request), expected=str(row))
    if form.is_valid():
        services.remove(row, actor=request.user, request=request)
        messages.success(request, "The webhook, its secret and its deliveries were removed.")
        return go(request, _scope(request)["list"])
    context = {
        **_scope(request),
        "title": f"Remove the webhook to {row}",
        "form": form,
        "consequence": "Nothing is sent there any more, and its secret and the list of its deliveries go.",
        "cancel": _page(request, row),
    }
    return render(request, "webhooks/remove.html", context, status=422 if form.errors else 200)


def _project(request: HttpRequest) -> Project | None:
    return getattr(request, "project", None)


def _scope(request: HttpRequest) -> dict[str, Any]:
    """What the templates need to know of where they are."""
    project = _project(request)
    if project is None:
        return {
            "frame": "layout/system.html",
            "list": reverse("webhooks:system"),
            "new": reverse("webhooks:system_new"),
            "project": None,
        }
    return {
        "frame": "layout/project.html",
        "list": reverse("webhooks:project", args=[project.name]),
        "new": reverse("webhooks:new", args=[project.name]),
        "project": project,
    }


def _find(request: HttpRequest, endpoint: int) -> Endpoint:
    found = Endpoint.objects.of(_project(request)).select_related("project").filter(pk=endpoint).first()
    if found is None:
        raise Http404
    return found


def _page(request: HttpRequest, row: Endpoint) -> str:
    return f"{_scope(request)['list']}{row.pk}/"


def _to(request: HttpRequest, row: Endpoint) -> HttpResponse:
    return go(request, _page(request, row))


def _shown(request: HttpRequest, row: Endpoint, secret: str) -> HttpResponse:
    context = {**_scope(request), "row": row, "secret": secret, "done": _page(request, row)}
    return render(request, "webhooks/made.html", context)


_ADMIN = project_view(Role.ADMIN)

listing = _ADMIN(require_safe(_listing))
create = _ADMIN(require_http_methods(["GET", "POST"])(_create))
one = _ADMIN(require_safe(_one))
edit = _ADMIN(require_http_methods(["GET", "POST"])(_edit))
act = _ADMIN(require_POST(_act))
again = _ADMIN(require_POST(_again))
remove = _ADMIN(require_http_methods(["GET", "POST"])(_remove))
system_listing = administrator_view(require_safe(_listing))
system_create = administrator_view(require_http_methods(["GET", "POST"])(_create))
system_one = administrator_view(require_safe(_one))
system_edit = administrator_view(require_http_methods(["GET", "POST"])(_edit))
system_act = administrator_view(require_POST(_act))
system_again = administrator_view(require_POST(_again))
system_remove = administrator_view(require_http_methods(["GET", "POST"])(_remove))
