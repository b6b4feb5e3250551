"""Four nodes on release 1, and what a test of rollouts asks of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deployments.core.rollout import Rollout
from deployments.models import HostKey, Plan, Release, Service
from deployments.services import deploys
from ffsweb.operations import answers
from ffsweb.operations.models import Operation, Question
from ffsweb.remote.fake import HOST_KEY
from tests.deployments.fleet import Fleet, run
from tests.deployments.simulated import SimulatedNode
from tests.oci.images import Picture, archive, layer, podman_members

NODES = 4


class Rolling:
    """Four nodes with one service each, n1 to n4; release 1 runs on all of them and release 2 is to follow."""

    def __init__(self, fleet: Fleet, tmp_path: Path, nodes: dict[str, SimulatedNode]) -> None:
        self.fleet, self.nodes = fleet, nodes
        self.services: list[Service] = []
        self.releases: list[Release] = []
        for text in ("one", "two"):
            path = tmp_path / f"{text}.tar"
            picture = Picture(layers=[layer(etc_base="base"), layer(app_main=text)])
            path.write_bytes(archive(podman_members(picture, tags=(f"localhost/app:{text}",))))
            self.releases.append(fleet.release(fleet.image(path)))
        for number in range(1, NODES + 1):
            row = fleet.node(f"n{number}", f"192.0.2.{number}", tags=["canary"] if number == 3 else [])
            HostKey.objects.create(node=row, kind=HostKey.Kind.PINNED, public_key=HOST_KEY, fingerprint="SHA256:x")
            self.services.append(fleet.service(row, start_timeout=5, settle=0))
            node = self.nodes[row.address] = SimulatedNode()
            node.install(self.releases[0])
            assert fleet.read(row).state == "succeeded"

    def node(self, number: int) -> SimulatedNode:
        return self.nodes[f"192.0.2.{number}"]

    def ask(self, rollout: Rollout) -> Operation:
        plan = self.plan(rollout)
        assert not plan.parsed().refused, plan.body
        return deploys.request_deploy(plan=plan, actor=self.fleet.alice)

    def plan(self, rollout: Rollout) -> Plan:
        return deploys.preview(
            release=self.releases[1], services=self.services, actor=self.fleet.alice, rollout=rollout
        )

    def answer(self, operation: Operation, choice: str) -> Operation:
        asked = Question.objects.open().get()
        answers.answer(operation, asked.name, choice, actor=self.fleet.alice)
        return run(operation)

    def run_now(self) -> list[int | None]:
        """The releases by the nodes' units; none of them may be pending."""
        assert not any(node.pending for node in self.nodes.values())
        return [self.node(number).release() for number in range(1, NODES + 1)]

    def live(self) -> list[int]:
        rows = Service.objects.select_related("live_release").order_by("pk")
        return [row.live_release.number if row.live_release else 0 for row in rows]

    def at_switch_of(self, number: int, do: Callable[[], None]) -> None:
        self.node(number).before["switch"] = do


def states(operation: Operation) -> list[str]:
    return list(operation.targets.order_by("label").values_list("state", flat=True))
