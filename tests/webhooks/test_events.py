"""What the dashboard tells webhooks of: operations and what they ask."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ffsweb.accounts.models import Project, User
from ffsweb.operations.contract import Outcome
from ffsweb.operations.states import State
from ffsweb.webhooks.events import EVENTS
from ffsweb.webhooks.models import Delivery, Endpoint
from tests.operations.ran import ran


@pytest.mark.parametrize(
    "state",
    [State.SUCCEEDED, State.FAILED, State.ROLLED_BACK, State.UNKNOWN, State.NEEDS_HANDS, State.CANCELLED],
)
def test_how_an_operation_ended_is_told(project: Project, alice: User, endpoint: Endpoint, state: State) -> None:
    ran(project, alice, lambda _: Outcome(state, "node-a is as it was."))
    row = Delivery.objects.get()
    assert row.event == f"operation.{state}" and row.event in EVENTS
    value = json.loads(row.body)["data"]
    assert (value["state"], value["asked_by"], value["title"]) == (state, "alice", "Deploy release 3")
    assert value["targets"][0]["name"] == "www@node-a" and value["message"] == "node-a is as it was."
    assert value["url"].endswith(f"/operations/{value['operation']}/")


def test_what_an_operation_asks_is_told_once(project: Project, alice: User, endpoint: Endpoint) -> None:
    def asks(context: Any) -> Outcome:
        context.ask("next-wave", "Go on with wave 2?", {"go": "Go on", "back": "Take it back"})
        return Outcome(State.SUCCEEDED, "")

    ran(project, alice, asks)
    value = json.loads(Delivery.objects.get().body)
    assert value["type"] == "operation.asks"
    assert value["data"]["question"] == "Go on with wave 2?" and value["data"]["choices"] == ["Go on", "Take it back"]
