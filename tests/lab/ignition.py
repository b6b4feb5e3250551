"""A node's first boot, as far as it happens before systemd: the real Ignition binary writes into its root."""

from __future__ import annotations

import os
from pathlib import Path

from tests.lab.host import IGNITION, cache
from tests.lab.run import LabError, run

STAGES = ("fetch-offline", "fetch", "files")
"""FCOS also runs ``disks`` and ``mount``; a lab node has no disks of its own to part and format."""


def provision(config: Path, root: Path, work: Path) -> None:
    """Write what an Ignition file asks for into ``root``; notes and the log go to ``work``.

    Raises :class:`LabError` with Ignition's own words if it refuses the file. A file refused leaves a root
    half written.
    """
    environment = {
        "PATH": f"{_stubs()}:{os.defpath}:/usr/sbin:/sbin",
        "IGNITION_CONFIG_FILE": str(config),
    }
    log = work / "ignition.log"
    log.unlink(missing_ok=True)
    for stage in STAGES:
        done = run(
            (
                *(str(IGNITION), "--platform=file", f"--stage={stage}", f"--root={root}", "--log-to-stdout"),
                *(f"--config-cache={work}/ignition.cache", f"--state-file={work}/ignition.state"),
                f"--neednet={work}/ignition.neednet",
            ),
            env=environment,
        )
        with log.open("a") as file:
            file.write(done.out + done.err)
        if done.status != 0:
            raise LabError(f"Ignition refused {config.name} in its stage {stage}: {_reasons(done.out + done.err)}")


def _reasons(said: str) -> str:
    lines = said.splitlines()
    grave = [line for line in lines if "CRITICAL" in line or "ERROR" in line]
    return "; ".join((grave or lines)[-3:])


def _stubs() -> Path:
    """A directory with a ``setfiles`` that labels nothing: Ignition insists on one, and the lab has no
    SELinux."""
    place = cache() / "stubs"
    place.mkdir(exist_ok=True)
    unfinished = place / f".setfiles-{os.getpid()}-{os.urandom(4).hex()}"
    unfinished.write_text("#!/bin/sh\nexec cat >/dev/null\n")
    unfinished.chmod(0o755)
    unfinished.rename(place / "setfiles")  # renamed over: another process may be running the last one
    return place
