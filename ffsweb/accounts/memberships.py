"""Who is in a project: adding, changing, removing. A project keeps an admin unless an administrator decides."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest

from ffsweb.audit.services import record

from .errors import Refused
from .models import Membership, Project, Role, User


@transaction.atomic
def add_member(
    project: Project, *, actor: User, username: str, role: Role, request: HttpRequest | None = None
) -> Membership:
    """An existing, active account becomes a member; ``Refused`` when there is none, or it is a member already."""
    user = User.objects.filter(username__iexact=username, is_active=True).first()
    if user is None:
        raise Refused(f"There is no active account named {username}. Invite them instead.")
    membership, made = Membership.objects.get_or_create(user=user, project=project, defaults={"role": role})
    if not made:
        raise Refused(f"{user.username} is a member already. Change the role in the list.")
    _record("member.add", project, actor, user, detail={"role": role.value}, request=request)
    return membership


@transaction.atomic
def change_role(project: Project, user: User, *, actor: User, role: Role, request: HttpRequest | None = None) -> None:
    """Give a member another role; the same one again is nothing. ``Refused`` for a project's last admin."""
    membership = _locked(project, user)
    before = Role(membership.role)
    if before is role:
        return
    if before is Role.ADMIN:
        _keep_an_admin(project, membership, actor)
    membership.role = role
    membership.save(update_fields=["role"])
    _record("member.role", project, actor, user, detail={"role": role.value, "before": before.value}, request=request)


@transaction.atomic
def remove_member(project: Project, user: User, *, actor: User, request: HttpRequest | None = None) -> None:
    """End a membership; it counts at that person's next request. ``Refused`` for a project's last admin."""
    membership = _locked(project, user)
    if membership.role == Role.ADMIN:
        _keep_an_admin(project, membership, actor)
    membership.delete()
    _record("member.remove", project, actor, user, detail={"role": membership.role}, request=request)


def _locked(project: Project, user: User) -> Membership:
    """The membership, with all of the project's members locked until commit: two admins cannot remove each other."""
    members = list(Membership.objects.select_for_update().filter(project=project))
    for membership in members:
        if membership.user_id == user.pk:
            return membership
    raise Refused(f"{user.username} is not a member of {project.name} any more.")


def _keep_an_admin(project: Project, membership: Membership, actor: User) -> None:
    admins = Membership.objects.filter(project=project, role=Role.ADMIN, user__is_active=True)
    if not actor.is_administrator and not admins.exclude(pk=membership.pk).exists():
        raise Refused(
            f"{membership.user.username} is the last admin of {project.name}. Make another member an admin first. "
            "Nothing was changed."
        )


def _record(
    action: str, project: Project, actor: User, user: User, *, detail: dict[str, str], request: HttpRequest | None
) -> None:
    record(actor=actor, action=action, project=project, target=user.username, detail=detail, request=request)
