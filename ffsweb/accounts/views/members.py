"""The members of a project: everybody in it sees them, its admins change them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from ffsweb.accounts import invitations, memberships
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.errors import Refused
from ffsweb.accounts.forms import InviteMemberForm, MemberForm, RoleForm
from ffsweb.accounts.models import OneTimeLink, Role, User
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go


@project_view(Role.VIEWER)
def listing(request: ProjectRequest, project: str) -> HttpResponse:
    """Members with their roles and, for admins, the invitations that are still open."""
    members = request.project.memberships.select_related("user").order_by("user__username")
    links = OneTimeLink.objects.open_at(timezone.now()).filter(project=request.project)
    context = {
        "members": members,
        "links": links.select_related("created_by") if request.role is Role.ADMIN else [],
        "may_change": request.role is Role.ADMIN,
        "roles": Role.choices,
    }
    return render(request, "projects/members.html", context)


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def add(request: ProjectRequest, project: str) -> HttpResponse:
    """Somebody who has an account."""
    form = MemberForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            member = memberships.add_member(
                request.project,
                actor=request.user,
                username=form.cleaned_data["username"],
                role=form.chosen(),
                request=request,
            )
        except Refused as problem:
            form.add_error("username", str(problem))
        else:
            messages.success(request, f"{member.user.username} is a member now.")
            return go(request, "projects:members", project=project)
    return render(request, "projects/member_add.html", {"form": form}, status=422 if form.errors else 200)


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def invite(request: ProjectRequest, project: str) -> HttpResponse:
    """Somebody who has no account: a link, shown once in the answer to the POST and never again."""
    form = InviteMemberForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            made = invitations.invite(
                actor=request.user,
                username=form.cleaned_data["username"],
                project=request.project,
                role=form.chosen(),
                request=request,
            )
        except Refused as problem:
            form.add_error("username", str(problem))
        else:
            address = request.build_absolute_uri(reverse("accounts:join", args=[made.token]))
            return render(request, "projects/invited.html", {"made": made, "address": address})
    return render(request, "projects/invite.html", {"form": form}, status=422 if form.errors else 200)


@project_view(Role.ADMIN)
@require_POST
def change_role(request: ProjectRequest, project: str, username: str) -> HttpResponse:
    """Another role for a member."""
    user, form = get_object_or_404(User, username=username), RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "There is no such role. Nothing was changed.")
        return go(request, "projects:members", project=project)
    try:
        memberships.change_role(request.project, user, actor=request.user, role=form.chosen(), request=request)
        messages.success(request, f"{username} is {form.chosen().label.lower()} now.")
    except Refused as problem:
        messages.error(request, str(problem))
    return go(request, "projects:members", project=project)


@project_view(Role.ADMIN)
@require_POST
def remove(request: ProjectRequest, project: str, username: str) -> HttpResponse:
    """End a membership."""
    user = get_object_or_404(User, username=username)
    try:
        memberships.remove_member(request.project, user, actor=request.user, request=request)
        messages.success(request, f"{username} is no member any more.")
    except Refused as problem:
        messages.error(request, str(problem))
    stays = user != request.user or request.user.is_administrator
    return go(request, "projects:members", project=project) if stays else go(request, "projects:list")


@project_view(Role.ADMIN)
@require_POST
def withdraw(request: ProjectRequest, project: str, link: int) -> HttpResponse:
    """Withdraw an invitation into this project."""
    found = get_object_or_404(OneTimeLink, pk=link, project=request.project)
    try:
        invitations.withdraw(found, actor=request.user, request=request)
        messages.success(request, f"The invitation for {found.username} is worthless now.")
    except Refused as problem:
        messages.error(request, str(problem))
    return go(request, "projects:members", project=project)
