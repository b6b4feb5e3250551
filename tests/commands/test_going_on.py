"""What ends a command does not end what it started: then its end is unknown (3), neither failed nor live."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.db import connections

from ffsweb.accounts.models import AccessToken
from ffsweb.commands import client, following
from ffsweb.operations.models import LogLine, Operation
from ffsweb.rest import operations
from tests.deployments.push_site import Site

from .conftest import Dashboard, Ffs

WWW = ("node-a", "--name", "www")


@pytest.fixture
def running(site: Site) -> Operation:
    made = Operation.objects.create(project=site.fleet.project, kind="test", title="A test", state="running")
    LogLine.objects.create(operation=made, number=1, at=made.created_at, text="line 1")
    return made


def in_a_thread(work: Callable[[], None]) -> threading.Thread:
    def whole() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=whole)
    thread.start()
    return thread


def clock(monkeypatch: pytest.MonkeyPatch, sleep: Callable[[float], None]) -> SimpleNamespace:
    """The time as who follows sees it."""
    fake = SimpleNamespace(now=0.0, sleep=sleep)
    fake.monotonic = lambda: fake.now
    monkeypatch.setattr(following, "time", fake)
    return fake


def test_a_dashboard_that_restarts_for_longer_than_one_request_waits(
    ffs: Ffs, dashboard: Dashboard, running: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream ends in order, and then nobody is there who would say whether the operation has ended."""
    monkeypatch.setattr(client, "TRIES", 1)
    away = threading.Event()
    clock(monkeypatch, lambda _: (away.set(), time.sleep(0.05)))  # type: ignore[arg-type, return-value]

    def restart() -> None:
        dashboard.stop()
        assert away.wait(20)
        LogLine.objects.create(operation=running, number=2, at=running.created_at, text="line 2")
        Operation.objects.filter(pk=running.pk).update(state="succeeded")
        dashboard.start()

    show, threads = following.show_line, []

    def shown(line: following.Line) -> None:
        show(line)
        if line["number"] == 1:
            threads.append(in_a_thread(restart))

    monkeypatch.setattr("ffsweb.commands.logs.show_line", shown)
    done = ffs("logs", "-f", str(running.pk))
    threads[0].join()
    assert done.code == 0, done
    assert [line.rpartition("  ")[2] for line in done.out.splitlines()] == ["line 1", "line 2"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_dashboard_that_says_nothing_of_the_operation_is_away(
    ffs: Ffs, running: Operation, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TRIES", 1)

    def broken(*_: object, **__: object) -> None:
        raise operations.Problem(status, "Not now.")

    def sleep(_: float) -> None:
        fake.now += 60

    fake = clock(monkeypatch, sleep)
    monkeypatch.setattr(operations, "detail", broken)
    monkeypatch.setattr(operations, "open_stream", broken)
    done = ffs("logs", "-f", str(running.pk))
    assert done.code == 3
    assert f"The dashboard is away: Not now. Operation {running.pk} goes on without you." in done.err
    assert fake.now == 360


def test_who_is_refused_to_hear_more_is_told_that_it_goes_on(ffs: Ffs, running: Operation) -> None:
    AccessToken.objects.all().delete()
    done = ffs("logs", "-f", str(running.pk))
    assert (done.code, f"Operation {running.pk} goes on without you." in done.err) == (3, True)


def test_an_error_of_the_dashboards_to_what_starts_something_is_unknown(
    ffs: Ffs, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fleet.read(site.row)

    def broken(_: object) -> None:
        raise RuntimeError("after the work")

    monkeypatch.setattr("deployments.api.deploying.operation_shape", broken)
    done = ffs("deploy", *WWW, "--yes")
    assert (done.code, "look at its operations" in done.err) == (3, True), done


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("logs", "-f", "{}"), 3),
        (("logs", "{}"), 0),
        (("nodes",), 0),
        (("deploy", *WWW, "--yes", "--json"), 3),
    ],
)
def test_a_pipe_that_nobody_reads_is_no_success_of_what_goes_on(
    ffs: Ffs, site: Site, running: Operation, arguments: tuple[str, ...], code: int
) -> None:
    site.fleet.read(site.row)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ffsweb.cli", *(each.format(running.pk) for each in arguments)],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            timeout=30,
            text=True,
        )
    finally:
        os.close(writing)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
