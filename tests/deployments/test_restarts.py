"""The restarts of a service that is well again are forgotten on the node, and still counted on the pages."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from deployments.core.node_argv import PREFIX
from deployments.execution import connection, readings
from deployments.execution.connection import NodeLogin
from deployments.models import HostKey, Reading, Service
from deployments.models.board import fleet_board
from ffsweb.notify.models import Message
from ffsweb.remote.fake import HOST_KEY, Answer, Call, FakeNode
from tests.deployments.facts import node_facts, service_facts
from tests.deployments.fleet import Fleet


class RestartedNode:
    """A node whose service was restarted ``restarts`` times and has been active for an hour."""

    def __init__(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fleet = fleet
        self.node = fleet.node()
        HostKey.objects.create(node=self.node, kind=HostKey.Kind.PINNED, public_key=HOST_KEY, fingerprint="SHA256:x")
        self.row = fleet.service(self.node)
        self.release = fleet.release(fleet.described_image())
        Service.objects.update(live_release=self.release)
        self.restarts = 4
        self.since = int(time.time()) - 3600
        self.verbs: Any = ["reset-restarts"]
        self.answer: dict[str, Any] = {}
        self.fake = FakeNode()
        self.fake.on(PREFIX, self._answer)
        monkeypatch.setattr(connection, "connect", self.fake.connect)

    def _answer(self, call: Call) -> Answer:
        if call.argv[len(PREFIX)] == "reset-restarts":
            told = self.answer or {"ok": True, "restarts": self.restarts}
            if told["ok"]:
                self.restarts = 0
        else:
            services = {"www": service_facts(self.release, restarts=self.restarts, since=self.since)}
            told = {"ok": True, **node_facts(services, **({"verbs": self.verbs} if self.verbs else {}))}
        return Answer(out=json.dumps({"event": "result", **told}) + "\n", exit_status=0 if told["ok"] else 1)

    def read(self) -> Reading:
        stored = readings.store(readings.take(NodeLogin(self.node), stop=threading.Event()))
        assert stored is not None
        return stored

    def asked(self) -> int:
        return sum(call.argv[len(PREFIX)] == "reset-restarts" for call in self.fake.calls)

    def shown(self) -> int:
        (row,) = fleet_board(self.fleet.alice)
        return row.restarts


@pytest.fixture
def restarted(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> RestartedNode:
    return RestartedNode(fleet, monkeypatch)


def test_after_ten_healthy_minutes_the_node_forgets_and_the_pages_count_on(restarted: RestartedNode) -> None:
    assert restarted.read().error == ""
    assert (restarted.asked(), restarted.restarts, restarted.shown()) == (1, 0, 4)
    restarted.read()
    assert restarted.asked() == 1
    restarted.restarts = 2
    restarted.read()
    assert (restarted.asked(), restarted.shown()) == (2, 6)
    row = Service.objects.get()
    assert (row.restarts_before, row.restarts_reset_at is not None) == (6, True)
    assert row.trouble_since is None
    assert not Message.objects.exists()


def test_a_service_that_is_well_for_less_is_left_alone(restarted: RestartedNode) -> None:
    restarted.since = int(time.time()) - 500
    restarted.read()
    assert (restarted.asked(), restarted.shown()) == (0, 4)


def test_a_node_with_an_older_program_is_not_asked(restarted: RestartedNode) -> None:
    restarted.verbs = None
    assert restarted.read().error == ""
    assert (restarted.asked(), restarted.shown()) == (0, 4)


@pytest.mark.parametrize("code", ["systemd", "pending", "bad-argument"])
def test_a_node_that_refuses_is_read_all_the_same(restarted: RestartedNode, code: str) -> None:
    restarted.answer = {"ok": False, "code": code, "text": "Nothing was changed."}
    assert restarted.read().error == ""
    assert (restarted.asked(), restarted.shown()) == (1, 4)


@pytest.mark.parametrize("count", [-1, "many", None, 10**30, True])
def test_a_count_that_is_none_breaks_nothing(restarted: RestartedNode, count: Any) -> None:
    restarted.answer = {"ok": True, "restarts": count}
    assert restarted.read().error == ""
    assert 0 <= Service.objects.get().restarts_before <= 10**6
    restarted.restarts = 4
    restarted.read()
    assert 0 <= Service.objects.get().restarts_before <= 10**6


def test_with_a_new_release_the_count_begins_anew(restarted: RestartedNode) -> None:
    restarted.read()
    facts = restarted.read().parsed()
    assert facts is not None
    image = restarted.release.image.image_id
    assert readings.prove_live(restarted.row, facts, release_id=restarted.release.pk, image_id=image, number=1)
    restarted.read()
    assert restarted.shown() == 0
