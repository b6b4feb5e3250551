"""A health check as a value, what a gate asks of it from each side, and what was seen. Nothing is asked here."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

NODE, DASHBOARD, BOTH = "node", "dashboard", "both"
HANDSHAKE = "handshake"
"""The side of the question which certificate is served."""
SIDES = {NODE: (NODE,), DASHBOARD: (DASHBOARD,), BOTH: (DASHBOARD, NODE)}
"""The sides that each choice asks from, in the order in which they are asked."""
HTTP, HTTPS, TCP, COMMAND = "http", "https", "tcp", "command"
LOCAL = "127.0.0.1"
"""Where the node itself finds a port that it publishes."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A health check that was read: ``port`` and ``path`` of an address, or the ``words`` of a command."""

    kind: str
    port: int = 0
    path: str = ""
    words: tuple[str, ...] = ()

    def at(self, host: str = "") -> str:
        """The line again, with ``host`` in its place: ``https://192.0.2.1:443/healthz``."""
        if self.kind == COMMAND:
            return f"command: {shlex.join(self.words)}"
        shown = f"[{host}]" if ":" in host else host
        return f"{self.kind}://{shown}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Probe:
    """One side's question: ``check``, asked from ``side``, at ``address`` (the node's; from the node its own)."""

    side: str
    check: HealthCheck
    address: str = LOCAL

    @property
    def what(self) -> str:
        """What is asked, for messages."""
        return self.check.at(self.address)


@dataclass(frozen=True, slots=True)
class ServedProbe:
    """The question which certificate is served: ``fingerprint`` is the one that is waited for.

    ``ports`` are asked in turn, ``name`` by SNI; ``old`` is the fingerprint from before the switch, "" for none.
    """

    address: str
    fingerprint: str
    ports: tuple[int, ...]
    name: str = ""
    old: str = ""
    side: str = HANDSHAKE


@dataclass(frozen=True, slots=True)
class Probed:
    """What one side saw. ``said`` goes on from what was asked: ``answered 503``.

    ``hopeless``: asking again cannot change it.
    """

    side: str
    what: str
    good: bool
    said: str
    hopeless: bool = False

    @property
    def sentence(self) -> str:
        """For the log, the gate's reasons and its evidence."""
        if self.side == HANDSHAKE:
            return f"{self.what} {self.said.rstrip('.')}."
        return f"The health check from the {self.side}: {self.what} {self.said.rstrip('.')}."


def probes_of(check: HealthCheck | None, asked_from: str, address: str) -> tuple[Probe, ...]:
    """What a gate asks, for a node at ``address``."""
    if check is None:
        return ()
    return tuple(Probe(side, check, LOCAL if side == NODE else address) for side in SIDES[asked_from])


def in_words(check: HealthCheck, asked_from: str) -> str:
    """A sentence for plans."""
    sides = " and ".join(f"from the {side}" for side in SIDES[asked_from])
    return f"The gate asks {check.at()} {sides}."
