"""Machine files and the host keys that they hand out: which of them count, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from deployments.models import HostKey, Node
from deployments.models.node import AWAITED, BOOTSTRAP_COUNTS
from ffsweb.accounts.models import User
from ffsweb.audit.models import AuditEvent

from .conftest import Visit
from .described import Described
from .markup import assert_well_made

pytestmark = pytest.mark.django_db
NODE = "/projects/serbest/nodes/node-a/"


@pytest.fixture
def node(described: Described) -> Node:
    return described.node()


def expire(key: HostKey) -> None:
    HostKey.objects.filter(pk=key.pk).update(created_at=timezone.now() - BOOTSTRAP_COUNTS - timedelta(seconds=1))


def test_each_download_is_an_event_that_names_the_public_half(visit: Visit, alice: User, node: Node) -> None:
    answer = visit(alice).post(f"{NODE}machine/ffs.ign")
    assert answer.status_code == 200
    key = HostKey.objects.get()
    event = AuditEvent.objects.get(action="node.machine_file")
    assert event.detail == {"kind": "ign", "host_key": key.fingerprint}
    assert key.fingerprint in visit(alice).get(f"{NODE}machine/").content.decode()


def test_only_the_newest_keys_are_awaited(described: Described, node: Node) -> None:
    for _ in range(AWAITED + 3):
        described.machine_file(node)
    counting = node.pins(timezone.now())
    newest = HostKey.objects.order_by("-pk")[:AWAITED]
    assert {key.pk for key in counting} == {key.pk for key in newest}
    assert HostKey.objects.filter(kind=HostKey.Kind.RETIRED).count() == 3


def test_an_expired_key_does_not_count_and_is_shown_as_expired(
    visit: Visit, alice: User, described: Described, node: Node
) -> None:
    described.machine_file(node)
    key = HostKey.objects.get()
    assert b"Expired" not in visit(alice).get(NODE).content
    assert not key.expired
    expire(key)
    assert HostKey.objects.get().expired
    assert node.pins(timezone.now()) == []
    for address in (NODE, f"{NODE}machine/"):
        page = visit(alice).get(address).content.decode()
        assert_well_made(page)
        assert "Expired" in page


def test_an_expired_key_is_trusted_again_by_name_alone(
    visit: Visit, alice: User, bob: User, described: Described, node: Node
) -> None:
    for _ in range(2):
        described.machine_file(node)
    for key in HostKey.objects.all():
        expire(key)
    chosen = HostKey.objects.order_by("pk")[0]
    address = f"{NODE}keys/{chosen.pk}/reprovision/"
    assert address in visit(alice).get(NODE).content.decode()
    assert address not in visit(bob).get(NODE).content.decode()
    assert visit(bob).post(address).status_code == 403
    assert visit(alice).post(address).status_code == 303
    assert [key.pk for key in node.pins(timezone.now())] == [chosen.pk]


def test_the_key_of_another_node_or_a_pinned_one_is_not_there(
    visit: Visit, alice: User, described: Described, node: Node
) -> None:
    other = described.node("node-b", "192.0.2.2")
    described.machine_file(other)
    theirs = HostKey.objects.get()
    pinned = HostKey.objects.create(node=node, kind=HostKey.Kind.PINNED, public_key="ssh-ed25519 A", fingerprint="x")
    for key in (theirs.pk, pinned.pk, 999999, 10**30):
        assert visit(alice).post(f"{NODE}keys/{key}/reprovision/").status_code == 404


def test_a_file_that_cannot_be_made_says_why_and_awaits_no_key(visit: Visit, alice: User, node: Node) -> None:
    Node.objects.update(operator_keys="this is no key")
    answer = visit(alice).post(f"{NODE}machine/ffs.ign", follow=True)
    assert b"The file was not made" in answer.content
    assert not HostKey.objects.exists()


def test_an_operator_gets_no_machine_file(visit: Visit, bob: User, node: Node) -> None:
    assert visit(bob).get(f"{NODE}machine/").status_code == 403
    assert visit(bob).post(f"{NODE}machine/ffs.bu").status_code == 403
    assert not HostKey.objects.exists()
