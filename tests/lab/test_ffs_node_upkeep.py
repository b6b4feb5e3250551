"""Everyday verbs on a real node: start and stop, the journal, pruning, and a full disk."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from deployments.core import node_commands
from deployments.core.node_events import Line, parse_event
from deployments.oci.archive import import_archive
from deployments.oci.store import Store
from ffsweb.remote import Command, Interrupted
from tests.lab.ffs_node_machine import boot, deployable
from tests.lab.nodes import IMAGES
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from deployments.core.facts_values import ServiceFacts
    from tests.lab.ffs_node_machine import Deployable
    from tests.lab.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def live(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, sample_image: Callable[..., Path]
) -> Iterator[Deployable]:
    node = deployable(lab, "upkeep", tmp_path_factory.mktemp("upkeep"), sample_image("1.0"))
    node.deploy(1)
    yield node
    node.machine.close()
    node.machine.node.remove()


def test_a_service_is_stopped_started_and_restarted(live: Deployable) -> None:
    machine = live.machine
    for action, active in (("stop", "inactive"), ("start", "active"), ("restart", "active")):
        argv = node_commands.control(machine.fence, "www", action)  # type: ignore[arg-type]
        assert machine.do(argv).string("active") == active
    assert machine.ask(node_commands.control(machine.fence, "nobody", "start")).code == "not-found"


def test_restarts_are_forgotten_while_the_service_runs_on(live: Deployable) -> None:
    machine = live.machine

    def said() -> ServiceFacts:
        return machine.facts().services["www"]

    machine.node.exec(("podman", "kill", "--signal=KILL", "ffs-www")).check()
    until("it was restarted", lambda: (said().restarts, said().active) == (1, "active"), 60)
    before = said()
    assert machine.do(node_commands.reset_restarts("www")).fields["restarts"] == 1
    after = said()
    assert (after.restarts, after.active, after.main_pid) == (0, "active", before.main_pid)
    assert machine.do(node_commands.reset_restarts("www")).fields["restarts"] == 0
    assert "reset-restarts" in machine.facts().verbs
    assert machine.ask(node_commands.reset_restarts("nobody")).code == "not-found"
    machine.do(node_commands.control(machine.fence, "www", "stop"))
    assert machine.ask(node_commands.reset_restarts("www")).code == "systemd"
    machine.do(node_commands.control(machine.fence, "www", "start"))


def lines(live: Deployable, **options: object) -> list[str]:
    argv = node_commands.logs("www", **options)  # type: ignore[arg-type]
    return [event.text for event in live.machine.said(argv) if isinstance(event, Line)]


def test_the_journal_is_read_searched_and_bounded(live: Deployable) -> None:
    everything = lines(live)
    assert any("ready" in line for line in everything)
    assert not [line for line in everything if line.endswith("\n") or "container create" in line or '"event"' in line]
    assert lines(live, lines=2) == lines(live, lines=3)[-2:]
    found = lines(live, grep="READY: python3")
    assert found
    assert all("ready: python3" in line for line in found)
    assert lines(live, grep=".*") == lines(live, grep="\\E.*") == lines(live, grep="\\\\EE.*") == []
    assert lines(live, since=int(time.time()) + 3600) == []
    stamps = [event.at for event in live.machine.said(node_commands.logs("www")) if isinstance(event, Line)]
    assert stamps == sorted(stamps)


def test_the_journal_is_followed_as_it_grows_and_let_go_when_nobody_listens(live: Deployable) -> None:
    machine, stop, seen = live.machine, threading.Event(), []
    session = machine.connect()

    def take(line: object) -> None:
        event = parse_event(line.text)  # type: ignore[attr-defined]
        if isinstance(event, Line):
            seen.append(event.text)
            if "ready: python3" in event.text and time.monotonic() > began + 1:
                stop.set()

    began = time.monotonic()
    restart = threading.Timer(2, lambda: machine.do(node_commands.control(machine.fence, "www", "restart")))
    restart.start()
    with pytest.raises(Interrupted):
        session.run(Command(node_commands.logs("www", lines=1, follow=True), timeout=60), on_line=take, stop=stop)
    restart.join()
    session.close()
    assert any("SIGTERM" in line for line in seen)
    until(
        "the reader to end",
        lambda: machine.node.exec(("pgrep", "-f", "journalctl.*--follow")).status != 0,
        timeout=30,
    )


def test_pruning_keeps_what_is_named_and_what_is_in_use(live: Deployable) -> None:
    machine = live.machine
    for release in (3, 4, 5):
        machine.stage_files(release, {"version": b"x"}).check()
    machine.seal("v2", env__SECRET="other").check()
    spec = live.spec(2)
    machine.switch(spec).check()
    fence = machine.fence
    argv = node_commands.prune(
        fence, "www", [4], certificates=["0" * 64], credentials=["none1"], images=[f"sha256:{'0' * 64}"]
    )
    assert machine.do(argv).number("removed") == 3  # releases 3 and 5, credentials v2
    www = machine.facts().services["www"]
    assert www.releases == (1, 2, 4)  # 2 runs, 1 is what comes back
    assert (www.certs, www.credentials_held) == ((live.pair.fingerprint,), ("v1",))
    assert live.image.image_id in machine.facts().image_ids
    machine.rollback(spec.operation).check()
    assert machine.facts().services["www"].release == 1


def test_an_image_that_nothing_names_is_pruned(
    live: Deployable, sample_image: Callable[..., Path], tmp_path: Path
) -> None:
    machine, store = live.machine, Store(tmp_path / "store")
    image = import_archive(sample_image("1.1"), store)
    machine.stage_image(store, image).check()
    argv = node_commands.prune(machine.fence, "www", [1, 2], images=[f"sha256:{'0' * 64}"])
    machine.do(argv)
    assert machine.facts().image_ids == {live.image.image_id}
    machine.do(node_commands.control(machine.fence, "www", "restart"))


def test_a_full_disk_is_told_by_its_code_and_leaves_nothing_behind(
    lab: Lab, sample_image: Callable[..., Path], tmp_path: Path
) -> None:
    machine = boot(lab, "full", disks={IMAGES: 300, "/var/lib/ffs": 100})
    try:
        machine.do(node_commands.setup(machine.fence))
        store = Store(tmp_path / "store")
        image = import_archive(sample_image("1.0"), store)
        machine.node.fill(IMAGES, leave=8 << 20)
        before = machine.root("df", "--output=used", IMAGES)
        assert machine.stage_image(store, image).code == "disk-full"
        assert machine.facts().image_ids == frozenset()
        assert machine.root("find", "/var/lib/ffs-node/tmp", "-mindepth", "1") == ""
        used = int(machine.root("df", "--output=used", IMAGES).split()[1]) - int(before.split()[1])
        assert used < 4096, f"{used} KiB stay"
        machine.node.drain(IMAGES)
        machine.stage_image(store, image).check()

        assert machine.stage_files(1, {"big": bytes(60 << 20)}).code == "disk-full"
        machine.node.fill("/var/lib/ffs")
        assert machine.seal("v1", env__SECRET="x" * 60_000).code == "disk-full"
        assert machine.stage_files(1, {"small": b"x"}).code == "disk-full"
        assert machine.root("find", "/var/lib/ffs/www", "-name", ".ffs*") == ""
        machine.node.drain("/var/lib/ffs")
        machine.stage_files(1, {"small": b"x"}).check()
    finally:
        machine.close()
        machine.node.remove()


def test_a_removed_service_is_gone_but_for_its_data(
    lab: Lab, sample_image: Callable[..., Path], tmp_path: Path
) -> None:
    node = deployable(lab, "removed", tmp_path, sample_image("1.0"))
    machine = node.machine
    try:
        node.deploy(1)
        machine.do(node_commands.remove(machine.fence, "www"))
        assert machine.root("podman", "ps", "--all", "--quiet") == ""
        assert machine.root("ls", "/var/lib/ffs/www") == "data\n"
        assert "ffs-" not in machine.root("ls", "-A", "/etc/containers/systemd")
        machine.do(node_commands.remove(machine.fence, "www", with_data=True))
        assert machine.facts().services == {}
    finally:
        machine.close()
        machine.node.remove()
