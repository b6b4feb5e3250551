"""An answer of ``ffs-node facts``: a node that runs three services, with the layers of a few images. Pure."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from deployments.core import layout

GB = 10**9


def facts() -> dict[str, Any]:
    """The whole of it, as the last line of the verb's output says it."""
    return {
        "event": "result",
        "ok": True,
        "protocol": layout.PROTOCOL,
        "version": layout.NODE_VERSION,
        "program_sha256": _hex("program"),
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
        "images_held": {
            "ids": [f"sha256:{_hex(f'image {number}')}" for number in range(6)],
            "diff_ids": [f"sha256:{_hex(f'layer {number}')}" for number in range(40)],
        },
        "services": {name: _service(name) for name in ("www", "api", "jobs")},
    }


def _service(name: str) -> dict[str, Any]:
    image = f"sha256:{_hex('image 1')}"
    return {
        "installed": True,
        "deployed": True,
        "unit_sha256": _hex(name),
        "project": "serbest",
        "release": 7,
        "image_id": image,
        "certificate": None,
        "credentials": None,
        "operation": "12-1",
        "loaded": True,
        "active": "active",
        "sub": "running",
        "result": "success",
        "status_text": "",
        "restarts": 0,
        "since": int(time.time()) - 100,
        "main_pid": 42,
        "container": {
            "id": _hex(f"container {name}"),
            "image_id": image,
            "running": True,
            "started": "2026-11-24T00:35:09Z",
            "health": None,
        },
        "heartbeats": None,
        "releases": [5, 6, 7],
        "certs": [],
        "credentials_held": [],
        "supervisors": [],
        "pending": None,
        "disk_used": 4096,
    }


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
