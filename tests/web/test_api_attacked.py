"""schemathesis sends the API what its description allows and what it does not: every answer is as described."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks

from ffsweb.accounts import token_limits, tokens
from ffsweb.accounts.models import Role, User
from ffsweb.api import api
from tests.deployments.facts import read

from .described import Described

EXAMPLES = 8
"""For each function; enough to reach each kind of broken value now and then, and done in seconds."""

schema = schemathesis.openapi.from_dict(api.get_openapi_schema(path_prefix="api/v1/"))


@functools.cache
def _handler() -> WSGIHandler:
    """Made while a test runs: middleware reads the settings once."""
    return WSGIHandler()


def application(environ: Any, start_response: Any) -> Any:
    return _handler()(environ, start_response)


schema.app = application
schema.config.phases.coverage.enabled = False  # hundreds of bodies for each function: minutes on a busy machine


@pytest.fixture(autouse=True)
def _attackable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Requests leave the test's connection open, as those of Django's own test client do; no limit of failures."""
    monkeypatch.setattr(token_limits, "PER_NAME", 10**6)
    monkeypatch.setattr(token_limits, "PER_ADDRESS", 10**6)
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def token(described: Described, alice: User) -> str:
    service = described.service(described.node())
    described.release(described.described_image())
    read(service.node)
    return tokens.make(actor=alice, project=None, name="attack", role=Role.ADMIN, days=7).text


@pytest.mark.django_db
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_described(case: Any, token: str) -> None:
    if "project" in case.path_parameters:
        case.path_parameters["project"] = "serbest"
    case.call_and_validate(
        base_url="http://testserver",
        headers={"Authorization": f"Bearer {token}"},
        excluded_checks=[checks.positive_data_acceptance] if case.method == "POST" else [],  # forms have more rules
    )
