"""Every state that a page shows has a colour, an icon and a word of its own."""

from __future__ import annotations

import pytest

from deployments.models import HostKey
from deployments.models.board import STATES
from ffsweb.accounts.models import Role
from ffsweb.operations.states import State
from ffsweb.web.pills import PILLS, pill_for

SHOWN = [*STATES, *State, *HostKey.Kind, *Role, "done", "failed", "running", "interrupted"]
"""The last ones are the states of a step as the page of an operation tells them."""


@pytest.mark.parametrize("state", SHOWN)
def test_a_state_has_a_pill(state: str) -> None:
    assert str(state) in PILLS


def test_a_service_that_is_not_well_is_not_shown_calmly() -> None:
    assert {pill_for(state).tone for state in ("degraded", "unreachable", "failed", "needs_hands")} == {"bad"}
