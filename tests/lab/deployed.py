"""A fleet whose nodes are lab nodes: deploys run in this process, and what really runs is asked of the node itself."""

from __future__ import annotations

import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from django.db import connections

from deployments.models import Node as NodeRow
from deployments.models import Plan, Release, Service
from deployments.services import deploys
from ffsweb.operations.models import LogLine, Operation
from tests.certificates.material import intermediate, server
from tests.deployments.fleet import Fleet, log_of, run
from tests.lab.lab import Lab
from tests.lab.nodes import Node

S = TypeVar("S", bound="Site")
UNTOUCHED = "Nothing that runs was touched."


def get(node: Node, path: str = "/") -> dict[str, Any]:
    """What the sample application answers over HTTPS."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with urllib.request.urlopen(f"https://{node.address}:443{path}", context=context, timeout=10) as answer:
        return dict(json.loads(answer.read()))


class Site:
    """One node with one service, www, and the releases that are made for it."""

    def __init__(self, fleet: Fleet, lab: Lab, name: str, sample: Callable[..., Path], **fields: Any) -> None:
        self.fleet, self.lab, self.name, self.sample = fleet, lab, name, sample
        disks = fields.pop("disks", None)
        self.row = fleet.node(name)
        self.service = fleet.service(self.row, **fields)
        if not fleet.project.certificates.exists():
            fleet.certificate(server(), intermediate())
            fleet.settings("SAMPLE_MODE=ok\n", plain=["SAMPLE_MODE"])
        self.service.certificate = fleet.project.certificates.get()
        self.service.save()
        self.node = lab.up(name, fleet.machine_file(self.row), disks=disks)
        NodeRow.objects.filter(pk=self.row.pk).update(address=self.node.address)
        self.row.refresh_from_db()

    def release(self, version: str, settings: str = "SAMPLE_MODE=ok") -> Release:
        """A release of that version of the sample, with those plain settings."""
        names = [line.partition("=")[0] for line in settings.splitlines()]
        self.fleet.project.settings.exclude(name__in=names).delete()
        self.fleet.settings(settings + "\n", plain=names)
        return self.fleet.release(self.fleet.image(self.sample(version)))

    def read(self) -> Operation:
        return self.fleet.read(NodeRow.objects.get(pk=self.row.pk))

    def plan(self, release: Release) -> Plan:
        """From a fresh reading."""
        ended = self.read()
        assert ended.state == "succeeded", ended.message
        return deploys.preview(release=release, services=[self.service], actor=self.fleet.alice)

    def request(self, release: Release) -> Operation:
        return deploys.request_deploy(plan=self.plan(release), actor=self.fleet.alice)

    def deploy(self, release: Release) -> Operation:
        return run(self.request(release))

    def go_live(self, release: Release) -> None:
        ended = self.deploy(release)
        assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}\n{self.node.journal(lines=60)}"

    @property
    def live(self) -> Release | None:
        return Service.objects.get(pk=self.service.pk).live_release

    def container(self) -> tuple[str, str]:
        """Id and start of the container that runs; ("", "") if none does."""
        form = "{{.Id}} {{.State.StartedAt}} {{.State.Running}}"
        shown = self.node.exec(("podman", "container", "inspect", "--format", form, f"ffs-{self.service.name}"))
        identity, _, rest = shown.out.strip().partition(" ")
        return (identity, rest) if shown.status == 0 and rest.endswith(" true") else ("", "")

    def unit(self) -> str:
        """What systemd says of the service."""
        asked = self.node.exec(("systemctl", "is-active", f"ffs-{self.service.name}.service"))
        return asked.out.strip()

    def installed(self) -> str:
        """The release that the unit file names."""
        text = self.node.read_text(f"/etc/containers/systemd/ffs-{self.service.name}.container")
        return next(line.partition("=")[2] for line in text.splitlines() if line.startswith("Release="))

    def pending(self) -> bool:
        return self.node.exec(("test", "-e", f"/var/lib/ffs-node/pending/{self.service.name}")).status == 0


class Shared(Generic[S]):
    """One site for all tests of a file: each leaves it, and the rows, as the next one needs them."""

    def __init__(self) -> None:
        self.site: S | None = None
        self.rows = ""

    def remove(self) -> None:
        """The node, if there was one."""
        if self.site is not None:
            self.site.node.remove()


def one_message(operation: Operation, state: str, match: str) -> None:
    """It ended so; its message says why, without a traceback, and the log says the same, the last line too."""
    log = log_of(operation)
    assert operation.state == state, f"{operation.message}\n{log}"
    assert match in operation.message, operation.message
    assert "Traceback" not in operation.message + log
    assert "did not expect" not in operation.message
    errors = LogLine.objects.filter(operation=operation, stream__in=["error", "warning"], text__contains=match)
    assert errors.exists(), log
    assert log.splitlines()[-1].endswith(operation.message.splitlines()[-1])


class Started:
    """An operation that runs in a thread of its own, as in the worker."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self._thread = threading.Thread(target=self._run, name=f"operation-{operation.pk}")
        self._thread.start()

    def _run(self) -> None:
        try:
            run(self.operation)
        finally:
            connections.close_all()

    def until_log(self, text: str, seconds: float = 60) -> None:
        """Wait for a line that holds ``text``."""
        self._until(lambda: self.operation.lines.filter(text__contains=text).exists(), text, seconds)

    def until_bytes(self, seconds: float = 60) -> None:
        """Wait until bytes of an image have gone to a node."""
        self._until(lambda: self.operation.targets.filter(bytes_done__gt=0).exists(), "bytes", seconds)

    def end(self, seconds: float = 120) -> Operation:
        """The operation as it ended."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), log_of(self.operation)
        return Operation.objects.get(pk=self.operation.pk)

    def _until(self, true: Callable[[], bool], what: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end and self._thread.is_alive(), f"no {what!r} in:\n{log_of(self.operation)}"
            time.sleep(0.05)


def wait_for(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Until ``true``; an error of asking counts as no."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError):
            if true():
                return
        time.sleep(0.5)
    raise AssertionError(f"{what}: not within {seconds} s")
