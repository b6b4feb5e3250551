"""What nodes answer to ``ffs-node facts``, for installations that have no nodes."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from deployments.models import Release, Service
from deployments.models.desired import credentials_of
from deployments.nodekit.released import ffs_node_program

GIGABYTE = 1_000_000_000


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def node_facts(name: str, services: dict[str, dict[str, Any]], **changed: Any) -> dict[str, Any]:
    """A node that is well, with these services."""
    held = [each["image_id"] for each in services.values() if each["image_id"]]
    facts = {
        "protocol": ffs_node_program().protocol,
        "version": ffs_node_program().version,
        "program_sha256": ffs_node_program().sha256,
        "machine_id": digest(name)[:32],
        "boot_id": "93ae8a8e-176a-435c-974a-505f312e7a4a",
        "hostname": name,
        "os": "Fedora CoreOS 44.20261109.3.0",
        "kernel": "6.17.8-300.fc44.x86_64",
        "arch": "x86_64",
        "podman": "5.8.2",
        "systemd": "259",
        "time": time.time(),
        "uptime": 1_234_567,
        "disk": {
            "images": {"free": 14 * GIGABYTE, "total": 20 * GIGABYTE},
            "var": {"free": 61 * GIGABYTE, "total": 80 * GIGABYTE},
        },
        "reboot_pending": False,
        "host_keys": ["ssh-ed25519 " + "A" * 68],
        "images_held": {"ids": held, "diff_ids": []},
        "services": services,
    }
    return facts | changed


def service_facts(service: Service, release: Release | None, **changed: Any) -> dict[str, Any]:
    """A service that runs ``release`` well, or, without one, that waits for its first deploy."""
    image = release.image.image_id if release else None
    facts: dict[str, Any] = {
        "installed": True,
        "deployed": release is not None,
        "unit_sha256": digest(service.unit_text),
        "project": service.project.name,
        "release": release.number if release else None,
        "image_id": image,
        "certificate": service.certificate.fingerprint if service.certificate and release else None,
        "credentials": (credentials_of(service, release)[0] or None) if release else None,
        "operation": "1795480000-17" if release else None,
        "loaded": True,
        "active": "active" if release else "inactive",
        "sub": "running" if release else "dead",
        "result": "success",
        "status_text": "healthy: app 2 s" if release else "",
        "restarts": 0,
        "since": int(time.time()) - 7200,
        "main_pid": 4242 if release else 0,
        "container": _container(image) if image else None,
        "heartbeats": _heartbeats() if release else None,
        "releases": [release.number] if release else [],
        "certs": [service.certificate.fingerprint] if service.certificate and release else [],
        "credentials_held": [],
        "supervisors": [],
        "pending": None,
        "disk_used": 482_344_960 if release else 4096,
    }
    return facts | changed


def _container(image: str) -> dict[str, Any]:
    # podman writes nine digits of a second and the zone in words.
    started = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 7200)) + ".094112345Z"
    return {"id": digest(image), "image_id": image, "running": True, "started": started, "health": None}


def _heartbeats() -> dict[str, Any]:
    return heartbeats(state="healthy", heartbeat_age=2.5)


def heartbeats(before: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """What a supervisor wrote a second ago of its one program."""
    child = {"name": "app", "heartbeat_age": None, "pid": 7, "restarts": 0, "reason": None} | changed
    return {"version": 1, "at": time.time() - 1, "state": child["state"], "children": [child], "before": before}
