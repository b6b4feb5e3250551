"""A deploy whose gate asks a health check: from the node, from the dashboard, and what each answer leads to."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import connections

from deployments.core.node_argv import PREFIX
from deployments.models import Node, Service
from deployments.services import deploys
from ffsweb.operations import services as operations
from ffsweb.operations.models import Operation
from ffsweb.remote.fake import CutAfter
from tests.deployments.fleet import log_of
from tests.deployments.push_site import Site

GOOD = {"ok": True, "good": True, "said": "answered 200"}
BAD = {"ok": True, "good": False, "said": "answered 503"}
SAID = "The health check from the node: https://127.0.0.1:443/healthz answered"
OLD = {"ok": False, "code": "bad-argument", "text": "ffs-node has no such verb."}


def checked(site: Site, line: str = "https://:443/healthz", asked_from: str = "node", **fields: Any) -> None:
    Service.objects.filter(pk=site.service.pk).update(health_check=line, health_from=asked_from, **fields)
    site.service.refresh_from_db()


def reasons(operation: Operation) -> str:
    """What the gate's evidence says."""
    return " ".join(operation.steps.get(name="gate").evidence["reasons"])


def test_a_service_that_the_node_finds_well_goes_live_and_the_evidence_says_so(site: Site) -> None:
    checked(site)
    ended = site.deploy()
    assert ended.state == "succeeded", ended.message + log_of(ended)
    assert site.node.asked[0] == {"service": "www", "kind": "https", "port": "443", "path": "/healthz"}
    assert f"{SAID} 200." in reasons(ended)
    assert f"{SAID} 200." in log_of(ended)


def test_without_a_health_check_nobody_asks(site: Site) -> None:
    assert site.deploy().state == "succeeded"
    assert site.node.asked == []


def test_the_words_of_a_command_arrive_as_they_are(site: Site) -> None:
    checked(site, "command: /app/check 'a b'")
    assert site.deploy().state == "succeeded"
    assert site.node.asked[0] == {"service": "www", "kind": "command", "words": ["/app/check", "a b"]}


def test_a_bad_answer_in_the_settle_window_brings_the_old_release_back_and_says_what_answered(site: Site) -> None:
    checked(site)
    site.node.probes = [GOOD, BAD]
    ended = site.deploy()
    assert ended.state == "rolled_back", ended.message + log_of(ended)
    assert f"The gate did not open. {SAID} 503." in ended.message
    assert reasons(ended) == f"{SAID} 503."
    assert site.node.release() == site.first.number
    assert len(site.node.asked) == 3, "a bad answer is asked for once more before it counts"


def test_one_bad_answer_between_good_ones_fails_nothing(site: Site) -> None:
    checked(site)
    site.node.probes = [GOOD, BAD, GOOD]
    ended = site.deploy()
    assert ended.state == "succeeded", ended.message + log_of(ended)


def test_a_service_that_answers_late_is_waited_for(site: Site) -> None:
    checked(site)
    site.node.probes = [BAD, BAD, BAD, BAD, GOOD]
    ended = site.deploy()
    assert ended.state == "succeeded", ended.message + log_of(ended)


def test_a_node_that_does_not_know_health_checks_is_told_of_at_once(site: Site) -> None:
    checked(site, start_timeout=600)
    site.node.probes = [OLD]
    ended = site.deploy()
    assert ended.state == "rolled_back", ended.message + log_of(ended)
    assert "cannot be asked: ffs-node there is older than health checks. Upgrade it" in ended.message
    assert len(site.node.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"ok": True, "good": "yes", "said": "answered 200"},
        {"ok": True, "said": "answered 200"},
        {"ok": True, "good": True, "said": "\x1b[2J"},
        {"ok": True, "good": True, "said": "x" * 401},
        {"ok": True, "good": True},
        {"ok": False, "code": "not-found", "text": "No container of www is running."},
    ],
)
def test_what_is_no_good_answer_opens_no_gate(site: Site, answer: dict[str, Any]) -> None:
    checked(site, start_timeout=2)
    site.node.probes = [answer]
    ended = site.deploy()
    assert ended.state == "rolled_back", ended.message + log_of(ended)
    assert "Not ready within 2 s." in ended.message


def test_a_connection_that_is_lost_while_asking_is_no_bad_answer(site: Site) -> None:
    checked(site)
    site.node.fake.fault((*PREFIX, "probe"), CutAfter(0))
    ended = site.deploy()
    assert ended.state == "succeeded", ended.message + log_of(ended)


def test_a_health_check_that_the_ports_no_longer_allow_is_refused_before_anything_is_done(site: Site) -> None:
    checked(site, "tcp://:5432")
    plan = site.plan()
    assert "does not publish TCP port 5432" in " ".join(plan.parsed().targets[0].refusals)
    with pytest.raises(deploys.Refused):
        deploys.request_deploy(plan=plan, actor=site.fleet.alice)


# From the dashboard.


class _Web(ThreadingHTTPServer):
    """Answers with the status that is set; ``hook`` is called with each question."""

    status = 200
    hook: Callable[[], object] = staticmethod(lambda: None)


class _Answers(BaseHTTPRequestHandler):
    server: _Web

    def do_GET(self) -> None:
        self.server.hook()
        with contextlib.suppress(OSError):
            self.send_response(self.server.status)
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web(site: Site) -> Iterator[_Web]:
    """What the dashboard finds at the node's published port."""
    with _Web(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        Node.objects.filter(pk=site.row.pk).update(address="127.0.0.1")
        port = {"host": server.server_port, "container": 8080, "protocol": "tcp"}
        checked(site, f"http://:{server.server_port}/healthz", "dashboard", ports=[port])
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "state"), [(200, "succeeded"), (503, "rolled_back")])
def test_what_answers_the_dashboard_decides(site: Site, web: _Web, status: int, state: str) -> None:
    web.status = status
    Service.objects.filter(pk=site.service.pk).update(start_timeout=2)
    ended = site.deploy()
    assert ended.state == state, ended.message + log_of(ended)
    where = f"http://127.0.0.1:{web.server_port}/healthz"
    assert f"The health check from the dashboard: {where} answered {status}." in reasons(ended)
    assert site.node.asked == []


def test_both_have_to_be_answered_well(site: Site, web: _Web) -> None:
    Service.objects.filter(pk=site.service.pk).update(health_from="both", start_timeout=2)
    site.node.probes = [BAD]
    ended = site.deploy()
    assert ended.state == "rolled_back", ended.message + log_of(ended)
    assert "The health check from the node:" in ended.message
    site.node.probes = [GOOD]
    ended = site.deploy()
    assert ended.state == "succeeded", ended.message + log_of(ended)
    assert "from the dashboard" in reasons(ended)
    assert "from the node" in reasons(ended)


def test_a_cancel_gets_through_while_the_dashboard_waits_for_an_answer(site: Site, web: _Web) -> None:
    asked, released = threading.Event(), threading.Event()
    moments: list[float] = []

    def hang() -> None:
        asked.set()
        released.wait(30)

    def cancel() -> None:
        asked.wait(30)
        moments.append(time.monotonic())
        operations.cancel(Operation.objects.filter(kind="deploy").latest("pk"), actor=site.fleet.alice)
        connections.close_all()

    web.hook = hang
    site.node.before["rollback"] = lambda: moments.append(time.monotonic())
    canceller = threading.Thread(target=cancel)
    canceller.start()
    ended = site.deploy()
    released.set()
    canceller.join()
    assert ended.state == "cancelled", ended.message + log_of(ended)
    assert moments[1] - moments[0] < 2
