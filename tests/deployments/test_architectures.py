"""An image for several architectures: every node of a release gets the one that it can run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.execution import connection
from deployments.models import HostKey, Image, Release, Service
from deployments.services import deploys
from deployments.services.content import StillNeeded, remove_image
from ffsweb.remote.fake import HOST_KEY
from tests.deployments.facts import node_facts, read
from tests.deployments.fleet import Fleet
from tests.deployments.simulated import SimulatedNode
from tests.oci.images import Picture, archive, layer, multi_arch_members, oci_members

SHARED = layer(etc_base="for all")
PICTURES = {
    name: Picture(layers=[SHARED, layer(bin_app=name)], architecture=name, run={"Entrypoint": ["/app", name]})
    for name in ("arm64", "amd64", "s390x")
}


def take_in(fleet: Fleet, tmp_path: Path, *names: str) -> Image:
    path = tmp_path / "image.tar"
    pictures = [PICTURES[name] for name in names]
    path.write_bytes(archive(multi_arch_members(*pictures) if len(names) > 1 else oci_members(*pictures)))
    ended = fleet.take_in("image", path)
    assert ended.state == "succeeded", ended.message
    assert all(name in ended.message for name in names)
    return Image.objects.get(project=fleet.project, image_id=ended.steps.get(name="record").evidence["image"])


def installed(fleet: Fleet, name: str, address: str, arch: str) -> tuple[Service, SimulatedNode]:
    row = fleet.node(name, address)
    HostKey.objects.create(node=row, kind=HostKey.Kind.PINNED, public_key=HOST_KEY, fingerprint="SHA256:x")
    node = SimulatedNode()
    node.arch = arch
    return fleet.service(row, start_timeout=5, settle=1), node


@pytest.fixture
def nodes(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, tuple[Service, SimulatedNode]]]:
    """One node of each architecture, by ``uname -m``."""
    machines = ("x86_64", "aarch64", "riscv64")
    found = {arch: installed(fleet, f"node-{at}", f"192.0.2.{at}", arch) for at, arch in enumerate(machines, 1)}
    by_address = {service.node.address: node for service, node in found.values()}

    def connect(endpoint: Any, *arguments: Any, **options: Any) -> Any:
        return by_address[endpoint.host].connect(endpoint, *arguments, **options)

    monkeypatch.setattr(connection, "connect", connect)
    yield found
    for node in by_address.values():
        node.fake.cut()


def test_all_architectures_come_in_and_one_stands_for_them(fleet: Fleet, tmp_path: Path) -> None:
    main = take_in(fleet, tmp_path, "arm64", "amd64", "s390x")
    assert main.architecture == "amd64"
    assert {row.image_id for row in Image.objects.all()} == {each.image_id for each in PICTURES.values()}
    assert len(set(Image.objects.values_list("index_digest", flat=True))) == 1
    release = fleet.release(main)
    assert [each.architecture for each in release.images] == ["amd64", "arm64", "s390x"]


def test_a_release_of_an_image_that_came_alone_has_that_one(fleet: Fleet, tmp_path: Path) -> None:
    alone = take_in(fleet, tmp_path, "arm64")
    take_in(fleet, tmp_path, "amd64")
    release = fleet.release(alone)
    assert release.images == (alone,)
    assert (release.image_for("aarch64"), release.image_for("x86_64"), release.image_for("")) == (alone, None, alone)


def test_the_next_index_leaves_the_release_of_the_last_one_as_it_is(fleet: Fleet, tmp_path: Path) -> None:
    before = fleet.release(take_in(fleet, tmp_path, "arm64", "amd64"))
    after = fleet.release(take_in(fleet, tmp_path, "amd64", "s390x"))
    assert [each.architecture for each in before.images] == ["amd64", "arm64"]
    assert [each.architecture for each in after.images] == ["amd64", "s390x"]


def test_every_node_gets_the_image_for_its_architecture(
    fleet: Fleet, nodes: dict[str, tuple[Service, SimulatedNode]], tmp_path: Path
) -> None:
    release = fleet.release(take_in(fleet, tmp_path, "arm64", "amd64"))
    chosen = [nodes["x86_64"], nodes["aarch64"]]
    for service, _ in chosen:
        fleet.read(service.node)
    ended = fleet.deploy(release, *(service for service, _ in chosen))
    assert ended.state == "succeeded", ended.message
    for (service, node), name in zip(chosen, ("amd64", "arm64"), strict=True):
        assert node.images == {PICTURES[name].image_id}
        assert f"ImageId={PICTURES[name].image_id}" in node.units["www"]
        assert f"-- /app {name}\n" in re.sub(r'"', "", node.units["www"])
        service.refresh_from_db()
        assert service.live_release == release


def test_a_node_that_no_image_fits_is_refused_and_told_what_there_is(
    fleet: Fleet, nodes: dict[str, tuple[Service, SimulatedNode]], tmp_path: Path
) -> None:
    release = fleet.release(take_in(fleet, tmp_path, "arm64", "amd64"))
    service, node = nodes["riscv64"]
    fleet.read(service.node)
    plan = deploys.preview(release=release, services=[service], actor=fleet.alice)
    refusals = plan.parsed().targets[0].refusals
    assert refusals == (
        "The image is for amd64 and arm64, but the node is riscv64. Take in an image that is for riscv64 too.",
    )
    with pytest.raises(deploys.Refused):
        deploys.request_deploy(plan=plan, actor=fleet.alice)
    assert not node.images


def test_a_machine_that_became_another_since_the_plan_is_refused_before_anything_is_sent(
    fleet: Fleet, nodes: dict[str, tuple[Service, SimulatedNode]], tmp_path: Path
) -> None:
    release = fleet.release(take_in(fleet, tmp_path, "arm64", "amd64"))
    service, node = nodes["x86_64"]
    fleet.read(service.node)
    node.arch = "aarch64"
    ended = fleet.deploy(release, service)
    assert (ended.state, node.images, node.units) == ("failed", set(), {})
    assert "the node is aarch64" in ended.message


def test_a_reading_finds_the_release_live_by_the_image_of_that_architecture(
    fleet: Fleet, nodes: dict[str, tuple[Service, SimulatedNode]], tmp_path: Path
) -> None:
    release = fleet.release(take_in(fleet, tmp_path, "arm64", "amd64"))
    service, node = nodes["aarch64"]
    node.install(Release(number=release.number, image=release.image_for("aarch64")))
    fleet.read(service.node)
    service.refresh_from_db()
    assert service.live_release == release


def test_a_variant_of_a_release_is_not_removed(fleet: Fleet, tmp_path: Path) -> None:
    release = fleet.release(take_in(fleet, tmp_path, "arm64", "amd64"))
    for image in release.images:
        with pytest.raises(StillNeeded, match="Nothing was removed"):
            remove_image(image=image, actor=fleet.alice)
    assert Image.objects.count() == 2


def test_what_a_node_is_counts_when_the_plan_is_made_not_its_name(fleet: Fleet, tmp_path: Path) -> None:
    release = fleet.release(take_in(fleet, tmp_path, "arm64", "amd64"))
    service = fleet.service(fleet.node("aarch64"))
    plan = deploys.preview(release=release, services=[service], actor=fleet.alice)
    assert plan.parsed().targets[0].image.new == PICTURES["amd64"].image_id  # never read: the main one, and red
    assert plan.parsed().refused
    read(service.node, node_facts(arch="aarch64"))
    plan = deploys.preview(release=release, services=[service], actor=fleet.alice)
    assert plan.parsed().targets[0].image.new == PICTURES["arm64"].image_id
