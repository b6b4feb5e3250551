"""``python -m tests.demo``: boot, describe, deploy, print the link, and take everything down at the end."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from ffsweb.runtime import valkey
from tests.demo.failed import DemoFailed
from tests.demo.needs import refusals
from tests.demo.running import alive, join, running
from tests.lab import Lab, LabError
from tests.lab.host import packages_missing
from tests.lab.sample import build

OS_RELEASE = Path("/etc/os-release")


def main() -> int:
    """Returns 0 after a Ctrl-C, 1 with the reason where the demo cannot run."""
    reasons = refusals(
        platform=sys.platform,
        uid=os.geteuid(),
        packages=(*packages_missing(), *(() if valkey.binary() else ("redis-server",))),
        system=OS_RELEASE.read_text(encoding="utf-8") if OS_RELEASE.exists() else "",
    )
    if reasons:
        sys.stderr.write("\n".join(("The demo was not started.", *reasons, "")))
        return 1
    root = Path(tempfile.mkdtemp(prefix="ffsweb-demo-"))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        show(root)
    except KeyboardInterrupt:
        say("Everything is down.")
    except (DemoFailed, LabError, OSError) as error:
        sys.stderr.write(f"\nThe demo failed, and everything was taken down. {error}\n")
        return 1
    finally:
        _once_only()
        shutil.rmtree(root, ignore_errors=True)
    return 0


def show(root: Path) -> None:
    """The whole demo, until a signal or the end of the dashboard."""
    began = time.monotonic()
    say("Preparing the node's system and the sample's images (the first time on a machine: a minute or two).")
    with Lab.open() as lab:
        images = [build.sample_image(version) for version in ("1.0", "2.0")]
        say("Starting the dashboard.")
        with running(root, address=os.environ.get("FFSWEB_ADDRESS", "")) as installation:
            join(installation)
            from django.db import connections

            from ffsweb.accounts.setup import first_admin_link
            from tests.demo import sample

            project = sample.SampleProject(say=say, alive=lambda: alive(installation))
            machine = lab.define("node-a")
            node, service = project.describe(machine.address)
            say("Booting node-a from the ffs.ign that the dashboard made for it.")
            machine.first_boot(project.machine_file(node))
            project.read(node)
            say("Uploading the image and the files.")
            project.take_in("image", images[0])
            project.take_in("files", sample.files_archive(root / "files.tar.gz"))
            release = project.release("the demo's first")
            say("Deploying release 1:")
            project.deploy(release, service)
            project.take_in("image", images[1])
            project.release("for you to deploy")
            say(told(installation.address, machine.address, first_admin_link(installation.address), began))
            connections.close_all()
            while True:
                alive(installation)
                time.sleep(0.5)


def told(dashboard: str, node: str, link: str | None, began: float) -> str:
    """What the operator is to know once everything runs."""
    return f"""
  Ready after {time.monotonic() - began:.0f} seconds. The dashboard runs at {dashboard}

  This link makes you its administrator and logs you in; it works once:
  {link}

  Release 1 of the project “sample” is live on node-a: https://{node}/ (its certificate is self-signed).
  Release 2 is made and waits: open the project, press “Deploy release 2”, look at the plan, and press Deploy.

  Ctrl-C stops everything and removes it.
"""


def say(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _end(_number: int, _frame: object) -> None:
    _once_only()
    os.write(1, b"\nTaking everything down.\n")  # not say(): a signal may come in the middle of one
    raise KeyboardInterrupt


def _once_only() -> None:
    """From here on signals change nothing: taking down is not to be cut short."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
