"""A deploy that is cancelled, parked, cut or refused between any two steps ends on one release, and says which."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now

from deployments.core.node_argv import PREFIX
from deployments.execution import connection, deploy_target, way_back
from deployments.models import HostKey, Node, Release, Service
from deployments.services import deploys, nodes, requests
from ffsweb.operations import services as operations
from ffsweb.operations.models import Hold, Operation
from ffsweb.operations.stopping import process
from ffsweb.remote.fake import HOST_KEY, Answer, Call, CutAfter
from tests.deployments.facts import node_facts, read, service_facts
from tests.deployments.fleet import Fleet, log_of, run
from tests.deployments.simulated import SimulatedNode
from tests.oci.images import Picture, archive, layer, podman_members

NOTICED = 0.6
"""Seconds within which a running operation has seen a cancel or a shutdown."""


class Site:
    """Two nodes with one service each; release 1 runs on both and release 2 is to follow."""

    def __init__(self, fleet: Fleet, tmp_path: Path) -> None:
        self.fleet = fleet
        self.simulated: dict[str, SimulatedNode] = {}
        self.services: list[Service] = []
        self.releases: list[Release] = []
        for text in ("one", "two"):
            path = tmp_path / f"{text}.tar"
            picture = Picture(layers=[layer(etc_base="base"), layer(app_main=text)])
            path.write_bytes(archive(podman_members(picture, tags=(f"localhost/app:{text}",))))
            self.releases.append(fleet.release(fleet.image(path)))
        for number, name in enumerate(("node-a", "node-b"), start=1):
            row = fleet.node(name, f"192.0.2.{number}")
            HostKey.objects.create(node=row, kind=HostKey.Kind.PINNED, public_key=HOST_KEY, fingerprint="SHA256:x")
            service = fleet.service(row, start_timeout=5, settle=1)
            self.simulated[row.address] = SimulatedNode()
            self.simulated[row.address].install(self.releases[0])
            Service.objects.filter(pk=service.pk).update(live_release=self.releases[0])
            self.services.append(service)
            read(row, node_facts({"www": service_facts(self.releases[0])}))

    @property
    def node(self) -> SimulatedNode:
        return self.simulated["192.0.2.1"]

    @property
    def other(self) -> SimulatedNode:
        return self.simulated["192.0.2.2"]

    def connect(self, endpoint: Any, *arguments: Any, **options: Any) -> Any:
        return self.simulated[endpoint.host].connect(endpoint, *arguments, **options)

    def ask(self, *services: Service, release: Release | None = None) -> Operation:
        chosen = services or (self.services[0],)
        for service in chosen:
            self.read(service)
        plan = deploys.preview(release=release or self.releases[1], services=chosen, actor=self.fleet.alice)
        assert not plan.parsed().refused, plan.body
        return deploys.request_deploy(plan=plan, actor=self.fleet.alice)

    def read(self, service: Service) -> None:
        ended = self.fleet.read(service.node)
        assert ended.state == "succeeded", ended.message

    def live(self, service: Service | None = None) -> Release | None:
        return Service.objects.get(pk=(service or self.services[0]).pk).live_release

    def cancel(self) -> None:
        """As a click in the page; returns when the run has seen it."""
        operations.cancel(Operation.objects.filter(kind="deploy").latest("pk"), actor=self.fleet.alice)
        time.sleep(NOTICED)

    def stop_worker(self) -> None:
        """As Ctrl-C; returns when the run has seen it."""
        process.stopping = True
        time.sleep(NOTICED)

    def go_on(self, operation: Operation) -> Operation:
        """As the next start."""
        assert Operation.objects.get(pk=operation.pk).state == "parked"
        process.stopping = False
        self.node.before.clear()
        self.node.after.clear()
        return run(operation)


@pytest.fixture
def site(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site(fleet, tmp_path)
    monkeypatch.setattr(connection, "connect", site.connect)
    for module in (deploy_target, way_back):
        monkeypatch.setattr(module, "INSIST", 3.0)
    yield site
    process.stopping = False


def numbered(operation: Operation) -> None:
    numbers = list(operation.lines.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_deploy_without_trouble_switches_once_and_is_proven(site: Site) -> None:
    ended = run(site.ask())
    assert ended.state == "succeeded", ended.message + log_of(ended)
    assert ended.message == "Release 2 is live on www@node-a."
    assert (site.node.release(), len(site.node.switches), site.node.pending) == (2, 1, {})
    assert site.live() == site.releases[1]
    assert not Hold.objects.exists()
    numbered(ended)


# Cancelled.


def test_a_node_that_was_cordoned_after_a_deploy_was_asked_for_is_not_touched(site: Site) -> None:
    asked = site.ask()
    nodes.cordon_node(node=site.services[0].node, reason="Its disk is replaced.", actor=site.fleet.alice)
    ended = run(asked)
    assert ended.state == "failed"
    assert "node-a is cordoned by alice since" in ended.message
    assert site.node.switches == []


def test_a_cancel_while_staging_touches_nothing_and_says_what_runs(site: Site) -> None:
    site.node.before["stage-image"] = site.cancel
    ended = run(site.ask())
    assert ended.state == "cancelled"
    assert "Nothing that runs was touched" in ended.message
    assert "release 1" in ended.message.lower()
    assert "switch" not in site.node.verbs()
    assert (site.node.release(), site.live()) == (1, site.releases[0])


@pytest.mark.parametrize("verb", ["switch", "facts"])
def test_a_cancel_after_the_switch_brings_the_old_release_back(site: Site, verb: str) -> None:
    if verb == "switch":
        site.node.after["switch"] = site.cancel
    else:

        def in_the_gate() -> None:
            if site.node.pending:
                site.node.before.clear()
                site.cancel()

        site.node.before["facts"] = in_the_gate
    ended = run(site.ask())
    assert ended.state == "cancelled", ended.message
    assert "Release 1 runs again" in ended.message
    assert (site.node.release(), site.node.pending, site.live()) == (1, {}, site.releases[0])


def test_a_cancel_that_comes_while_the_switch_is_confirmed_is_too_late_and_says_so(site: Site) -> None:
    site.node.before["confirm"] = site.cancel
    ended = run(site.ask())
    assert ended.state == "succeeded", ended.message
    assert "too late" in log_of(ended)
    assert (site.node.release(), site.node.pending, site.live()) == (2, {}, site.releases[1])


def test_a_cancel_during_the_last_reading_is_too_late_and_says_so(site: Site) -> None:
    def at_the_end() -> None:
        if "confirm" in site.node.verbs():
            site.node.before.clear()
            site.cancel()

    site.node.before["facts"] = at_the_end
    ended = run(site.ask())
    assert ended.state == "succeeded", ended.message
    assert site.live() == site.releases[1]


def test_a_cancel_while_going_back_changes_neither_the_end_nor_the_reason(site: Site) -> None:
    site.node.dying.add(2)
    site.node.before["rollback"] = site.cancel
    ended = run(site.ask())
    assert ended.state == "rolled_back"
    assert "The gate did not open" in ended.message
    assert (site.node.release(), site.node.pending) == (1, {})


# Parked.


@pytest.mark.parametrize("verb", ["setup", "stage-image", "stage-files", "check-unit", "switch", "confirm"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_deploy_that_is_parked_anywhere_goes_on_and_nothing_is_done_twice(site: Site, verb: str, when: str) -> None:
    getattr(site.node, when)[verb] = site.stop_worker
    asked = site.ask()
    assert run(asked).state == "parked"
    assert Hold.objects.filter(operation=asked).exists()
    ended = site.go_on(asked)
    assert ended.state == "succeeded", ended.message + log_of(ended)
    assert (site.node.release(), len(site.node.switches), site.node.pending) == (2, 1, {})
    assert site.live() == site.releases[1]
    numbered(ended)


def parked_in_the_gate(site: Site) -> Operation:
    site.node.after["switch"] = site.stop_worker
    asked = site.ask()
    assert run(asked).state == "parked"
    assert site.node.pending
    return asked


def test_a_deploy_that_is_cancelled_while_it_is_parked_after_the_switch_brings_the_old_release_back(
    site: Site,
) -> None:
    asked = parked_in_the_gate(site)
    process.stopping = False
    operations.cancel(asked, actor=site.fleet.alice)
    ended = site.go_on(asked)
    assert ended.state == "cancelled", ended.message
    assert "Release 1 runs again" in ended.message
    assert (site.node.release(), site.node.pending) == (1, {})


def test_a_deploy_that_was_parked_for_longer_than_the_node_waits_switches_again(site: Site) -> None:
    asked = parked_in_the_gate(site)
    site.node.pass_deadline()
    assert site.node.release() == 1
    ended = site.go_on(asked)
    assert ended.state == "succeeded", ended.message + log_of(ended)
    assert (site.node.release(), len(set(site.node.switches)), site.node.pending) == (2, 2, {})
    assert "switching again" in log_of(ended).lower()


def test_a_second_park_after_switching_again_finds_the_same_switch(site: Site) -> None:
    asked = parked_in_the_gate(site)
    site.node.pass_deadline()
    process.stopping = False

    def the_second_switch() -> None:
        if len(site.node.switches) == 2:
            site.stop_worker()

    site.node.after["switch"] = the_second_switch
    assert run(asked).state == "parked"
    ended = site.go_on(asked)
    assert ended.state == "succeeded", ended.message + log_of(ended)
    assert (len(site.node.switches), site.node.pending) == (2, {})


def test_an_old_release_that_somebody_brought_back_by_hand_stays(site: Site) -> None:
    asked = parked_in_the_gate(site)
    site.node.put_back("www", "it was asked for")
    ended = site.go_on(asked)
    assert ended.state == "rolled_back", ended.message
    assert (site.node.release(), len(site.node.switches)) == (1, 1)


def test_a_deploy_that_is_parked_while_going_back_goes_on_going_back(site: Site) -> None:
    site.node.dying.add(2)
    site.node.before["rollback"] = site.stop_worker
    asked = site.ask()
    assert run(asked).state == "parked"
    site.node.dying.clear()  # and even if it looks well by now
    ended = site.go_on(asked)
    assert ended.state == "rolled_back", ended.message
    assert "The gate did not open" in ended.message
    assert (site.node.release(), len(site.node.switches), site.node.pending) == (1, 1, {})


# Cut.


@pytest.mark.parametrize("verb", ["switch", "confirm", "rollback"])
def test_an_answer_that_was_lost_is_asked_for_again(site: Site, verb: str) -> None:
    if verb == "rollback":
        site.node.dying.add(2)
    site.node.fake.fault((*PREFIX, verb), CutAfter(0))
    ended = run(site.ask())
    assert ended.state == ("rolled_back" if verb == "rollback" else "succeeded"), ended.message + log_of(ended)
    assert (len(site.node.switches), site.node.pending) == (1, {})


def test_a_node_that_is_lost_in_the_gate_needs_hands_and_the_row_agrees_when_it_is_back(site: Site) -> None:
    site.node.after["switch"] = site.node.vanish
    ended = run(site.ask())
    assert ended.state == "needs_hands", ended.message
    assert "www@node-a" in ended.message
    assert "sudo ffs-node cancel --service www --op" in ended.message
    assert site.live() == site.releases[0]
    site.node.after.clear()
    site.node.pass_deadline()
    site.node.fake.accept()
    site.read(site.services[0])
    assert (site.node.release(), site.live()) == (1, site.releases[0])


def test_a_node_that_is_lost_after_it_confirmed_is_told_of_truly_by_a_later_reading(site: Site) -> None:
    site.node.after["confirm"] = site.node.vanish
    ended = run(site.ask())
    assert ended.state in {"needs_hands", "unknown"}, ended.message
    assert site.live() == site.releases[0]
    site.node.after.clear()
    site.node.fake.accept()
    site.read(site.services[0])
    assert (site.node.release(), site.live()) == (2, site.releases[1])


# Two services.


def test_a_node_that_cannot_become_ready_takes_the_other_back_with_it(site: Site) -> None:
    site.other.never_ready.add(2)
    ended = run(site.ask(*site.services))
    assert ended.state == "rolled_back", ended.message
    assert ended.message.startswith("www@node-b: The new release did not become ready.")
    assert ended.message.endswith("Release 1 runs again on every node.")
    assert (site.node.release(), site.other.release()) == (1, 1)
    assert (site.node.pending, site.other.pending) == ({}, {})
    assert "confirm" not in site.node.verbs()


def test_a_staging_that_fails_on_one_node_switches_none(site: Site) -> None:
    site.other.fake.on((*PREFIX, "stage-image"), _disk_full)
    ended = run(site.ask(*site.services))
    assert ended.state == "failed"
    assert "www@node-b: The disk is full." in ended.message
    assert "Nothing that runs was touched." in ended.message
    assert "switch" not in [*site.node.verbs(), *site.other.verbs()]


def _disk_full(_call: Call) -> Answer:
    return Answer(
        out='{"event":"result","ok":false,"code":"disk-full","text":"The disk is full."}\n',
        exit_status=1,
    )


def test_a_node_that_went_back_before_its_confirmation_takes_the_confirmed_one_back_too(site: Site) -> None:
    site.other.before["confirm"] = site.other.pass_deadline
    ended = run(site.ask(*site.services))
    assert ended.state == "rolled_back", ended.message
    assert ended.message.endswith("Release 1 runs again on every node.")
    assert (site.node.release(), site.other.release()) == (1, 1)
    assert (site.live(site.services[0]), site.live(site.services[1])) == (site.releases[0], site.releases[0])


def test_two_services_of_one_fresh_node_make_one_first_contact_and_stage_one_after_the_other(
    site: Site,
) -> None:
    fleet = site.fleet
    row = fleet.node("node-c", "192.0.2.3")
    fleet.machine_file(row)
    fresh = site.simulated[row.address] = SimulatedNode()
    for verb in ("setup", "rekey-host", "stage-image"):
        fresh.before[verb] = lambda: time.sleep(0.2)
    services = [fleet.service(row, name, ports=[], start_timeout=5, settle=1) for name in ("api", "www")]
    ended = run(site.ask(*services, release=site.releases[0]))
    assert ended.state == "succeeded", ended.message + log_of(ended)
    assert [verb for verb in fresh.collisions if verb != "facts"] == []  # each gate reads when it likes
    assert fresh.verbs().count("rekey-host") == 3
    assert fresh.verbs().count("stage-image") == 1
    assert (fresh.release("api"), fresh.release("www")) == (1, 1)
    assert HostKey.objects.filter(node=row, kind=HostKey.Kind.PINNED).count() == 1


# What is not what it should be.


def test_a_node_that_says_it_went_back_and_did_not_needs_hands(site: Site) -> None:
    site.node.dying.add(2)
    site.node.lies = True
    ended = run(site.ask())
    assert ended.state == "needs_hands", ended.message
    assert "www@node-a waits for a confirmation" in ended.message


def test_a_first_deploy_that_fails_leaves_nothing_running(site: Site) -> None:
    site.node.units.clear()
    Service.objects.update(live_release=None)
    site.node.dying.add(2)
    ended = run(site.ask())
    assert ended.state == "failed"
    assert "nothing ran before it" in ended.message
    assert (site.node.release(), site.live()) == (None, None)


def test_settings_that_cannot_be_opened_end_the_deploy_before_any_node_is_asked(site: Site) -> None:
    asked = site.ask()
    Release.objects.filter(pk=site.releases[1].pk).update(sealed_settings={"TOKEN": "AAAA"})
    site.node.fake.calls.clear()
    ended = run(asked)
    assert ended.state == "failed"
    assert "did not expect" not in ended.message
    assert "Nothing that runs was touched." in ended.message
    assert site.node.verbs() == []


@pytest.mark.parametrize("kind", ["read", "journal"])
def test_what_was_removed_while_it_waited_says_so(site: Site, kind: str) -> None:
    service = site.services[0]
    asks: dict[str, Callable[[], Operation]] = {
        "read": lambda: requests.request_reading(node=service.node, actor=site.fleet.alice),
        "journal": lambda: requests.request_journal(service=service, search="", follow=False, actor=site.fleet.alice),
    }
    asked = asks[kind]()
    nodes.remove_node(node=Node.objects.get(pk=service.node_id), actor=site.fleet.alice)
    ended = run(asked)
    assert ended.state == "failed"
    assert ended.message.endswith("was removed from the dashboard. Nothing was done.")
    assert ended.message in log_of(ended)


# Queued behind another.


def queued(site: Site, first: Operation) -> Operation:
    """Release 2, planned while the first one holds the service, and queued behind it."""
    site.read(site.services[0])
    plan = deploys.preview(release=site.releases[1], services=site.services[:1], actor=site.fleet.alice)
    asked = deploys.request_deploy(plan=plan, actor=site.fleet.alice, wait=True)
    assert not asked.holds.exists()
    assert run(asked).state == "queued"  # also if a message came for it
    assert run(first).state == "succeeded"
    return run(asked)


def test_a_deploy_that_was_queued_behind_a_restart_runs_when_that_has_ended(site: Site) -> None:
    ended = queued(site, requests.request_control(service=site.services[0], verb="restart", actor=site.fleet.alice))
    assert ended.state == "succeeded", ended.message
    assert (site.node.release(), site.live()) == (2, site.releases[1])
    assert not Hold.objects.exists()
    numbered(ended)


def test_a_deploy_that_was_queued_behind_one_that_changed_the_node_touches_nothing_and_says_so(site: Site) -> None:
    ended = queued(site, site.ask())
    assert ended.state == "failed"
    assert "The node changed since the plan was made. Make a fresh plan." in ended.message
    assert ended.message.endswith("Nothing that runs was touched.")
    assert len(site.node.switches) == 1
    assert (site.node.release(), site.live()) == (2, site.releases[1])
    assert not Hold.objects.exists()


# Overtaken: the lease ran out while the worker slept, and another went on.


class Sleeper:
    """A worker that falls asleep on its way to one command of the node, and wakes up when another has taken over."""

    def __init__(self, site: Site, verb: str) -> None:
        self.site, self.verb = site, verb
        self.asleep, self.wake = threading.Event(), threading.Event()
        self.number = 0
        site.node.before[verb] = self._hook

    def _hook(self) -> None:
        if not self.asleep.is_set():
            self.asleep.set()
            assert self.wake.wait(30)

    def run(self, operation: Operation) -> threading.Thread:
        thread = threading.Thread(target=self._run, args=(operation,))
        thread.start()
        assert self.asleep.wait(30)
        Operation.objects.filter(pk=operation.pk).update(lease_until=Now() - timedelta(seconds=1))
        return thread

    @staticmethod
    def _run(operation: Operation) -> None:
        try:
            run(operation)
        finally:
            connections.close_all()


@pytest.mark.parametrize("verb", ["stage-files", "check-unit", "switch", "confirm"])
def test_a_worker_that_wakes_up_after_another_took_over_moves_nothing_on_the_node(site: Site, verb: str) -> None:
    sleeper, asked = Sleeper(site, verb), site.ask()
    thread = sleeper.run(asked)
    ended = run(asked)
    assert ended.state == "succeeded", ended.message + log_of(ended)
    log, switches = log_of(ended), list(site.node.switches)
    sleeper.wake.set()
    thread.join(30)
    assert not thread.is_alive()
    # A look changes nothing; a switch that another worker of this operation has begun is only followed.
    assert site.node.stale == ([] if verb in {"check-unit", "switch"} else [verb])
    assert (log_of(ended), site.node.switches, site.node.pending) == (log, switches, {})
    assert (site.node.release(), site.live()) == (2, site.releases[1])
    ended.refresh_from_db()
    assert (ended.state, ended.attempt, ended.takeovers) == ("succeeded", 2, 1)
    numbered(ended)
