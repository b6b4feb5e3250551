"""One id leads through the logs of web and worker: from the request by way of its operation to the lines of each node."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.test import Client
from pytest_django import Settings

from deployments.services import deploys
from ffsweb.operations import runner
from ffsweb.operations.models import Operation

from .fleet import run
from .push_site import Site


@pytest.fixture(autouse=True)
def _static_files(tmp_path: Path, settings: Settings) -> None:
    """WhiteNoise warns of a directory that is not there, and warnings are errors."""
    settings.STATIC_ROOT = tmp_path


Find = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def log() -> Iterator[Find]:
    """The lines that were logged so far with a word in them, as ``FFSWEB_LOG_FORMAT=json`` writes them."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    renderer = structlog.processors.JSONRenderer(default=str)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[meta, renderer], foreign_pre_chain=[structlog.contextvars.merge_contextvars]
        )
    )
    logging.getLogger().addHandler(handler)
    yield lambda word: [json.loads(line) for line in stream.getvalue().splitlines() if word in line]
    logging.getLogger().removeHandler(handler)


def events(lines: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in lines]


def test_a_request_is_followed_to_the_node_that_its_operation_reads(site: Site, log: Find) -> None:
    browser = Client()
    browser.force_login(site.fleet.alice)
    answer = browser.post(f"/projects/{site.fleet.project}/nodes/{site.row.name}/read/")
    assert answer.status_code in {302, 303}
    name = answer.headers["X-Request-ID"]
    operation = Operation.objects.get(kind="read")
    assert operation.request_id == name
    assert structlog.contextvars.get_contextvars() == {}

    runner.run(operation.pk)
    lines = [line for line in log(name) if line["event"] != "operation_not_announced"]  # here is no broker
    assert events(lines) == [
        "operation_asked",
        "request_answered",
        "operation_begins",
        "node_connected",
        "operation_run_ends",
    ]
    assert {line["request"] for line in lines} == {name}
    asked, answered, _begins, connected, _ends = lines
    assert (asked["operation"], asked["kind"]) == (operation.pk, "read")
    assert answered | {"method": "POST", "view": "deployments:node_read", "status": 303} == answered
    assert connected | {"node": site.row.pk, "operation": operation.pk, "kind": "read", "attempt": 1} == connected
    assert structlog.contextvars.get_contextvars() == {}

    other = browser.get("/")
    assert other.headers["X-Request-ID"] != name


def test_lines_of_a_target_name_it_and_those_of_other_operations_have_nothing_of_it(site: Site, log: Find) -> None:
    plan = site.plan()
    with structlog.contextvars.bound_contextvars(request="0123456789abcdef"):
        operation = deploys.request_deploy(plan=plan, actor=site.fleet.alice)
    assert run(operation).state == "succeeded"
    connected = [line for line in log("0123456789abcdef") if line["event"] == "node_connected"]
    assert connected
    for line in connected:
        assert line["target"] == f"service:{site.service.pk}"
        assert (line["node"], line["operation"]) == (site.row.pk, operation.pk)

    site.fleet.read(site.row)  # asked for by no request
    begins = log("operation_begins")[-1]
    assert not begins.keys() & {"request", "target", "node"}


def test_no_line_tells_a_path_a_query_or_a_secret(site: Site, log: Find) -> None:
    browser = Client()
    browser.post(
        "/account/join/a-link-that-lets-somebody-in/?also=a-secret-in-a-query", {"password": "a-long-password"}
    )
    browser.post("/nowhere/a-path-that-nobody-knows/")
    assert log("request_answered")
    for word in ("lets-somebody-in", "a-secret", "a-long-password"):
        assert not [line for line in log(word) if line["event"] == "request_answered"]
