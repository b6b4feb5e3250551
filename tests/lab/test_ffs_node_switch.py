"""The switch on a real node: confirmed, rolled back, undone by the timer and by a boot; nothing is ever half-way."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from deployments.core import node_commands
from deployments.core.node_events import Answer, parse_event
from deployments.core.quadlet import Mode, render
from ffsweb.remote import Command, RemoteError
from tests.lab.ffs_node_machine import PASSPHRASE, SENTINEL, deployable
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from deployments.core.facts import ServiceFacts
    from deployments.core.quadlet import UnitSpec
    from tests.lab.ffs_node_machine import Deployable, Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

CRASH = (("SAMPLE_MODE", "crash-at-start"),)


@pytest.fixture(scope="module")
def _node(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, sample_image: Callable[..., Path]
) -> Iterator[Deployable]:
    node = deployable(lab, "switch", tmp_path_factory.mktemp("switch"), sample_image("1.0"))
    yield node
    node.machine.close()
    node.machine.node.remove()


@pytest.fixture
def live(_node: Deployable) -> Deployable:
    """A node that runs release 1, confirmed."""
    www = _node.machine.facts().service("www")
    assert www is not None
    assert www.pending is None
    if www.release != 1 or www.active != "active":
        _node.deploy(1)
    return _node


def service(machine: Machine) -> ServiceFacts:
    found = machine.facts().service("www")
    assert found is not None
    return found


def runs(machine: Machine, release: int) -> None:
    """The release runs: by its unit, by systemd, and by what its container sees."""
    until(f"release {release} to be active", lambda: service(machine).active == "active", timeout=30)
    www = service(machine)
    assert (www.release, www.pending) == (release, None)
    inside = machine.root(
        "podman", "exec", "ffs-www", "/usr/bin/python3", "-c", "print(open('/ffs/files/version').read())"
    )
    assert inside == f"{release}\n"


def test_a_first_deploy_rolled_back_leaves_the_node_as_it_was(
    lab: Lab, tmp_path: Path, sample_image: Callable[..., Path]
) -> None:
    first = deployable(lab, "first", tmp_path, sample_image("1.0"))
    machine = first.machine
    try:
        placeholder = machine.unit()
        spec = first.spec(1)
        machine.switch(spec).check()
        assert service(machine).pending is not None
        answer = machine.rollback(spec.operation).check()
        assert answer.string("active") == "inactive"
        assert machine.unit() == placeholder
        www = service(machine)
        assert (www.deployed, www.release, www.active, www.pending) == (False, None, "inactive", None)
        spec = first.deploy(1)
        runs(machine, 1)
        assert machine.rollback(spec.operation, confirmed=True).check().string("active") == "inactive"
        assert machine.unit() == placeholder
        assert not service(machine).deployed
        first.deploy(1)
        runs(machine, 1)
    finally:
        machine.close()
        machine.node.remove()


def test_a_confirmed_switch_stays_through_a_reboot(live: Deployable) -> None:
    machine = live.machine
    spec = live.deploy(2)
    assert machine.unit() == render(spec)
    assert machine.confirm(spec.operation).ok
    assert machine.rollback(spec.operation).code == "confirmed"
    assert machine.node.exec(("systemctl", "is-active", "ffs-restore-www.timer")).out == "inactive\n"
    machine.close()
    machine.node.kill()
    machine.node.start()
    runs(machine, 2)


def test_a_confirmation_that_a_power_cut_left_half_written_counts(live: Deployable) -> None:
    machine = live.machine
    spec = live.deploy(2)
    machine.root("sh", "-c", f"echo switched >/var/lib/ffs-node/ops/{spec.operation}.www/state")
    assert machine.rollback(spec.operation).code == "confirmed"
    machine.root("sh", "-c", f"echo switched >/var/lib/ffs-node/ops/{spec.operation}.www/state")
    assert machine.confirm(spec.operation).ok
    runs(machine, 2)


def test_secrets_reach_the_container_and_nothing_else(live: Deployable) -> None:
    machine = live.machine
    listing = machine.root("find", "/run/ffs/www", "-printf", "%P %m %U\\n")
    assert set(listing.splitlines()) == {" 755 0", "env.SECRET 400 1600", "cert_pass 400 1600"}
    ask = "import urllib.request,ssl; print(urllib.request.urlopen('https://127.0.0.1:8443/settings?name=SECRET', context=ssl._create_unverified_context()).read().decode())"
    assert "SECRET" in machine.root("podman", "exec", "ffs-www", "/usr/bin/python3", "-c", ask)
    inspected = machine.root("podman", "inspect", "ffs-www") + machine.root("systemctl", "show", "ffs-www.service")
    processes = machine.root("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    for text in (inspected, processes, machine.unit(), machine.node.journal()):
        assert SENTINEL not in text
        assert PASSPHRASE not in text
    for place in machine.node.written():
        for file in place.rglob("*"):
            if file.is_file() and not file.is_symlink() and file.stat().st_size < 50_000_000:
                data = file.read_bytes()
                assert SENTINEL.encode() not in data, file


def test_plain_settings_arrive_unchanged_through_quadlet_and_systemd(live: Deployable) -> None:
    machine = live.machine
    hard = "a \"quoted\" \\\\ back\\slash $HOME ${X} %h %% `id` $(id) ; | & \n line\ttab ü 漢字 'single'"
    live.deploy(1, environment=(("EMPTY", ""), ("HARD", hard), ("SEMICOLON", ";")))
    ask = "import json, os; print(json.dumps([os.environ[name] for name in ('EMPTY', 'HARD', 'SEMICOLON')]))"
    inside = machine.root("podman", "exec", "ffs-www", "/usr/bin/python3", "-c", ask)
    assert json.loads(inside) == ["", hard, ";"]


def test_a_rollback_brings_the_old_release_back_at_once(live: Deployable) -> None:
    machine = live.machine
    before = machine.unit()
    spec = live.spec(2)
    machine.switch(spec).check()
    assert service(machine).pending is not None
    assert machine.rollback(spec.operation).check().string("active") == "active"
    assert machine.unit() == before
    runs(machine, 1)
    assert machine.confirm(spec.operation).code == "rolled-back"
    assert machine.rollback(spec.operation).ok
    assert machine.ask(node_commands.follow("www", spec.operation)).code == "rolled-back"


def test_a_confirmed_switch_is_undone_where_that_is_asked_for_and_nothing_came_after_it(live: Deployable) -> None:
    machine = live.machine
    before = machine.unit()
    spec = live.deploy(2)
    assert machine.rollback(spec.operation).code == "confirmed"
    assert machine.rollback(spec.operation, confirmed=True).check().string("active") == "active"
    assert machine.unit() == before
    runs(machine, 1)
    assert machine.rollback(spec.operation, confirmed=True).ok  # asked again it is the same
    assert machine.confirm(spec.operation).code == "rolled-back"
    older = live.deploy(2)
    live.deploy(1)
    assert machine.rollback(older.operation, confirmed=True).code == "changed"
    runs(machine, 1)
    staged = live.deploy(2)
    machine.root("mv", "/var/lib/ffs/www/releases/1", "/var/lib/ffs/www/releases/9")
    assert machine.rollback(staged.operation, confirmed=True).code == "not-found"
    machine.root("mv", "/var/lib/ffs/www/releases/9", "/var/lib/ffs/www/releases/1")
    runs(machine, 2)


def test_an_unconfirmed_switch_is_undone_by_the_timer(live: Deployable) -> None:
    machine = live.machine
    before = machine.unit()
    spec = live.spec(2)
    machine.switch(spec, deadline=10).check()
    pending = service(machine).pending
    assert pending is not None
    assert (pending.op, 0 < pending.deadline - time.time() <= 11) == (spec.operation, True)
    machine.close()
    until("the timer to restore", lambda: machine.unit() == before, timeout=25)
    runs(machine, 1)
    assert machine.confirm(spec.operation).code == "rolled-back"


def test_an_unconfirmed_switch_is_undone_by_the_next_boot(live: Deployable) -> None:
    machine = live.machine
    before = machine.unit()
    spec = live.spec(2)
    machine.switch(spec, deadline=3600).check()
    machine.close()
    machine.node.kill()
    machine.node.start()
    runs(machine, 1)
    assert machine.unit() == before
    assert machine.confirm(spec.operation).code == "rolled-back"
    assert "release 2" not in machine.root(
        "journalctl", "--boot", "--quiet", "--unit=ffs-www.service", "--output=cat"
    )


def test_a_release_that_crashes_is_told_with_its_last_words_and_keeps_the_old_one_at_hand(live: Deployable) -> None:
    machine = live.machine
    spec = live.spec(2, environment=CRASH, start_timeout=20)
    said = machine.said(node_commands.switch(machine.fence, "www", spec.operation, 60), render(spec).encode())
    answer = said[-1]
    assert isinstance(answer, Answer)
    assert answer.code == "start-failed"
    assert "crashing at start, as told" in str(said)
    assert machine.confirm(spec.operation).code == "not-switched"
    another = live.spec(2)
    assert machine.switch(another).code == "pending"
    machine.rollback(spec.operation).check()
    runs(machine, 1)
    machine.switch(another).check()
    machine.rollback(another.operation).check()


def test_the_same_operation_again_follows_the_first(live: Deployable) -> None:
    machine = live.machine
    spec = live.spec(2)
    first = machine.said(node_commands.switch(machine.fence, "www", spec.operation, 60), render(spec).encode())
    started = service(machine).since
    again = machine.said(node_commands.switch(machine.fence, "www", spec.operation, 60), render(spec).encode())
    followed = machine.said(node_commands.follow("www", spec.operation))
    assert first == again == followed
    assert service(machine).since == started
    other = replace(spec, ports=())
    assert machine.switch(other).code == "exists"
    machine.rollback(spec.operation).check()


def test_a_cut_connection_does_not_end_a_switch(live: Deployable) -> None:
    machine = live.machine
    spec = live.spec(2)
    argv = node_commands.switch(machine.fence, "www", spec.operation, 60)
    session, seen = machine.connect(), threading.Event()

    def cut(line: object) -> None:
        seen.set()
        session.close()

    with pytest.raises(RemoteError):
        session.run(Command(argv, stdin=render(spec).encode(), timeout=30), on_line=cut)
    assert seen.is_set()
    assert machine.ask(node_commands.follow("www", spec.operation)).check().string("state") == "switched"
    machine.confirm(spec.operation).check()
    runs(machine, 2)
    live.deploy(1)


def test_a_switch_that_waits_can_be_cancelled(live: Deployable) -> None:
    machine = live.machine
    spec = live.spec(2, mode=Mode.OWN, environment=(("SAMPLE_MODE", "never-ready"),), start_timeout=100)
    answers: list[Answer] = []
    other = machine.connect()

    def run() -> None:
        argv = node_commands.switch(machine.fence, "www", spec.operation, 100)
        out = other.run(Command(argv, stdin=render(spec).encode(), timeout=90)).out
        event = parse_event(out.splitlines()[-1])
        assert isinstance(event, Answer)
        answers.append(event)

    waiting = threading.Thread(target=run)
    waiting.start()
    until(
        "the switch to wait",
        lambda: (now := service(machine)).release == 2 and now.active == "activating",
        timeout=30,
    )
    assert machine.confirm(spec.operation).code == "busy"
    assert machine.do(node_commands.cancel("www", spec.operation), timeout=60).string("state") == "rolled-back"
    waiting.join(60)
    other.close()
    assert [answer.code for answer in answers] in (["rolled-back"], ["interrupted"])
    runs(machine, 1)


def test_confirm_and_rollback_at_the_same_moment_leave_one_winner(live: Deployable) -> None:
    machine = live.machine
    for _ in range(3):
        spec = live.spec(2)
        machine.switch(spec).check()
        sessions = [machine.connect(), machine.connect()]
        fence = machine.fence
        commands = (
            node_commands.confirm(fence, "www", spec.operation),
            node_commands.rollback(fence, "www", spec.operation),
        )
        outputs = ["", ""]

        def run(index: int) -> None:
            outputs[index] = sessions[index].run(Command(commands[index], timeout=60)).out  # noqa: B023 - joined below

        threads = [threading.Thread(target=run, args=(index,)) for index in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for session in sessions:
            session.close()
        confirmed, rolled_back = (parse_event(output.splitlines()[-1]) for output in outputs)
        assert isinstance(confirmed, Answer)
        assert isinstance(rolled_back, Answer)
        assert confirmed.ok != rolled_back.ok, (confirmed, rolled_back)
        runs(machine, 2 if confirmed.ok else 1)
        if confirmed.ok:
            live.deploy(1)


@pytest.mark.parametrize("missing", ["image", "files", "supervisor", "certificate", "credentials"])
def test_a_switch_to_what_is_not_there_changes_nothing(live: Deployable, missing: str) -> None:
    machine = live.machine
    before = machine.unit(), service(machine).main_pid
    spec: UnitSpec = {
        "image": lambda: live.spec(1, image_id="sha256:" + "0" * 64),
        "files": lambda: live.spec(77),
        "supervisor": lambda: live.spec(1, supervisor="0" * 64),
        "certificate": lambda: live.spec(1, certificate="0" * 64),
        "credentials": lambda: live.spec(1, credentials_version="v99"),
    }[missing]()
    assert machine.switch(spec).code == "not-found"
    assert (machine.unit(), service(machine).main_pid) == before
    assert service(machine).pending is None
    assert machine.rollback(spec.operation).ok
    assert (machine.unit(), service(machine).main_pid) == before


def test_a_hostile_unit_never_becomes_an_operation(live: Deployable) -> None:
    machine = live.machine
    before = machine.unit()
    spec = live.spec(2)
    text = render(spec).replace("[Container]\n", "[Container]\nPodmanArgs=--privileged\n")
    assert (
        machine.ask(node_commands.switch(machine.fence, "www", spec.operation, 60), text.encode()).code == "bad-unit"
    )
    assert machine.ask(node_commands.follow("www", spec.operation)).code == "not-found"
    assert machine.unit() == before
