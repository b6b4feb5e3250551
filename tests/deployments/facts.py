"""Readings as a node of the fleet would answer, made by hand."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from deployments.core import layout
from deployments.core.facts import facts_from
from deployments.execution.readings import Taken, store
from deployments.models import Node, Reading, Release
from tests.oci.images import sha

CONTAINER = "d4" * 32
GB = 10**9


def service_facts(release: Release | None, **changes: Any) -> dict[str, Any]:
    """A service that runs ``release`` well, or waits for its first deploy."""
    image = release.image.image_id if release else None
    running = {"id": CONTAINER, "image_id": image, "running": True, "started": "2026-11-24T00:35:09Z", "health": None}
    return {
        "installed": True,
        "deployed": release is not None,
        "unit_sha256": "b2" * 32,
        "project": "serbest",
        "release": release.number if release else None,
        "image_id": image,
        "certificate": None,
        "credentials": None,
        "operation": "1-1" if release else None,
        "loaded": True,
        "active": "active" if release else "inactive",
        "sub": "running" if release else "dead",
        "result": "success",
        "status_text": "",
        "restarts": 0,
        "since": int(time.time()) - 100,
        "main_pid": 42 if release else 0,
        "container": running if release else None,
        "heartbeats": None,
        "releases": [release.number] if release else [],
        "certs": [],
        "credentials_held": [],
        "supervisors": [],
        "pending": None,
        "disk_used": 4096,
    } | changes


def node_facts(services: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A node in good order, as ``ffs-node facts`` tells of it."""
    return {
        "protocol": layout.PROTOCOL,
        "version": layout.NODE_VERSION,
        "program_sha256": "f6" * 32,
        "machine_id": "07" * 16,
        "boot_id": "93ae8a8e-176a-435c-974a-505f312e7a4a",
        "hostname": "node-a",
        "os": "Fedora CoreOS",
        "kernel": "6.18",
        "arch": "x86_64",
        "podman": "5.8.2",
        "systemd": "259",
        "time": time.time(),
        "uptime": 100,
        "disk": {"images": {"free": 20 * GB, "total": 40 * GB}, "var": {"free": 20 * GB, "total": 40 * GB}},
        "reboot_pending": False,
        "host_keys": ["ssh-ed25519 " + "A" * 68],
        "images_held": {"ids": [], "diff_ids": []},
        "services": services if services is not None else {"www": service_facts(None)},
    } | changes


def taken(node: Node, facts: dict[str, Any] | None = None, *, at: datetime | None = None, error: str = "") -> Taken:
    """What was read of ``node`` at ``at``."""
    raw = None if error else facts if facts is not None else node_facts()
    return Taken(node.pk, at or timezone.now(), facts_from(raw) if raw else None, raw, error)


def read(node: Node, facts: dict[str, Any] | None = None, *, ago: float = 0.0, error: str = "") -> Reading:
    """Store a reading that was taken ``ago`` seconds ago."""
    stored = store(taken(node, facts, at=timezone.now() - timedelta(seconds=ago), error=error))
    assert stored is not None
    return stored


def fingerprint(text: str) -> str:
    """Something that looks like a digest."""
    return f"sha256:{sha(text.encode())}"
