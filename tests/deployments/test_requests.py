"""Who asks first gets it; who asks second is told who has it, why, and since when."""

from __future__ import annotations

import pytest

from deployments.models import HostKey, Plan
from deployments.services import deploys, requests
from deployments.services.instances import ServiceBusy, remove_service
from deployments.services.nodes import NodeBusy, remove_node
from ffsweb.accounts.models import Membership, Role, User
from ffsweb.audit.models import AuditEvent
from ffsweb.operations import services as operations
from ffsweb.operations import waiting
from ffsweb.operations.errors import Busy
from ffsweb.operations.models import Hold, Operation, Wish
from tests.deployments.facts import read
from tests.deployments.fleet import Fleet
from tests.support.threads import at_once


@pytest.fixture
def bob(fleet: Fleet) -> User:
    bob = User.objects.create_user("bob")
    Membership.objects.create(user=bob, project=fleet.project, role=Role.OPERATOR)
    return bob


@pytest.fixture
def plan(fleet: Fleet) -> Plan:
    """A plan for one service on a node that was read and looks well."""
    node = fleet.node()
    service = fleet.service(node)
    read(node)
    release = fleet.release(fleet.described_image())
    return deploys.preview(release=release, services=[service], actor=fleet.alice)


def test_the_second_of_two_operators_is_told_who_has_the_service_why_and_since_when(
    fleet: Fleet, bob: User, plan: Plan
) -> None:
    first = deploys.request_deploy(plan=plan, actor=fleet.alice)
    with pytest.raises(Busy) as caught:
        deploys.request_deploy(plan=plan, actor=bob)
    busy = caught.value
    # The node too is held until its first contact.
    assert (busy.actor, busy.holder_id, busy.label) == ("alice", first.pk, "node-a")
    text = str(busy)
    since = Hold.objects.get(resource=busy.resource).since
    assert "“Deploy release 1 to www@node-a”, which alice asked for. Nothing was started." in text
    assert f"{since:%Y-%m-%d %H:%M:%S} UTC" in text
    assert Operation.objects.filter(kind="deploy").count() == 1
    assert AuditEvent.objects.filter(action="deploy.request").count() == 1


def test_of_two_operators_who_ask_at_the_same_moment_one_gets_it(fleet: Fleet, bob: User, plan: Plan) -> None:
    for _ in range(5):
        got = at_once(*(lambda who=who: deploys.request_deploy(plan=plan, actor=who) for who in (fleet.alice, bob)))
        won = [each for each in got if isinstance(each, Operation)]
        lost = [each for each in got if isinstance(each, Busy)]
        assert (len(won), len(lost)) == (1, 1), got
        assert (lost[0].holder_id, lost[0].actor) == (won[0].pk, won[0].actor_name)
        operations.cancel(won[0], actor=fleet.alice)
        assert not Hold.objects.exists()


def test_of_two_operators_who_ask_at_the_same_moment_and_would_wait_one_waits_for_the_other(
    fleet: Fleet, bob: User, plan: Plan
) -> None:
    for _ in range(5):
        got = at_once(
            *(lambda who=who: deploys.request_deploy(plan=plan, actor=who, wait=True) for who in (fleet.alice, bob))
        )
        assert all(isinstance(each, Operation) for each in got), got
        first, second = sorted(got, key=lambda each: not each.holds.exists())
        turn = waiting.turn_of(second)
        assert turn is not None
        assert {each.operation.pk for each in turn.obstacles} == {first.pk}
        assert {each.label for each in turn.obstacles} == {"node-a", "www@node-a"}
        for each in (first, second):
            operations.cancel(each, actor=fleet.alice)
        assert not Hold.objects.exists()
        assert not Wish.objects.exists()


def test_a_service_of_a_known_node_is_held_alone_and_named(fleet: Fleet, bob: User, plan: Plan) -> None:
    node = fleet.project.nodes.get()
    HostKey.objects.create(node=node, kind=HostKey.Kind.PINNED, public_key="ssh-ed25519 A", fingerprint="x")
    deploys.request_deploy(plan=plan, actor=fleet.alice)
    with pytest.raises(Busy, match=r"^www@node-a is in use since"):
        deploys.request_deploy(plan=plan, actor=bob)
    other = fleet.service(node, "other", ports=[])
    assert requests.request_control(service=other, verb="stop", actor=bob).state == "queued"


def test_a_deploy_holds_its_service_against_everything_that_changes_it(fleet: Fleet, plan: Plan) -> None:
    service = fleet.project.services.get()
    deploys.request_deploy(plan=plan, actor=fleet.alice)
    with pytest.raises(Busy, match="www@node-a is in use"):
        requests.request_control(service=service, verb="stop", actor=fleet.alice)
    with pytest.raises(ServiceBusy, match="Nothing was removed"):
        remove_service(service=service, actor=fleet.alice)
    with pytest.raises(NodeBusy, match="Nothing was removed"):
        remove_node(node=service.node, actor=fleet.alice)
    # Before its first contact the node is held too: its host key is about to change.
    with pytest.raises(Busy, match=r"^node-a is in use since"):
        requests.request_enrolment(node=service.node, actor=fleet.alice)


def test_reading_needs_nothing_for_itself(fleet: Fleet, plan: Plan) -> None:
    service = fleet.project.services.get()
    deploys.request_deploy(plan=plan, actor=fleet.alice)
    assert requests.request_reading(node=service.node, actor=fleet.alice).state == "queued"
    assert requests.request_journal(service=service, search="", follow=False, actor=fleet.alice).state == "queued"


def test_what_was_cancelled_before_it_began_holds_nothing_and_says_so(fleet: Fleet, plan: Plan) -> None:
    asked = deploys.request_deploy(plan=plan, actor=fleet.alice)
    operations.cancel(asked, actor=fleet.alice)
    asked.refresh_from_db()
    assert (asked.state, asked.message) == ("cancelled", "alice cancelled it. Nothing was changed.")
    assert deploys.request_deploy(plan=plan, actor=fleet.alice).state == "queued"
