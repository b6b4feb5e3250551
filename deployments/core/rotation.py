"""Rotation: the switch of a deploy with the same release and another certificate. What a plan says of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .plan_values import AMBER, GREEN, Check
from .served import FINGERPRINT

if TYPE_CHECKING:
    from datetime import datetime

    from .plan_values import Plan

DEPLOY = "deploy"
ROTATE, FILE_ALONE = "rotate", "rotate-file"
"""Kinds of plans. With the second nobody looks at what is served: the service does not speak TLS itself."""
KINDS: Final = frozenset({ROTATE, FILE_ALONE})
HANDSHAKE: Final = {
    ROTATE: "The new certificate has to be seen in a TLS handshake before it stays.",
    FILE_ALONE: "No handshake: the file alone is replaced. Nobody looks whether it is served.",
}


@dataclass(frozen=True, slots=True)
class Material:
    """What is compared of a certificate: fingerprint, label, names, and its end (UTC)."""

    fingerprint: str
    label: str
    names: frozenset[str] = field(default_factory=frozenset)
    not_after: datetime | None = None


def certificate_of(plan: Plan) -> str:
    """The fingerprint of the certificate that a rotation brings; "" for a deploy."""
    return plan.targets[0].certificate.new[:FINGERPRINT] if plan.kind in KINDS else ""


def checks(kind: str, old: Material | None, new: Material, served: str) -> tuple[Check, ...]:
    """The rows of a rotation's preflight. ``served`` is a sentence about what is served now, "" if nobody looked."""
    rows = [
        Check("Handshake", GREEN if kind == ROTATE else AMBER, HANDSHAKE[kind]),
        Check("Served now", GREEN, served or "Nobody has looked yet at what is served now."),
    ]
    if old is None:
        return (*rows, Check("Rotation", GREEN, f"It had no certificate; it gets {new.label}."))
    rows.append(Check("Rotation", GREEN, f"{old.label} is replaced by {new.label}."))
    lost = sorted(old.names - new.names)
    if lost:
        more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
        rows.append(Check("Names", AMBER, f"The new certificate is not for {', '.join(lost[:5])}{more}."))
    if old.not_after and new.not_after and new.not_after < old.not_after:
        rows.append(Check("End", AMBER, "The new certificate ends before the one that it replaces."))
    return tuple(rows)
