"""A node that runs one release while the next one waits to be pushed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from deployments.models import HostKey, Image, Node, Service
from deployments.models.image_store import store
from deployments.services import deploys
from ffsweb.operations.models import Operation, Step
from ffsweb.remote.fake import HOST_KEY
from tests.deployments.fleet import Fleet, log_of, run
from tests.deployments.simulated import SimulatedNode
from tests.oci.images import Picture, archive, layer, member, podman_members, tar
from tests.oci.test_forms import some_layer

TOOLS = ["curl", "zstd", "skopeo"]
RANDOM = tar([member("app/data", random.Random(7).randbytes(3_000_000))])


def slow(node: Node) -> None:
    """A line on which the fewest bytes count."""
    Node.objects.filter(pk=node.pk).update(link_rate=1_000_000, link_round_trip=0.08)


class Site:
    """A node that runs release 1; release 2 differs in one of 400 files of its second layer."""

    def __init__(self, fleet: Fleet, tmp_path: Path) -> None:
        self.fleet, self.path = fleet, tmp_path
        self.base = layer(etc_base="base")
        self.old, self.new = some_layer(1, files=400), some_layer(1, files=400, changed=200)
        self.first = fleet.release(self.image("one", self.base, self.old))
        self.second = fleet.release(self.image("two", self.base, self.new))
        self.row = fleet.node("node-a", "192.0.2.1")
        HostKey.objects.create(node=self.row, kind=HostKey.Kind.PINNED, public_key=HOST_KEY, fingerprint="SHA256:x")
        self.service = fleet.service(self.row, start_timeout=5, settle=1)
        self.node = SimulatedNode()
        self.held = self.node.held
        self.held.tools = list(TOOLS)
        self.node.install(self.first)
        self.held.hold(self.base, self.old)
        self.held.configs[self.first.image.image_id] = store().document(self.first.image.image_id)
        Service.objects.filter(pk=self.service.pk).update(live_release=self.first)

    def image(self, name: str, *layers: bytes, **config: Any) -> Image:
        path = self.path / f"{name}.tar"
        picture = Picture(layers=list(layers), extra={"created": f"2024-01-01T00:00:0{len(name)}Z"})
        picture.run |= config
        path.write_bytes(archive(podman_members(picture, tags=(f"localhost/app:{name}",))))
        return self.fleet.image(path)

    def plan(self, image: Image | None = None) -> Any:
        release = self.fleet.release(image) if image else self.second
        ended = self.fleet.read(self.row)
        assert ended.state == "succeeded", ended.message
        return deploys.preview(release=release, services=[self.service], actor=self.fleet.alice)

    def deploy(self, image: Image | None = None) -> Operation:
        return run(deploys.request_deploy(plan=self.plan(image), actor=self.fleet.alice))

    def evidence(self, operation: Operation) -> dict[str, Any]:
        found: dict[str, Any] = Step.objects.get(operation=operation, name="stage", state="done").evidence
        return found


def good(operation: Operation) -> Operation:
    assert operation.state == "succeeded", f"{operation.message}\n{log_of(operation)}"
    return operation
