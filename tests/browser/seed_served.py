"""What was seen to be served, in each of its states."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from deployments.execution.served_node import TOO_OLD
from deployments.models import Served, Service

OTHER = "5e" * 32


def all_states(www: dict[str, Service], api: Service) -> None:
    """One that is right, one with something in front, one of an old ffs-node, and one that nobody sees."""
    right = www["istanbul-1"].certificate
    own = api.certificate
    assert right is not None
    assert own is not None
    fine = {"fingerprint": right.fingerprint, "not_after": right.not_after}
    _saw(www["istanbul-1"], fine, fine)
    _saw(
        api,
        {"fingerprint": OTHER, "not_after": timezone.now() + timedelta(days=60)},
        {"fingerprint": own.fingerprint},
    )
    _saw(www["ankara-1"], fine, {"error": TOO_OLD}, ago=timedelta(hours=3))
    nothing = {"error": "port 443 gave no answer within 5 s."}
    _saw(www["konya-1"], nothing, nothing)


def _saw(
    service: Service, outside: dict[str, Any], inside: dict[str, Any], *, ago: timedelta = timedelta(minutes=4)
) -> None:
    at = timezone.now() - ago
    for fields in (outside, inside):
        fields.setdefault("port", 0 if "error" in fields else 443)
    node = {f"node_{name}": value for name, value in inside.items()}
    Served.objects.create(service=service, at=at, node_at=at, **outside, **node)
