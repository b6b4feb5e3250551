"""A dashboard to send large files to, over a link as slow as a test wants it."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Page, Request, expect

from tests.oci.images import Picture, archive, member, podman_members, tar
from tests.operations.processes import wait_until
from tests.support.installation import Installation

MB = 1_000_000
IMAGES = "/projects/serbest/images/"
PASSWORDS = {"alice": "alice-long-password", "bob": "bob-long-password"}
PEOPLE = """
from ffsweb.accounts.models import Membership, Project, User
project = Project.objects.create(name="serbest")
for name in ("alice", "bob"):
    user = User.objects.create_user(name, password=f"{name}-long-password")
    Membership.objects.create(user=user, project=project, role="operator")
"""


def image_archive(path: Path, megabytes: int, seed: int) -> Path:
    """An image archive of about this size that no other test's is equal to."""
    filling = random.Random(seed).randbytes(megabytes * MB)
    path.write_bytes(archive(podman_members(Picture([tar([member("data", filling)])]))))
    return path


class UploadSite:
    """A running installation with alice and bob, two operators."""

    def __init__(self, root: Path) -> None:
        self.installation = Installation(root)
        self.address = self.installation.address
        self.uploads = root / "data" / "uploads"
        self.installation.prepare()
        done = self.installation.ffs("manage", "shell", "--verbosity", "0", "-c", PEOPLE)
        assert done.returncode == 0, done.stdout + done.stderr
        self.installation.up("--watchdog", "--interval", "1")
        self.installation.wait_for("first administrator|http://")
        wait_until(lambda: "worker" in self.installation.pids(), what="the worker", seconds=60)

    def restart_web(self) -> None:
        """As an out-of-memory kill does it; the supervisor starts another."""
        killed = self.installation.pids()["web"]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: self.installation.pids().get("web") not in {killed, None}, what="another web process")

    def clear(self) -> None:
        """Remove what another test left unfinished."""
        with closing(sqlite3.connect(self.uploads.parent / "ffsweb.sqlite3", timeout=20)) as database, database:
            rows = database.execute("DELETE FROM deployments_upload WHERE state = 'open' RETURNING key").fetchall()
        for (key,) in rows:
            (self.uploads / key).unlink(missing_ok=True)

    def waiting(self) -> list[int]:
        """Sizes of the files that are here now."""
        return [path.stat().st_size for path in self.uploads.iterdir()] if self.uploads.is_dir() else []


class UploadPage:
    """The page of images in one browser, and the parts that it sends."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.offsets: list[int] = []
        self.created = 0
        page.on("request", self._seen)
        page.goto(address + IMAGES)
        self.state = page.locator("[data-state]")
        self.amount = page.locator("[data-amount]")
        self.wrong = page.locator("[data-wrong]")
        self.list = page.locator("[data-unfinished] li")

    def _seen(self, request: Request) -> None:
        if request.method == "PATCH":
            self.offsets.append(int(request.headers["upload-offset"]))
        self.created += request.method == "POST" and request.url.endswith("/uploads/")

    def link(self, bytes_per_second: float) -> None:
        """How fast this browser may send; -1 for as fast as it can."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("Network.enable")
        limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
        session.send("Network.emulateNetworkConditions", limits)

    def choose(self, file: Path) -> None:
        self.page.locator("input[type=file]").set_input_files(file)

    def send(self, file: Path, button: str = "Upload") -> None:
        self.choose(file)
        self.page.get_by_role("button", name=button, exact=True).click()

    def arrived(self) -> float:
        """Megabytes that the page says have been sent."""
        found = re.match(r"([\d.]+)( [kM]?B)? of", self.amount.inner_text())
        assert found, self.amount.inner_text()
        return float(found[1]) if found[2] in {None, " MB"} else 0.0

    def wait_for(self, megabytes: float) -> None:
        wait_until(lambda: self.arrived() >= megabytes, what=f"{megabytes} MB to arrive", seconds=60)

    def taken_in(self) -> None:
        """The page has moved to the operation, and that succeeds."""
        self.page.wait_for_url(re.compile(r"/operations/\d+/"), timeout=90_000)
        expect(self.page.locator("#situation .pill").first).to_have_text("Succeeded", timeout=60_000)
