"""Operators' keys: those of a project, and the ledger of a node."""

from __future__ import annotations

from functools import partial

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST

from deployments.core.layout import ADMIN_USER
from deployments.forms.access import AccessKeyForm
from deployments.models import AccessKey, KeyOnNode, NodeAccess, OwedRotation
from deployments.models.access_key import contacted
from deployments.services import access_keys as services
from deployments.views.busy import started
from deployments.views.nodes import find_node
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.operations.services import Busy
from ffsweb.remote.keys import BadPublicKey
from ffsweb.web.forms import ConfirmNameForm, posted
from ffsweb.web.htmx import go


@project_view(Role.VIEWER)
def listing(request: ProjectRequest, project: str) -> HttpResponse:
    """The keys of a project, and how many of its nodes have each."""
    return _listing(request, AccessKeyForm(project=request.project))


@project_view(Role.ADMIN)
@require_POST
def add(request: ProjectRequest, project: str) -> HttpResponse:
    """Want a key on every node, and bring it there."""
    form = AccessKeyForm(request.POST, project=request.project)
    if not form.is_valid():
        return _listing(request, form)
    try:
        key = services.add_key(project=request.project, actor=request.user, request=request, **form.cleaned_data)
    except (BadPublicKey, services.NotRemovable) as error:
        form.add_error("line", str(error))
        return _listing(request, form)
    messages.success(request, f"{key} is wanted on every node of {request.project}.")
    return _bring(request)


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def remove(request: ProjectRequest, project: str, key: int) -> HttpResponse:
    """Want a key on no node any more, after a part of its fingerprint was typed."""
    found = get_object_or_404(AccessKey, project=request.project, pk=key, state=AccessKey.State.WANTED)
    form = ConfirmNameForm(posted(request), expected=found.short)
    if form.is_valid():
        try:
            services.remove_key(key=found, actor=request.user, request=request)
        except services.NotRemovable as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{found} is wanted on no node any more.")
            return _bring(request)
    context = {
        "title": f"Remove {found}",
        "form": form,
        "consequence": f"{found.fingerprint} is taken out of every file that sshd reads for {ADMIN_USER}, on every "
        "node. Nodes that are away are caught up with when they are back. Whoever has only this key is locked out.",
        "cancel": "..",
    }
    return render(request, "deployments/remove.html", context, status=422 if form.errors else 200)


@project_view(Role.OPERATOR)
@require_POST
def apply(request: ProjectRequest, project: str) -> HttpResponse:
    """Read the keys of all nodes, and bring and take what is owed."""
    return _bring(request)


@project_view(Role.ADMIN)
@require_POST
def adopt(request: ProjectRequest, project: str, line: int) -> HttpResponse:
    """Take a key that was seen on a node among the project's."""
    found = get_object_or_404(
        KeyOnNode, pk=line, node__project=request.project, user=ADMIN_USER, state=KeyOnNode.State.FOREIGN
    )
    try:
        key = services.add_key(
            project=request.project,
            actor=request.user,
            line=f"{found.public_key} {found.comment}",
            request=request,
        )
    except BadPublicKey as error:
        messages.error(request, str(error))
        return go(request, "deployments:node_access", project=project, node=found.node.name)
    messages.success(request, f"{key} is among the keys of {request.project} now, and wanted on every node.")
    return _bring(request)


@project_view(Role.VIEWER)
def of_node(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """The ledger of one node."""
    found = find_node(request, node)
    context = {
        "node": found,
        "lines": found.keys.all(),
        "access": NodeAccess.objects.filter(node=found).first(),
        "glass": set(
            AccessKey.objects.filter(project=request.project, break_glass=True).values_list("fingerprint", flat=True)
        ),
        "pinned": found.host_keys.filter(kind="pinned").exists(),
        "dashboard_keys": found.dashboard_keys.all()[:10],
        "owed_rotation": OwedRotation.objects.filter(node=found).first(),
    }
    return render(request, "deployments/node_access.html", context)


@project_view(Role.OPERATOR)
@require_POST
def apply_to_node(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """The same for one node."""
    found = find_node(request, node)
    begin = partial(services.request_apply, project=request.project, nodes=[found])
    return started(request, begin, asked=f"Operators' keys on {found}", back=found.get_absolute_url())


def _listing(request: ProjectRequest, form: AccessKeyForm) -> HttpResponse:
    nodes = contacted(request.project)
    states = KeyOnNode.objects.filter(node__in=nodes, user=ADMIN_USER).values("fingerprint")
    counted = {
        row["fingerprint"]: row
        for row in states.annotate(
            present=Count("pk", filter=Q(state=KeyOnNode.State.PRESENT)),
            owed=Count("pk", filter=Q(state__in=(KeyOnNode.State.OWED_ADD, KeyOnNode.State.OWED_REMOVE))),
        )
    }
    keys = [(key, counted.get(key.fingerprint, {})) for key in request.project.access_keys.all()]
    foreign = KeyOnNode.objects.filter(node__project=request.project, state=KeyOnNode.State.FOREIGN)
    context = {
        "wanted": [pair for pair in keys if pair[0].state == AccessKey.State.WANTED],
        "leaving": [pair for pair in keys if pair[0].state != AccessKey.State.WANTED],
        "nodes": len(nodes),
        "foreign": foreign.select_related("node")[:100],
        "owed_rotations": OwedRotation.objects.filter(node__project=request.project).select_related("node"),
        "form": form,
    }
    return render(request, "deployments/access_keys.html", context, status=422 if form.errors else 200)


def _bring(request: ProjectRequest) -> HttpResponse:
    try:
        operation, busy = services.request_apply_to_all(project=request.project, actor=request.user, request=request)
    except Busy as error:
        messages.warning(request, f"{error} What is owed is brought by itself.")
        return go(request, "deployments:access_keys", project=request.project.name)
    if busy:
        names = ", ".join(node.name for node in busy)
        messages.warning(
            request, f"In use now: {names}. They get what they are owed by themselves when they are free."
        )
    if operation is None:
        if not busy:
            messages.info(request, "No node was contacted yet. The next machine files have the keys.")
        return go(request, "deployments:access_keys", project=request.project.name)
    return go(request, "operations:detail", operation.pk)
