"""What was measured on, and with what."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.push import recipe
from benchmarks.push.layers import KINDS
from tests.lab.base import base
from tests.lab.run import run

if TYPE_CHECKING:
    from benchmarks.push.versions import Built

PROGRAMS: Final = {
    "podman": "podman",
    "skopeo": "skopeo",
    "rsync": "rsync",
    "zstd": "zstd",
    "ssh": "openssh-client",
    "ssh-agent": "openssh-client",
    "docker-registry": "docker-registry",
    "tc": "iproute2",
}
"""Programs of this machine that a run needs, beside the lab's, with their Debian packages."""

ABOUT: Final = {
    "v1": "the node has nothing of it.",
    "v2": "one line of one of the application's files.",
    "v3": f"`{recipe.DJANGO['old']}` becomes `{recipe.DJANGO['new']}`, all of the dependencies installed anew.",
    "v4": f"the security updates that Debian {recipe.SUITE} had on the day of the run.",
}


def describe() -> dict[str, str]:
    """The machine and its programs, for the report."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": model[0].partition(": ")[2] if model else platform.machine(),
        "cores": str(os.cpu_count()),
        "kernel": f"Linux {platform.release()}",
        "podman": _said("podman", "--version"),
        "node_podman": "podman " + _said("chroot", str(base()), "dpkg-query", "-Wf", "${Version}", "podman"),
        "skopeo": _said("skopeo", "--version"),
        "rsync": " ".join(_said("rsync", "--version").split()[:3]),
        "ssh": _said("ssh", "-V").partition(",")[0],
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def describe_image(built: tuple[Built, ...]) -> list[dict[str, Any]]:
    """The versions and their layers."""
    return [
        {
            "version": each.version.name,
            "change": each.version.title,
            "about": ABOUT[each.version.name],
            "image_id": each.image_id,
            "layers": [
                {"kind": kind, "size": layer.size, "files": layer.files, "diff_id": layer.diff_id}
                for kind, layer in zip(KINDS, each.layers, strict=True)
            ],
        }
        for each in built
    ]


def _said(*argv: str) -> str:
    done = run(argv)
    lines = (done.out or done.err).strip().splitlines()
    return lines[0] if lines else "?"
