"""Which certificate a service should have, has on its node, and serves: do the three agree, and why not? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .health import parse_health_check, tcp_ports
from .health_values import HTTPS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

MATCH, MISMATCH, FRONT, UNKNOWN = "match", "mismatch", "front", "unknown"
STATES: Final = {
    MATCH: "All the same",
    MISMATCH: "Not the same",
    FRONT: "Something in front",
    UNKNOWN: "Not known",
}
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
    """``match``, ``mismatch``, ``front`` or ``unknown``, and why, in sentences ("" for a match)."""

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


def compare(
    local: str,
    server: str | None,
    outside: Seen | None,
    inside: Seen | None = None,
    *,
    held: Collection[str] = (),
) -> Verdict:
    """Compare the inventory's certificate, the one that the unit on the node names, and the one that is served.

    ``local`` is a fingerprint, ``server`` one too ("" if the unit names none, None if the node was not read),
    ``held`` those of all certificates that the node keeps for the service. What is served is seen from ``outside``,
    by the dashboard, and from ``inside``, by the node; None if nobody looked. If both see one, and not the same, then
    something answers in front of the service. If one of them sees none, what the other one sees counts.
    """
    views = [each for each in (inside, outside) if each and each.fingerprint]
    fresh = [each for each in views if not each.old]
    if len({each.fingerprint for each in fresh}) > 1:
        return Verdict(FRONT, _in_front(local, server, inside=fresh[0].fingerprint, outside=fresh[1].fingerprint))
    seen = next(iter(fresh or views), None)
    found = seen.fingerprint if seen else ""
    if server is None:
        wrong = "It serves another certificate than the one of the inventory; the node was not read."
        return Verdict(MISMATCH, wrong) if found and found != local else Verdict(UNKNOWN, "The node was not read.")
    if server != local:
        return Verdict(MISMATCH, _not_deployed(local, server, found))
    if seen is None:
        return Verdict(UNKNOWN, _not_seen(outside, inside))
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


def _not_seen(outside: Seen | None, inside: Seen | None) -> str:
    said = [
        f"{side}: {seen.error}"
        for side, seen in (("from the dashboard", outside), ("from the node", inside))
        if seen and seen.error
    ]
    return f"It was not seen what it serves, {' '.join(said)}" if said else "Nobody has looked yet at what it serves."


def _in_front(local: str, server: str | None, *, inside: str, outside: str) -> str:
    what = f"The node sees the certificate {inside[:16]}, the dashboard {outside[:16]}: something answers in between."
    if inside == local == server:
        return f"{what} The service itself is right; look at the proxy or balancer in front of it."
    if inside == local:
        return f"{what} The service serves the one of the inventory, which its unit on the node does not name."
    which = "the one in front serves it" if outside == local else "neither of them serves it"
    return f"{what} The service does not serve the one of the inventory; {which}."


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
