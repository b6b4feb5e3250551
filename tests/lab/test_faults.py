"""What goes wrong around a service that runs: one clear message each, and the service is not touched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployments.execution import stage
from deployments.execution.deploy_target import DeployTarget
from deployments.models import HostKey, Plan, Service
from deployments.models import Node as NodeRow
from deployments.services import deploys
from ffsweb.operations.models import Operation
from tests.deployments.fleet import Fleet, run
from tests.lab import rows
from tests.lab.deployed import UNTOUCHED, Shared, Site, get, one_message, wait_for
from tests.lab.lab import Lab
from tests.lab.waiting import greeting, until

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]


class Running(Site):
    """A node on which release 1 is live; release 2 is to follow."""

    planned: Plan

    def __init__(self, *arguments: Any, **fields: Any) -> None:
        super().__init__(*arguments, **fields)
        self.first = self.release("1.0")
        self.go_live(self.first)
        self.second = self.release("2.0")

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """The same container since the same moment, and it answers; the row says the same."""
        before = self.container()
        assert before != ("", "")
        yield
        assert self.container() == before
        assert get(self.node)["version"] == "1.0"
        assert (self.live, self.installed(), self.pending()) == (self.first, "1", False)

    def back_as_before(self) -> None:
        """Release 1 runs again (another container), and nothing waits for a confirmation."""
        assert get(self.node)["version"] == "1.0"
        assert (self.live, self.installed(), self.pending()) == (self.first, "1", False)
        assert self.read().state == "succeeded"
        assert self.live == self.first

    def shell(self, command: str) -> None:
        self.node.exec(("sh", "-c", command)).check()


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared[Running]]:
    shared = Shared[Running]()
    yield shared
    shared.remove()


@pytest.fixture
def running(
    lab: Lab, sample_image: Callable[..., Path], transactional_db: None, shared: Shared[Running]
) -> Iterator[Running]:
    """Release 1 is live on it."""
    if shared.site is None:
        shared.site = Running(Fleet(), lab, "faults", sample_image, start_timeout=20, settle=4)
        shared.rows = rows.dump()
    else:
        rows.load(shared.rows)
    yield shared.site
    shared.rows = rows.dump()


def refused_before_anything(running: Running, match: str) -> Operation:
    """The deploy of release 2 fails for that reason and has touched nothing."""
    with running.untouched():
        ended = run(deploys.request_deploy(plan=running.planned, actor=running.fleet.alice))
        one_message(ended, "failed", match)
        assert ended.message.endswith(UNTOUCHED)
        assert not ended.steps.filter(name__in=["stage", "switch"]).exists()
    return ended


@pytest.fixture
def planned(running: Running) -> Iterator[Running]:
    """A plan for release 2, made while all was well."""
    running.planned = running.plan(running.second)
    yield running
    assert running.read().state == "succeeded"


def test_a_node_that_refuses_connections(planned: Running) -> None:
    planned.shell("systemctl stop sshd")
    try:
        refused_before_anything(planned, "Nothing listens on")
    finally:
        planned.shell("systemctl start sshd")
        until("sshd again", lambda: (greeting(planned.node.address, 22) or b"").startswith(b"SSH-"), 20)


def test_a_node_that_is_cut_off(planned: Running) -> None:
    asked = deploys.request_deploy(plan=planned.planned, actor=planned.fleet.alice)
    before = planned.container()
    planned.node.cut()
    began = time.monotonic()
    ended = run(asked)
    assert time.monotonic() - began < 30
    assert planned.container() == before
    planned.node.heal()
    one_message(ended, "failed", planned.node.address)
    assert ended.message.endswith(UNTOUCHED)
    assert planned.container() == before
    wait_for(lambda: get(planned.node)["version"] == "1.0", "it answers again", 20)


def test_a_node_that_is_cut_off_between_the_preflight_and_the_staging(
    planned: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = stage.stage

    def cut_off(target: DeployTarget) -> object:
        planned.node.cut()
        return plain(target)

    monkeypatch.setattr(stage, "stage", cut_off)
    before = planned.container()
    ended = run(deploys.request_deploy(plan=planned.planned, actor=planned.fleet.alice))
    assert planned.container() == before
    planned.node.heal()
    assert ended.state == "failed", ended.message
    assert ended.message.endswith(UNTOUCHED)
    assert planned.container() == before
    wait_for(lambda: get(planned.node)["version"] == "1.0", "it answers again", 20)


def test_a_dashboard_key_that_was_taken_off_the_node(planned: Running) -> None:
    key = "/home/ffsweb/.ssh/authorized_keys.d/ffsweb"
    planned.shell(f"mv {key} /root/kept")
    try:
        refused_before_anything(planned, "did not accept the key for user 'ffsweb'")
    finally:
        planned.shell(f"mv /root/kept {key}")


def test_another_host_key_is_refused_before_anything_is_sent(planned: Running) -> None:
    key = "/etc/ssh/ssh_host_ed25519_key"
    planned.shell(
        f"cp -a {key} /root/key && cp -a {key}.pub /root/key.pub && rm {key} {key}.pub && "
        f"ssh-keygen -q -t ed25519 -N '' -f {key} && systemctl restart sshd"
    )
    try:
        mark = planned.node.journal()
        ended = refused_before_anything(planned, "The host key of")
        assert "has changed" in ended.message
        assert "It was not logged in to." in ended.message
        said = planned.node.journal()[len(mark) :]
        assert "Accepted" not in said
        assert "ffs-node" not in said
    finally:
        planned.shell(f"mv /root/key {key} && mv /root/key.pub {key}.pub && systemctl restart sshd")


def test_a_node_without_a_known_host_key_is_not_logged_in_to(planned: Running) -> None:
    pinned = HostKey.objects.get(node=planned.row, kind=HostKey.Kind.PINNED)
    HostKey.objects.filter(pk=pinned.pk).update(kind=HostKey.Kind.RETIRED)
    try:
        mark = planned.node.journal()
        ended = refused_before_anything(planned, "No host key is known for")
        assert "an administrator can accept this key" in ended.message
        assert "Accepted" not in planned.node.journal()[len(mark) :]
        assert HostKey.objects.get(pk=pinned.pk).kind == HostKey.Kind.RETIRED
    finally:
        HostKey.objects.filter(pk=pinned.pk).update(kind=HostKey.Kind.PINNED)


def test_a_node_without_the_sudo_rule_names_the_file(planned: Running) -> None:
    rule = "/etc/sudoers.d/50-ffsweb"
    planned.shell(f"mv {rule} /root/kept")
    try:
        refused_before_anything(planned, rule)
    finally:
        planned.shell(f"mv /root/kept {rule}")


def test_a_node_without_ffs_node_says_so(planned: Running) -> None:
    program = "/usr/local/bin/ffs-node"
    planned.shell(f"mv {program} {program}.kept")
    try:
        refused_before_anything(planned, f"The node has no {program}")
    finally:
        planned.shell(f"mv {program}.kept {program}")


@pytest.mark.parametrize(
    ("settings", "said", "settle"),
    [
        ("SAMPLE_MODE=never-ready", "did not become ready", 4),
        ("SAMPLE_MODE=crash-at-start", "did not become ready", 4),
        ("SAMPLE_MODE=die-after=4", "gate did not open", 12),
        ("SAMPLE_MODE=hang-after=3", "gate did not open", 60),
    ],
    ids=["never-ready", "crash-at-start", "dies-after-ready", "hangs-after-ready"],
)
def test_a_release_that_does_not_stay_well_goes_back_to_the_one_before(
    running: Running, settings: str, said: str, settle: int
) -> None:
    Service.objects.filter(pk=running.service.pk).update(settle=settle)
    release = running.release("2.0", settings)
    try:
        ended = running.deploy(release)
    finally:
        Service.objects.filter(pk=running.service.pk).update(settle=4)
    one_message(ended, "rolled_back", said)
    assert ended.message.endswith("Release 1 runs again.")
    running.back_as_before()


def test_what_answers_and_is_no_ssh_server_is_told_apart(planned: Running) -> None:
    NodeRow.objects.filter(pk=planned.row.pk).update(ssh_port=443)
    try:
        refused_before_anything(planned, planned.node.address)
    finally:
        NodeRow.objects.filter(pk=planned.row.pk).update(ssh_port=22)
