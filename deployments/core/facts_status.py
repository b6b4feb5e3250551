"""The supervisor's status file, as ``ffs-node facts`` hands it on. The service may write it: none of it is sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployments.core.facts_fields import FactsError
from deployments.core.facts_values import Child, Heartbeats
from deployments.core.moments import moment

if TYPE_CHECKING:
    from deployments.core.facts_fields import Fields
    from deployments.core.facts_values import Container

GAVE_UP = "gave up"
"""How the last word of a supervisor begins that stopped because of what a program did."""


def heartbeats_in(it: Fields, container: Container | None) -> Heartbeats | None:
    """What the status file among a service's fields says; None where it is not of the form.

    A file that is older than the container that runs tells of another one, which may have had another mode: None.
    """
    try:
        beats = it.optional_group("heartbeats")
        found = _read(beats) if beats else None
    except FactsError:
        return None
    started = moment(container.started) if container and container.running else None
    return None if found and started and found.at < started.timestamp() else found


def _read(it: Fields) -> Heartbeats:
    children = tuple(
        Child(
            name=row.text("name"),
            state=row.text("state"),
            beat_age=row.maybe_decimal("heartbeat_age"),
            restarts=row.maybe_whole("restarts") or 0,
            reason=row.maybe_text("reason") or "",
        )
        for row in it.rows("children", 100)
    )
    earlier = it.optional_group("before")
    state, reason = ((earlier.maybe_text(name) or "") for name in ("state", "reason")) if earlier else ("", "")
    return Heartbeats(
        at=it.decimal("at"),
        state=it.text("state"),
        children=children,
        before="; ".join(word for word in (state, "" if reason in state else reason) if word),
        before_reason=state if state.startswith(GAVE_UP) else reason,
    )


def status_age(beats: Heartbeats, time: float) -> float:
    """Seconds since the supervisor wrote the file, by the node's clock."""
    return max(0.0, time - beats.at)


def heartbeat_age(beats: Heartbeats, time: float) -> float | None:
    """Seconds since the sign of life that was awaited for the longest; None if no program ever gave one."""
    ages = [child.beat_age for child in beats.children if child.beat_age is not None]
    return status_age(beats, time) + max(ages) if ages else None
