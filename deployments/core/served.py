"""Which certificate a service should have, has on its node, and serves: do the three agree, and why not? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .health import parse_health_check, tcp_ports
from .health_values import HTTPS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

MATCH, MISMATCH, UNKNOWN = "match", "mismatch", "unknown"
STATES: Final = {MATCH: "All the same", MISMATCH: "Not the same", UNKNOWN: "Not known"}
MAX_PORTS = 4
"""Ports of one service that are asked for TLS."""
USUAL = (443, 8443)
FINGERPRINT = 64


@dataclass(frozen=True, slots=True)
class Seen:
    """What a TLS handshake showed: the certificate's SHA-256 in hex, or why there is none in ``error``."""

    fingerprint: str = ""
    error: str = ""
    old: bool = False
    """Whether it was seen so long ago that it says little of now."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``match``, ``mismatch`` or ``unknown``, and why, as a sentence ("" for a match)."""

    state: str
    reason: str = ""

    @property
    def label(self) -> str:
        """The state in words."""
        return STATES[self.state]


def fingerprint_of(version: str | None) -> str:
    """The fingerprint in the name of what a node keeps of a certificate (FINGERPRINT-SUFFIX); "" if it keeps none."""
    name = (version or "")[:FINGERPRINT]
    return name if len(name) == FINGERPRINT else ""


def compare(local: str, server: str | None, seen: Seen | None, *, held: Collection[str] = ()) -> Verdict:
    """Compare the inventory's certificate, the one that the unit on the node names, and the one that is served.

    ``local`` is a fingerprint, ``server`` one too ("" if the unit names none, None if the node was not read),
    ``held`` those of all certificates that the node keeps for the service. ``seen`` is None if nobody looked.
    """
    found = seen.fingerprint if seen else ""
    if server is None:
        wrong = "It serves another certificate than the one of the inventory; the node was not read." if found else ""
        return Verdict(MISMATCH, wrong) if found and found != local else Verdict(UNKNOWN, "The node was not read.")
    if server != local:
        return Verdict(MISMATCH, _not_deployed(local, server, found))
    if seen is None:
        return Verdict(UNKNOWN, "Nobody has looked yet at what it serves.")
    if not found:
        return Verdict(UNKNOWN, f"It was not seen what it serves: {seen.error}")
    if found != local:
        return Verdict(MISMATCH, _not_loaded(found, held))
    return (
        Verdict(UNKNOWN, "It was right when somebody looked last, which is long ago.") if seen.old else Verdict(MATCH)
    )


def ports_of(ports: Iterable[Mapping[str, object]], health_check: str = "") -> tuple[int, ...]:
    """The host's ports that may speak TLS, the likeliest first: the health check's, then the usual ones.

    ``ports`` as the model of a service keeps them. Never more than MAX_PORTS.
    """
    published = tcp_ports(ports)
    inside = {int(str(port["host"])): int(str(port["container"])) for port in ports if port["protocol"] == "tcp"}
    try:
        check = parse_health_check(health_check) if health_check else None
    except ValueError:
        check = None
    first = check.port if check and check.kind == HTTPS else 0
    ordered = sorted(
        published, key=lambda port: (port != first, port not in USUAL and inside[port] not in USUAL, port)
    )
    return tuple(ordered[:MAX_PORTS])


def server_name(names: Iterable[str]) -> str:
    """The name to ask for by SNI: the first of a certificate that is one host's; "" if there is none."""
    hosts = (name for name in names if "*" not in name and ":" not in name and not name.startswith("."))
    return next((name for name in hosts if name and not name.replace(".", "").isdigit() and len(name) < 254), "")


def _not_deployed(local: str, server: str, found: str) -> str:
    if not server:
        return "The node has no certificate for it: it gets this one at its next deploy or rotation."
    if found == local:
        return "It serves the certificate of the inventory, but its unit on the node names another one."
    return "Its unit on the node names another certificate: it gets this one at its next deploy or rotation."


def _not_loaded(found: str, held: Collection[str]) -> str:
    if found in held:
        return "The container serves the certificate from before: it did not load the new file. Restart it."
    return (
        "The container serves a certificate that the node does not keep for it: the application has one of its own, "
        "or something else answers on its port."
    )
