"""What an operator should know of a certificate that was taken in. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .details import Described
from .expiry import Facts, Rung, reached

CEILING = timedelta(days=30)
"""A certificate is said to expire soon in its last third, and never earlier than this."""
CRITICAL = timedelta(days=7)


class Level(StrEnum):
    """How much a finding matters; the words are tones of the pages."""

    BAD = "bad"
    WARN = "warn"
    CALM = "calm"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know."""

    level: Level
    text: str


def time_level(not_before: datetime, not_after: datetime, now: datetime) -> Level | None:
    """How near its end a certificate is: BAD once it is over or in the last tenth (at most 7 days), WARN in the last
    third (at most 30 days) or when the first mail is due (``core.expiry``), None before.
    """
    lifetime, left = not_after - not_before, not_after - now
    if left <= min(CRITICAL, lifetime / 10):
        return Level.BAD
    told = reached(Facts(not_before, not_after), now) is not Rung.NONE
    return Level.WARN if told or left <= min(CEILING, lifetime / 3) else None


def findings(chain: Sequence[Described], now: datetime) -> tuple[Finding, ...]:
    """What there is to say of an ordered chain, the worst first. ``now`` is an aware UTC time."""
    found = [*_times(chain, now), *_chain(chain), *_leaf(chain[0])]
    order = list(Level)
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def _times(chain: Sequence[Described], now: datetime) -> Iterator[Finding]:
    leaf = chain[0]
    if leaf.not_before > now:
        yield Finding(Level.WARN, f"It is not valid before {leaf.not_before:%Y-%m-%d %H:%M} UTC. Deploy it later.")
    if leaf.not_after <= now:
        yield Finding(Level.BAD, f"It expired on {leaf.not_after:%Y-%m-%d %H:%M} UTC. Replace it.")
    elif level := time_level(leaf.not_before, leaf.not_after, now):
        yield Finding(level, f"It expires on {leaf.not_after:%Y-%m-%d %H:%M} UTC. Replace it before that.")
    for issuer in chain[1:]:
        if issuer.not_after <= now and not issuer.own_issuer:
            yield Finding(Level.BAD, f"Its issuer {issuer.subject} expired on {issuer.not_after:%Y-%m-%d}.")
        elif issuer.not_after < leaf.not_after and not issuer.own_issuer:
            yield Finding(
                Level.WARN,
                f"Its issuer {issuer.subject} expires before it, on {issuer.not_after:%Y-%m-%d}: from then on "
                "clients refuse the chain.",
            )


def _chain(chain: Sequence[Described]) -> Iterator[Finding]:
    leaf, last = chain[0], chain[-1]
    if len(chain) == 1 and leaf.own_issuer:
        yield Finding(Level.CALM, "It is self-signed: clients take it only if they were told to.")
    elif len(chain) == 1:
        where = f" Its issuer says that it is at {leaf.issuer_address}." if leaf.issuer_address else ""
        yield Finding(
            Level.WARN,
            f"The intermediate certificate {leaf.issuer} is missing: most clients need it. Replace this by the whole "
            f"chain, unless {leaf.issuer} is a root that your clients know.{where}",
        )
    elif last.own_issuer:
        yield Finding(
            Level.CALM, f"The root {last.subject} is in the chain. Clients have their own: it can be left out."
        )


def _leaf(leaf: Described) -> Iterator[Finding]:
    if leaf.key.startswith("Ed"):
        yield Finding(Level.WARN, f"Its key is {leaf.key}, which browsers do not take for TLS. Use ECDSA P-256.")
    if not leaf.names:
        yield Finding(Level.WARN, "No DNS name or address stands in it: clients look at nothing else and refuse it.")
    if not leaf.for_servers:
        yield Finding(Level.WARN, "It is not meant for servers (its extended key usage): clients refuse it.")
    if leaf.authority and not leaf.own_issuer:
        yield Finding(Level.WARN, "It is an authority's certificate. Its key should sign others, not serve.")
