"""Health checks on a real node: each kind, from the node and from the dashboard, and a gate that they open and close."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connections

from deployments.core import node_commands, node_input
from deployments.core.health import parse_health_check
from deployments.core.health_values import DASHBOARD, Probe
from deployments.execution import dashboard_probe
from deployments.execution.connection import NodeLogin
from deployments.execution.node_program import NodeProgram
from deployments.models import Service
from tests.deployments.fleet import Fleet, log_of
from tests.lab.deployed import Site, get
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

FROM_THE_NODE = (
    ("command: python3 -c 'import time; time.sleep(600)'", False, "did not end within 10 s"),
    ("https://:443/healthz", True, "answered 200"),
    ("https://:443/nowhere", False, "answered 404"),
    ("http://:443/", False, "closed the connection without an answer"),
    ("tcp://:443", True, "took the connection"),
    ("tcp://:444", False, "took no connection"),
    ("https://:444/", False, "took no connection"),
    ("command: python3 -c 'import os; raise SystemExit(os.getuid() != 1600)'", True, "ended with status 0"),
    ("command: sh -c 'echo \"no  way\" >&2; exit 3'", False, "ended with status 3: no way"),
)
FROM_THE_DASHBOARD = tuple(
    row for row in FROM_THE_NODE if row[0].startswith(("https://:443", "http://", "tcp://:443"))
)
ONCE = "command: sh -c 'test ! -e /ffs/data/asked && : >/ffs/data/asked'"


@pytest.fixture
def site(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Site]:
    ports = [{"host": 443, "container": 8443, "protocol": "tcp"}, {"host": 444, "container": 444, "protocol": "tcp"}]
    site = Site(Fleet(), lab, "health", sample_image, ports=ports, start_timeout=60, settle=1)
    yield site
    site.node.remove()


def by_the_node(site: Site, line: str) -> tuple[bool, str]:
    """What the node says of this health check."""
    check = parse_health_check(line)
    try:
        with NodeLogin(site.row).connect() as session:
            program = NodeProgram(session, log=lambda _text, _stream: None, stop=threading.Event())
            answer = program.ask(node_commands.probe("www", check), stdin=node_input.probe_input(check))
            return answer.flag("good"), answer.string("said")
    finally:
        connections.close_all()


def test_each_kind_is_asked_from_each_side_and_the_gate_goes_by_the_answers(site: Site) -> None:
    Service.objects.filter(pk=site.service.pk).update(health_check="https://:443/healthz", health_from="both")
    site.service.refresh_from_db()
    first = site.release("1.0")
    ended = site.deploy(first)
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    seen = " ".join(ended.steps.get(name="gate").evidence["reasons"])
    assert f"The health check from the dashboard: https://{site.node.address}:443/healthz answered 200." in seen
    assert "The health check from the node: https://127.0.0.1:443/healthz answered 200." in seen

    with ThreadPoolExecutor(2) as pool:  # one waits for the command that hangs
        asked = {line: pool.submit(by_the_node, site, line) for line, _, _ in FROM_THE_NODE}
    assert {line: each.result() for line, each in asked.items()} == {row[0]: row[1:] for row in FROM_THE_NODE}
    assert "time.sleep(600)" not in site.node.exec(("ps", "-e", "-o", "args")).check().out
    for line, good, said in FROM_THE_DASHBOARD:
        probe = Probe(DASHBOARD, parse_health_check(line), site.node.address)
        found = dashboard_probe.ask(probe, stop=threading.Event())
        assert (line, found.good, found.said) == (line, good, said)

    Service.objects.filter(pk=site.service.pk).update(health_check=ONCE, health_from="node")
    ended = site.deploy(site.fleet.release(first.image))
    assert ended.state == "rolled_back", f"{ended.message}\n{log_of(ended)}"
    assert "asked' ended with status 1." in ended.message
    assert (site.installed(), get(site.node)["version"]) == ("1", "1.0")
