"""The main job on a real node: the generated file boots it, a deploy makes it serve, and failures go back."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from deployments.core import node_commands, node_input
from deployments.core.node_events import Refused
from deployments.execution.connection import NodeLogin
from deployments.execution.node_program import NodeProgram
from deployments.models import HostKey, Service, SigningKey
from deployments.models.signing import NAMESPACE, signing_key_context
from deployments.nodekit.released import ffs_node_script
from deployments.services import requests
from ffsweb.operations.models import LogLine
from ffsweb.web.keys import worker_opener
from tests.certificates.material import intermediate, server
from tests.deployments.fleet import Fleet, log_of, run
from tests.lab.deployed import get
from tests.lab.lab import Lab
from tests.lab.nodes import Node
from tests.support.crawl import crawl
from tests.support.sightings import processes_watched, rows_with

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

SENTINEL = "sentinel-7f3a91c2-never-to-be-seen"


class Machine:
    """A fleet with one booted node."""

    def __init__(self, fleet: Fleet, node: Node, service: Service) -> None:
        self.fleet, self.node, self.service = fleet, node, service


@pytest.fixture
def machine(lab: Lab, tmp_path: Path) -> Any:
    fleet = Fleet()
    row = fleet.node(address="192.0.2.1")
    service = fleet.service(row)
    service.certificate = fleet.certificate(server(), intermediate())
    service.save()
    fleet.settings(f"SAMPLE_MODE=ok\nAPI_TOKEN={SENTINEL}\nCOLOUR=blue\n", plain=["SAMPLE_MODE", "COLOUR"])
    node = lab.up("main-path", fleet.machine_file(row))
    row.address = node.address
    row.save()
    yield Machine(fleet, node, service)
    node.remove()


def test_the_whole_path_from_the_generated_file_to_a_live_release(
    machine: Machine, sample_image: Callable[..., Path], tmp_path: Path
) -> None:
    fleet, node, service = machine.fleet, machine.node, machine.service
    ended = fleet.read(service.node)
    assert ended.state == "succeeded", ended.message
    first = fleet.release(fleet.image(sample_image("1.0")))
    ended = fleet.deploy(first, service)
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}\n{node.journal(lines=80)}"
    service.refresh_from_db()
    assert service.live_release == first
    assert get(node)["version"] == "1.0"
    assert HostKey.objects.filter(node=service.node, kind=HostKey.Kind.PINNED).count() == 1
    # The second release sends the changed layer alone.
    second = fleet.release(fleet.image(sample_image("2.0")))
    ended = fleet.deploy(second, service)
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert get(node)["version"] == "2.0"
    assert "layers to send: 1." in log_of(ended)


def test_nothing_of_the_sentinel_is_on_the_node_or_in_any_log(
    machine: Machine, sample_image: Callable[..., Path], settings: Any, tmp_path: Path
) -> None:
    settings.STATIC_ROOT = tmp_path
    fleet, node, service = machine.fleet, machine.node, machine.service
    fleet.read(service.node)
    release = fleet.release(fleet.image(sample_image("1.0")))
    with processes_watched(SENTINEL) as seen:
        ended = fleet.deploy(release, service)
    assert seen == []
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert "API_TOKEN" in get(node, "/settings")
    fleet.control(service, "restart")
    run(requests.request_journal(service=service, search="", follow=False, actor=fleet.alice))
    for directory in node.written():
        for path in directory.rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert SENTINEL.encode() not in path.read_bytes(), path
    assert rows_with(SENTINEL) == []
    assert LogLine.objects.filter(text__contains="Sealing the credentials").exists()
    client = Client()
    client.force_login(fleet.alice)
    pages = crawl(client)
    assert {f"/operations/{ended.pk}/", f"/operations/{ended.pk}/text"} <= set(pages), sorted(pages)
    assert [address for address, body in pages.items() if SENTINEL.encode() in body] == []


def test_a_release_that_dies_in_the_settle_window_goes_back(
    machine: Machine, sample_image: Callable[..., Path]
) -> None:
    fleet, node, service = machine.fleet, machine.node, machine.service
    fleet.read(service.node)
    good = fleet.release(fleet.image(sample_image("1.0")))
    assert fleet.deploy(good, service).state == "succeeded"
    Service.objects.filter(pk=service.pk).update(settle=15)
    fleet.settings("SAMPLE_MODE=die-after=4\n", plain=["SAMPLE_MODE"])
    bad = fleet.release(fleet.image(sample_image("2.0")))
    ended = fleet.deploy(bad, service)
    assert ended.state == "rolled_back", f"{ended.message}\n{log_of(ended)}"
    assert "gate" in ended.message
    assert get(node)["version"] == "1.0"
    service.refresh_from_db()
    assert service.live_release == good


def test_a_node_takes_an_upgrade_that_the_installation_signed(machine: Machine, tmp_path: Path) -> None:
    key = SigningKey.objects.get()
    private = worker_opener().open(bytes(key.sealed_private_key), signing_key_context(key.public_key))
    (tmp_path / "key").write_bytes(private.reveal())
    (tmp_path / "key").chmod(0o600)
    script = ffs_node_script().encode()
    signature = subprocess.run(
        ("ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(tmp_path / "key")),
        input=script,
        capture_output=True,
        check=True,
    ).stdout.decode()
    with NodeLogin(machine.service.node).connect() as session:
        program = NodeProgram(session, log=lambda _text, _stream: None, stop=threading.Event())
        answer = program.ask(node_commands.upgrade((1, 1)), stdin=node_input.upgrade_input(script, signature))
        assert answer.string("version")
        with pytest.raises(Refused, match="signature"):
            program.ask(node_commands.upgrade((1, 2)), stdin=node_input.upgrade_input(script + b"#", signature))


def test_the_firewall_of_the_machine_file_is_up_and_drops_what_is_not_named(machine: Machine) -> None:
    node = machine.node
    assert node.exec(("systemctl", "is-active", "ffs-firewall.service")).out.strip() == "active"
    assert "policy drop" in node.exec(("nft", "list", "table", "inet", "ffs")).check().out
    with socket.create_connection((node.address, 22), timeout=5):
        pass
    # A port where nobody listens: without the rules the kernel would refuse at once.
    with pytest.raises(TimeoutError):
        socket.create_connection((node.address, 9999), timeout=1)
