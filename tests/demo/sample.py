"""The sample project: described, given to the node, and deployed, as the pages do it.

Django has to be set up before this module is imported.
"""

from __future__ import annotations

import io
import secrets
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

from django.core.files.uploadedfile import UploadedFile

from certificates.services.inventory import add_certificate
from deployments.models import FilesVersion, Image, Node, Release, Service
from deployments.services import deploys, machine_files, nodes, requests
from deployments.services.instances import create_service
from deployments.services.releases import make_release
from deployments.services.settings import import_env
from deployments.services.uploads import take_upload
from ffsweb.accounts.models import User
from ffsweb.accounts.projects import create_project
from ffsweb.operations.models import LogLine, Operation
from tests.certificates.material import issue
from tests.demo.failed import DemoFailed

Say = Callable[[str], None]

PATIENCE = 240.0
"""Seconds that an operation may take. A deploy of the sample takes about fifteen."""
PROJECT, SERVICE = "sample", "www"
SETTINGS = "SAMPLE_MODE=ok\nGREETING=hello\nAPI_TOKEN={token}\n"
PLAIN = ("SAMPLE_MODE", "GREETING")
FILES = {"greeting.txt": b"hello\n", "conf/app.toml": b'colour = "blue"\n'}


class SampleProject:
    """One project with one node and one service. ``alive`` is asked while waiting, and raises if all is over."""

    def __init__(self, *, say: Say, alive: Callable[[], None]) -> None:
        self._say, self._alive = say, alive
        # Somebody has to have done it; nobody can log in as them.
        self.actor = User.objects.create_user("demo", first_name="The demo")
        self.project = create_project(actor=self.actor, name=PROJECT, title="The demo's sample application")

    def describe(self, address: str) -> tuple[Node, Service]:
        """The node at ``address`` and what is to run there, with a certificate and settings."""
        fields = {"name": "node-a", "address": address, "ssh_port": 22, "tags": ["demo"], "operator_keys": ""}
        node = nodes.create_node(project=self.project, actor=self.actor, fields=fields)
        signed = issue("sample.example.org", names=("sample.example.org",))
        certificate = add_certificate(
            project=self.project,
            actor=self.actor,
            label="self-signed",
            chain_pem=signed.pem,
            key_pem=signed.key_pem(),
        )
        service = create_service(
            node=node,
            actor=self.actor,
            fields={
                "name": SERVICE,
                "ports": [{"host": 443, "container": 8443, "protocol": "tcp"}],
                "certificate": certificate,
                "start_timeout": 60,
                "settle": 5,
            },
        )
        text = SETTINGS.format(token=secrets.token_urlsafe(16))
        import_env(project=self.project, actor=self.actor, text=text, plain=PLAIN)
        return node, service

    def machine_file(self, node: Node) -> str:
        """The text of ``ffs.ign``."""
        return machine_files.make_machine_files(node=node, actor=self.actor, kind="ign").text

    def read(self, node: Node) -> None:
        """The first reading, without which nothing can be planned."""
        self._wait(requests.request_reading(node=node, actor=self.actor))

    def take_in(self, what: str, path: Path) -> None:
        """Upload an image or files, and wait until the worker has taken them in."""
        with path.open("rb") as stream:
            upload = UploadedFile(stream, name=path.name, size=path.stat().st_size)
            operation = take_upload(project=self.project, what=what, upload=upload, actor=self.actor)
        self._wait(operation)

    def release(self, note: str) -> Release:
        """A release of the newest image and files."""
        image = Image.objects.filter(project=self.project).latest("created_at")
        files = FilesVersion.objects.filter(project=self.project).latest("number")
        return make_release(project=self.project, actor=self.actor, image=image, files=files, note=note)

    def deploy(self, release: Release, service: Service) -> None:
        """Plan it from the reading, and let the worker do what was planned."""
        plan = deploys.preview(release=release, services=[service], actor=self.actor)
        self._wait(deploys.request_deploy(plan=plan, actor=self.actor), show_log=True)

    def _wait(self, operation: Operation, *, show_log: bool = False) -> None:
        """Until it has ended; raises DemoFailed unless it succeeded."""
        shown, end = 0, time.monotonic() + PATIENCE
        while True:
            row = Operation.objects.get(pk=operation.pk)
            for line in LogLine.objects.filter(operation=row, number__gt=shown).order_by("number"):
                shown = line.number
                if show_log:
                    self._say(f"    {line.text}")
            if row.finished:
                break
            if time.monotonic() > end:
                raise DemoFailed(f"“{row}” has not ended after {PATIENCE:.0f} seconds.")
            self._alive()
            time.sleep(0.2)
        if row.state != "succeeded":
            log = "\n".join(LogLine.objects.filter(operation=row).order_by("number").values_list("text", flat=True))
            raise DemoFailed(f"“{row}” ended as {row.condition.label.lower()}: {row.message}\n{log}")


def files_archive(path: Path) -> Path:
    """Two project files, as an archive for the upload."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
