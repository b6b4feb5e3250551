"""Whoever asked for an operation that went wrong is mailed of it, once."""

from __future__ import annotations

import pytest

from ffsweb.accounts.models import Project, User
from ffsweb.notify.models import ListedAddress, Message, Muted
from ffsweb.operations.contract import Outcome
from ffsweb.operations.models import Operation
from ffsweb.operations.states import State
from tests.operations.ran import ran

BAD = (State.FAILED, State.ROLLED_BACK, State.NEEDS_HANDS, State.UNKNOWN)


def ended(
    project: Project, actor: User | None, state: State = State.FAILED, message: str = "node-a did not answer."
) -> Operation:
    """An operation of ``actor`` that was run to its end."""
    operation = ran(project, actor, lambda _context: Outcome(state, message))
    assert operation.state == state
    return operation


def addresses() -> list[str]:
    return sorted(Message.objects.values_list("address", flat=True))


@pytest.mark.parametrize("state", BAD)
def test_whoever_asked_is_told_how_it_ended(project: Project, people: dict[str, User], state: State) -> None:
    operation = ended(project, people["bob"], state)
    mail = Message.objects.get()
    assert (mail.address, mail.kind, mail.project) == ("bob@example.org", "operation", project)
    assert mail.subject == f"serbest: {state.label}: Deploy release 3"
    for part in (mail.text, mail.html):
        assert "node-a did not answer." in part
        assert f"/operations/{operation.pk}/" in part
        assert state.label in part
        assert "www@node-a" in part
        assert "What to do:" in part


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.CANCELLED])
def test_what_ended_as_wanted_is_not_mailed(project: Project, people: dict[str, User], state: State) -> None:
    ended(project, people["bob"], state)
    assert addresses() == []


@pytest.mark.parametrize("who", ["nobody", "without an address", "deactivated", "no member any more"])
def test_without_somebody_to_tell_the_projects_people_are_told(
    project: Project, people: dict[str, User], who: str
) -> None:
    ListedAddress.objects.create(project=project, address="list@example.org")
    bob = people["bob"]
    if who == "without an address":
        bob.email = ""
    elif who == "deactivated":
        bob.is_active = False
    elif who == "no member any more":
        bob.memberships.all().delete()
    bob.save()
    ended(project, None if who == "nobody" else bob)
    others = ["bob@example.org"] if who == "nobody" else []
    assert addresses() == sorted(["alice@example.org", "list@example.org", *others])


def test_who_does_not_want_it_is_not_mailed(project: Project, people: dict[str, User]) -> None:
    for name in ("alice", "bob"):
        Muted.objects.create(project=project, user=people[name], kind="operation")
    ended(project, people["bob"])
    ended(project, None)
    assert addresses() == []
    Muted.objects.update(kind="other")
    ended(project, people["bob"])
    assert addresses() == ["bob@example.org"]


def test_what_an_operation_says_of_a_node_stays_text(project: Project, people: dict[str, User]) -> None:
    ended(project, people["bob"], message="It said: <b>x</b>\r\nBcc: eve@example.org\x1b[31m")
    mail = Message.objects.get()
    assert "\x1b" not in mail.text + mail.html
    assert "<b>x" not in mail.html
