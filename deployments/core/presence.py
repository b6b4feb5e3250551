"""Whether what a release needs is on a node already, as the last reading shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .facts_values import NodeFacts
    from .retention import Needed


def lacking(facts: NodeFacts, project: str, service: str, needed: Needed) -> tuple[str, ...]:
    """What would have to be sent before ``service`` could run the release, in words; empty if all is proven there."""
    found = facts.service(service)
    there = {
        "files": found is not None and needed.release in found.releases,
        "image": facts.has_staged(project, needed.image_id),
        "certificate": not needed.certificate or (found is not None and needed.certificate in found.certs),
        "credentials": not needed.credentials or (found is not None and needed.credentials in found.credentials_held),
    }
    return tuple(name for name, is_there in there.items() if not is_there)
