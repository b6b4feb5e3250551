"""Who gets the mail of a project."""

from __future__ import annotations

from ffsweb.accounts.models import Membership, Project, Role, User

from .models import ListedAddress, Muted

MAILED = (Role.OPERATOR, Role.ADMIN)
"""The roles whose members are mailed; a viewer cannot do anything about it."""


def recipients(project: Project, kind: str) -> list[str]:
    """The addresses for one kind of mail: admins and operators who gave one and did not switch the kind off, and the
    listed addresses. Addresses of people are as they typed them: nobody verified them. Two queries.
    """
    people = Membership.objects.filter(project=project, role__in=MAILED, user__is_active=True)
    people = people.exclude(user__email="").exclude(
        user__in=Muted.objects.filter(project=project, kind=kind).values("user")
    )
    listed = ListedAddress.objects.filter(project=project)
    return [
        *people.order_by("user__username").values_list("user__email", flat=True),
        *listed.values_list("address", flat=True),
    ]


def administrators() -> list[str]:
    """The addresses of those who look after the installation and gave one. One query."""
    people = User.objects.filter(is_administrator=True, is_active=True).exclude(email="")
    return list(people.order_by("username").values_list("email", flat=True))


def is_still_one(project: Project, address: str) -> bool:
    """Whether a mail that waited may go to ``address``: somebody who left, became a viewer, was deactivated or
    is not listed any more is told nothing new of a project. Up to three queries."""
    people = User.objects.filter(email__iexact=address, is_active=True)
    return (
        people.filter(memberships__project=project, memberships__role__in=MAILED).exists()
        or ListedAddress.objects.filter(project=project, address__iexact=address).exists()
        or people.filter(is_administrator=True).exists()
    )


def wants(user: User, project: Project, kind: str) -> bool:
    """Whether ``user`` has an address, may see the project and did not switch the kind off. Two queries."""
    if not user.email or not user.is_active or project.role_of(user) is None:
        return False
    return not Muted.objects.filter(project=project, user=user, kind=kind).exists()
