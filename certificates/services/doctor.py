"""What ``ffs doctor`` looks at of the inventory: whether its keys can be opened."""

from __future__ import annotations

from certificates.services import sealed_kinds
from ffsweb.doctor.findings import Check
from ffsweb.doctor.sealed import sample


def checks() -> tuple[Check, ...]:
    """For ``AppConfig.ready()``."""
    return (Check("keys of certificates", lambda: map(sample, sealed_kinds.KINDS), database=True),)
