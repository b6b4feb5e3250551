"""Project files on a real node: what changed travels and little else, and a cut costs no more than the cut."""

from __future__ import annotations

import hashlib
import random
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.models import Release
from ffsweb.operations.models import Operation, Step
from tests.deployments.fleet import Fleet, log_of
from tests.lab import network
from tests.lab.deployed import Site, Started, get, wait_for
from tests.lab.lab import Lab
from tests.lab.run import run

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

NOISE = random.Random(17)
MB = 1_000_000
RELEASES = "/var/lib/ffs/www/releases"
INCOMING = "/var/lib/ffs/www/incoming"


@pytest.fixture
def site(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Site]:
    made = Site(Fleet(), lab, "files", sample_image, start_timeout=60, settle=3)
    yield made
    made.node.remove()


class Files:
    """Releases of one image with different files."""

    def __init__(self, site: Site, directory: Path) -> None:
        self.site, self.directory = site, directory
        self.image = site.fleet.image(site.sample("1.0"))
        self.versions = 0

    def release(self, files: dict[str, bytes]) -> Release:
        self.versions += 1
        archive = self.directory / f"{self.versions}.tar"
        tree = self.directory / f"{self.versions}"
        for name, content in files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o755 if name.startswith("bin/") else 0o644)
        with tarfile.open(archive, "w") as tar:
            tar.add(tree, arcname=".")
        return self.site.fleet.release(self.image, self.site.fleet.files(archive))


@pytest.fixture
def files(site: Site, tmp_path: Path) -> Files:
    return Files(site, tmp_path)


def evidence(operation: Operation) -> dict[str, Any]:
    """What the step "stage" has proven."""
    found: dict[str, Any] = Step.objects.get(operation=operation, name="stage").evidence
    return found


def deploy(site: Site, release: Release) -> dict[str, Any]:
    ended = site.deploy(release)
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}\n{site.node.journal(lines=60)}"
    return evidence(ended)


def on_node(site: Site, release: int) -> dict[str, str]:
    """SHA-256 of every file of a release, by path, as the node itself computes it."""
    said = (
        site.node.exec(("sh", "-c", f"cd {RELEASES}/{release} && find . -type f -exec sha256sum {{}} +")).check().out
    )
    pairs = (line.split("  ./", 1) for line in said.splitlines())
    return {path: digest for digest, path in pairs}


def digests(files: dict[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


def test_little_travels_for_a_small_change_and_nothing_for_a_new_name(site: Site, files: Files) -> None:
    assert site.read().state == "succeeded"
    large, moved = NOISE.randbytes(20 * MB), NOISE.randbytes(MB)
    first = {"db/large.bin": large, "old/name.bin": moved, "gone.txt": b"gone", "bin/run": b"#!/bin/sh\n"}
    sent = deploy(site, files.release(first))
    assert 21 * MB < sent["files bytes"] < 21.2 * MB
    assert on_node(site, 1) == digests(first)

    changed = large[: 7 * MB] + b"a small change" + large[7 * MB + 5 : 15 * MB] + large[15 * MB + 100 :]
    second = {"db/large.bin": changed, "new/name.bin": moved, "bin/run": b"#!/bin/sh\n", "new.txt": b"new"}
    release = files.release(second)
    plan = site.plan(release).parsed().targets[0].files
    assert [(each.old, each.path) for each in plan.moved] == [("old/name.bin", "new/name.bin")]
    assert [each.path for each in plan.removed] == ["gone.txt"]
    assert plan.size > 20 * MB
    assert plan.expected < 100_000  # the difference was made when the files came in
    sent = deploy(site, release)
    assert sent["files bytes"] < 10_000
    assert sent["files"] == "1 whole, 1 as differences, 1 copied there"
    assert on_node(site, 2) == digests(second)
    modes = site.node.exec(
        ("sh", "-c", f"cd {RELEASES}/2 && stat -c '%a %u %n' db/large.bin bin/run new new/name.bin")
    )
    assert modes.check().out.split("\n")[:4] == [
        "444 0 db/large.bin",
        "555 0 bin/run",
        "555 0 new",
        "444 0 new/name.bin",
    ]
    assert get(site.node)["version"] == "1.0"

    # The old one is still there, so going back sends nothing at all.
    back = deploy(site, Release.objects.get(number=1))
    assert "files bytes" not in back

    # And a new name alone costs the list of names.
    third = {("other" + path): content for path, content in first.items()}
    sent = deploy(site, files.release(third))
    assert sent["files bytes"] < 2000
    assert on_node(site, 3) == digests(third)


def test_a_cut_in_the_middle_goes_on_where_it_was(lab: Lab, site: Site, files: Files) -> None:
    assert site.read().state == "succeeded"
    deploy(site, files.release({"a": b"1"}))
    slow = ("root", "tbf", "rate", "60mbit", "burst", "65536", "latency", "200ms")
    link = network.link_name(lab.session.id, site.node.number)
    if run(("tc", "qdisc", "replace", "dev", link, *slow)).status:
        pytest.skip("this kernel limits no rates")
    content = {f"part/{number}": NOISE.randbytes(12 * MB) for number in range(4)}
    release = files.release(content)
    total = sum(map(len, content.values()))

    def arrived() -> int:
        said = site.node.exec(("du", "-sb", INCOMING))
        return int(said.out.split()[0]) if said.status == 0 else 0

    started = Started(site.request(release))
    wait_for(lambda: arrived() > 0.4 * total, "two fifths have arrived")
    site.node.cut()
    ended = started.end(200)
    assert ended.state == "failed", f"{ended.message}\n{log_of(ended)}"
    assert "did not expect" not in log_of(ended)
    kept = arrived()
    assert kept > 0.4 * total
    site.node.heal()
    wait_for(lambda: site.read().state == "succeeded", "the node answers again", 60)
    sent = deploy(site, release)
    assert sent["files bytes"] < total - kept + MB
    assert on_node(site, 2) == digests(content)
    assert site.node.exec(("test", "-e", INCOMING)).status != 0
    assert "are there from an earlier attempt" in "".join(log_of(each) for each in Operation.objects.all())
