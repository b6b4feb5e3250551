"""The smallest machine file by hand: what the lab's own tests boot, so that they need nothing of the
product."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

STARTED = """
[Unit]
Description=Says that it ran
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/echo started
ExecStop=/bin/sh -c 'echo stopped >>/var/lib/marks'
[Install]
WantedBy=multi-user.target
"""
"""A unit that says that it ran, and leaves a mark on the disk when it is stopped in order."""


def machine_file(
    hostname: str = "node",
    *,
    core_keys: tuple[str, ...] = (),
    files: Mapping[str, tuple[int, str]] | None = None,
    units: Mapping[str, str] | None = None,
    enabled: tuple[str, ...] = (),
) -> dict[str, object]:
    """An Ignition configuration (spec 3.3.0) with keys for ``core``, files as path → (mode, text), and units
    by name."""
    everything = {"/etc/hostname": (0o644, f"{hostname}\n")} | dict(files or {})
    return {
        "ignition": {"version": "3.3.0"},
        "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": list(core_keys)}]},
        "storage": {
            "files": [
                {
                    "path": path,
                    "mode": mode,
                    "overwrite": True,
                    "contents": {"source": f"data:,{quote(text)}"},
                }
                for path, (mode, text) in everything.items()
            ]
        },
        "systemd": {
            "units": [
                {"name": name, "contents": text} | ({"enabled": True} if name in enabled else {})
                for name, text in (units or {}).items()
            ]
        },
    }
