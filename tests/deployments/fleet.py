"""A project with a node and a service, made as the pages make them, and operations run in this process."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any

from django.conf import settings

from certificates.services.inventory import add_certificate
from deployments.models import FilesVersion, Image, Node, Release, Service
from deployments.oci.imageconfig import ImageConfig
from deployments.services import deploys, machine_files, nodes, requests
from deployments.services.instances import create_service
from deployments.services.releases import make_release
from deployments.services.settings import import_env
from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.operations import runner
from ffsweb.operations.models import Operation
from tests.certificates.material import Issued
from tests.oci.images import sha


class Fleet:
    """One project of alice's."""

    def __init__(self, name: str = "serbest") -> None:
        self.alice = User.objects.create_user("alice", password="alice-long-password")
        self.project = Project.objects.create(name=name)
        Membership.objects.create(user=self.alice, project=self.project, role=Role.ADMIN)

    def node(self, name: str = "node-a", address: str = "192.0.2.1", **fields: Any) -> Node:
        fields = {"name": name, "address": address, "ssh_port": 22, "tags": [], "operator_keys": "", **fields}
        return nodes.create_node(project=self.project, actor=self.alice, fields=fields)

    def service(self, node: Node, name: str = "www", **fields: Any) -> Service:
        port = {"host": 443, "container": 8443, "protocol": "tcp"}
        fields = {
            "name": name,
            "ports": [port],
            "supervision": "supervisor",
            "start_timeout": 60,
            "settle": 3,
            **fields,
        }
        return create_service(node=node, actor=self.alice, fields=fields)

    def machine_file(self, node: Node, kind: str = "ign") -> str:
        return machine_files.make_machine_files(node=node, actor=self.alice, kind=kind).text

    def settings(self, text: str, plain: Collection[str] = ()) -> None:
        import_env(project=self.project, actor=self.alice, text=text, plain=plain)

    def certificate(self, issued: Issued, *chain: Issued) -> Any:
        pem = b"".join(each.pem for each in (issued, *chain))
        return add_certificate(
            project=self.project, actor=self.alice, label="tls", chain_pem=pem, key_pem=issued.key_pem()
        )

    def take_in(self, what: str, archive: Path) -> Operation:
        """Upload an archive and let the worker take it in; the operation, ended."""
        uploads = settings.DATA / "uploads"
        uploads.mkdir(parents=True, exist_ok=True)
        copy = uploads / uuid.uuid4().hex
        shutil.copy(archive, copy)
        operation = requests.request_import(
            project=self.project, what=what, upload=copy, name=archive.name, actor=self.alice
        )
        return run(operation)

    def image(self, archive: Path) -> Image:
        ended = self.take_in("image", archive)
        assert ended.state == "succeeded", ended.message
        image_id = ended.steps.get(name="record").evidence["image"]
        return Image.objects.get(project=self.project, image_id=image_id)

    def described_image(self, text: str = "one") -> Image:
        """An image's row, without the image: enough for plans."""
        return Image.objects.create(
            project=self.project,
            image_id=f"sha256:{sha(text.encode())}",
            manifest_digest=f"sha256:{sha(b'manifest of ' + text.encode())}",
            architecture="amd64",
            layers=[{"diff_id": f"sha256:{sha(b'layer of ' + text.encode())}", "size": 1_000_000}],
            size=1_000_000,
            python="/usr/bin/python3.11",
            config=ImageConfig(entrypoint=("/app/main",)).as_json(),
        )

    def files(self, archive: Path) -> FilesVersion:
        ended = self.take_in("files", archive)
        assert ended.state == "succeeded", ended.message
        return FilesVersion.objects.filter(project=self.project).latest("number")

    def release(self, image: Image, files: FilesVersion | None = None) -> Release:
        return make_release(project=self.project, actor=self.alice, image=image, files=files)

    def read(self, node: Node) -> Operation:
        return run(requests.request_reading(node=node, actor=self.alice))

    def deploy(self, release: Release, *services: Service) -> Operation:
        """Plan from the stored readings, and run what was planned."""
        plan = deploys.preview(release=release, services=services, actor=self.alice)
        return run(deploys.request_deploy(plan=plan, actor=self.alice))

    def control(self, service: Service, verb: str) -> Operation:
        return run(requests.request_control(service=service, verb=verb, actor=self.alice))


def run(operation: Operation) -> Operation:
    """Run an operation as the worker does, in this thread; the row as it is afterwards."""
    runner.run(operation.pk)
    return Operation.objects.get(pk=operation.pk)


def log_of(operation: Operation) -> str:
    """The whole log as text."""
    return "\n".join(operation.lines.order_by("number").values_list("text", flat=True))
