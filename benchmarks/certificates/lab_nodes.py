"""Real nodes of the lab, each with one service that speaks TLS: looked at from both sides, and by openssl."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.certificates.probes import openssl
from benchmarks.certificates.report import OURS, Row
from benchmarks.push.product import Dashboard
from tests.lab import Lab

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.nodes import Node


def measured(count: int, rounds: int, place: Path, *, at_once: int) -> list[Row]:
    """The rows of ``count`` lab nodes. Loads Django into this process."""
    dashboard = Dashboard(place / "dashboard")
    nodes: list[Node] = []
    with Lab.open() as lab:
        try:
            nodes.extend(_begun(dashboard, lab, f"served-{number:02}") for number in range(1, count + 1))
            return _measured(dashboard, rounds, at_once=at_once)
        finally:
            for each in nodes:
                each.remove()


def _begun(dashboard: Dashboard, lab: Lab, name: str) -> Node:
    """A node with a service that publishes a port: its firewall is part of its machine file."""
    from deployments.models import Node as NodeRow

    row = dashboard.fleet.node(name)
    dashboard.fleet.service(row, settle=1)
    node = lab.up(name, dashboard.fleet.machine_file(row))
    NodeRow.objects.filter(pk=row.pk).update(address=node.address)
    return node


def _measured(dashboard: Dashboard, rounds: int, *, at_once: int) -> list[Row]:
    from deployments.execution import looking, readings
    from deployments.models import Reading, Served, Service
    from deployments.models.served_table import served_table
    from deployments.services import deploys
    from tests.certificates.material import intermediate, server
    from tests.deployments.fleet import log_of, run
    from tests.lab.sample.build import sample_image

    fleet = dashboard.fleet
    fleet.settings("SAMPLE_MODE=ok\n", plain=["SAMPLE_MODE"])
    Service.objects.update(certificate=fleet.certificate(server(), intermediate()))
    release = fleet.release(fleet.image(sample_image("1.0")))
    services = list(Service.objects.select_related("node"))
    Reading.objects.all().delete()
    readings.read_due_nodes()
    plan = deploys.preview(release=release, services=services, actor=fleet.alice)
    ended = run(deploys.request_deploy(plan=plan, actor=fleet.alice))
    if ended.state != "succeeded":
        raise RuntimeError(f"{ended.message}\n{log_of(ended)[-2000:]}")
    seconds, seen = [], len(services)
    for _ in range(rounds):
        Served.objects.all().delete()
        began = time.monotonic()
        looking.look_at_due()
        table = served_table(Service.objects.all())
        seconds.append(time.monotonic() - began)
        both = [row for row in table if row.inside and row.outside and row.verdict.state == "match"]
        seen = min(seen, sum(bool(row.inside and row.inside.fingerprint) for row in both))
    endpoints = [(service.node.address, 443) for service in services]
    mine = Row(f"{OURS}, from both sides", tuple(seconds), seen)
    return [mine, openssl(endpoints, rounds, at_once=at_once)]
