"""Real nodes of the lab: read by each way, and deployed to again by ffsweb though nothing changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from benchmarks.fleet import ways
from benchmarks.fleet.nodes import Nodes
from benchmarks.fleet.report import Row
from benchmarks.push.product import Dashboard, Place
from tests.lab import Lab

if TYPE_CHECKING:
    from pathlib import Path

DEPLOY: Final = "ffsweb: a deploy that changes nothing"


def measured(count: int, rounds: int, programs: Path, place: Path) -> list[Row]:
    """The rows of ``count`` lab nodes, each of which runs the sample. Loads Django into this process."""
    dashboard = Dashboard(place / "dashboard")
    places: list[Place] = []
    with Lab.open() as lab:
        try:
            places += [Place(dashboard, lab, f"fleet-{number:02}", None) for number in range(1, count + 1)]
            return _measured(dashboard, places, rounds, programs, place)
        finally:
            for each in places:
                each.close()


def _measured(dashboard: Dashboard, places: list[Place], rounds: int, programs: Path, place: Path) -> list[Row]:
    from tests.lab.sample.build import sample_image

    fleet, services = dashboard.fleet, [each.service for each in places]
    release = fleet.release(fleet.image(sample_image("1.0")))
    _deploy(fleet, release, services)
    deploys = tuple(_deploy(fleet, release, services) for _ in range(rounds))
    reads = [_read() for _ in range(rounds)]
    nodes = _nodes(services, place)
    return [
        Row(DEPLOY, deploys, len(services)),
        Row("ffsweb", tuple(seconds for seconds, _ in reads), min(answered for _, answered in reads)),
        ways.pyinfra(nodes, programs, rounds),
        ways.ansible(nodes, programs, rounds),
    ]


def _deploy(fleet: Any, release: Any, services: list[Any]) -> float:
    """Seconds of the operation, its plan made from fresh readings before."""
    from deployments.services import deploys
    from tests.deployments.fleet import log_of, run

    _read()
    plan = deploys.preview(release=release, services=services, actor=fleet.alice)
    operation = deploys.request_deploy(plan=plan, actor=fleet.alice)
    began = time.monotonic()
    ended = run(operation)
    if ended.state != "succeeded":
        raise RuntimeError(f"{ended.message}\n{log_of(ended)[-2000:]}")
    return time.monotonic() - began


def _read() -> tuple[float, int]:
    from deployments.execution import readings
    from deployments.models import Reading

    Reading.objects.all().delete()
    began = time.monotonic()
    readings.read_due_nodes()
    return time.monotonic() - began, Reading.objects.filter(error="").count()


def _nodes(services: list[Any], place: Path) -> Nodes:
    """For the other ways: the dashboard's own keys, and the host keys that it has pinned."""
    from deployments.core.layout import DASHBOARD_USER
    from deployments.models import HostKey
    from deployments.models.node import node_key_context
    from ffsweb.web.keys import worker_opener

    keys, host_keys = {}, {}
    for service in services:
        node = service.node
        node.refresh_from_db()
        file = place / f"key-{node.pk}"
        opened = worker_opener().open(bytes(node.sealed_private_key), node_key_context(node.public_key))
        file.touch(mode=0o600)
        file.write_bytes(opened.reveal())
        keys[node.address] = file
        host_keys[node.address] = HostKey.objects.get(node=node, kind=HostKey.Kind.PINNED).public_key
    addresses = tuple(keys)
    return Nodes(addresses, 22, DASHBOARD_USER, keys[addresses[0]], "", place, keys, host_keys)
