"""The node that receives the pushes of a test module, and what has to hold on it after each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deployments.core import node_commands
from deployments.oci import forms_make
from tests.lab.ffs_node_machine import boot
from tests.lab.transfers import Dashboard, newer_skopeo, text_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployments.oci.store import ImportedImage
    from tests.lab.ffs_node_machine import Machine
    from tests.lab.lab import Lab

BASE = text_layer("base", files=60, size=50_000, seed=1)
APP = text_layer("app", files=150, size=40_000, seed=2)
APP_CHANGED = text_layer("app", files=150, size=40_000, seed=2, changed=(7, 91))


@pytest.fixture(scope="module")
def dashboard(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(newer_skopeo(tmp_path_factory.mktemp("bin"))), prepend=":")
        forms_make.can_chunk.cache_clear()
        yield Dashboard.at(tmp_path_factory.mktemp("dashboard"))
    forms_make.can_chunk.cache_clear()


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Iterator[Machine]:
    machine = boot(lab, "transfer")
    machine.do(node_commands.setup(machine.fence))
    yield machine
    machine.close()
    machine.node.remove()


@pytest.fixture
def empty(machine: Machine) -> Machine:
    """The node without an image, and without layers that belong to none."""
    machine.root("podman", "image", "rm", "--all", "--force")
    machine.root("podman", "system", "check", "--quick", "--repair", "--max", "0s")
    assert machine.root("podman", "images", "--all", "--quiet") == ""
    return machine


def held(machine: Machine, image: ImportedImage) -> None:
    """The image is on the node under its name, whole, with its health check, and nothing temporary is left."""
    shown = machine.root(
        "podman",
        "image",
        "inspect",
        "--format",
        "{{.Id}} {{if .HealthCheck}}{{.HealthCheck.Test}}{{end}}",
        f"ffs.internal/serbest:{image.image_id.replace(':', '-')}",
    ).strip()
    health = " [CMD /bin/true]" if image.config.healthcheck else ""
    assert shown == image.image_id[7:] + health
    facts = machine.facts()
    assert image.image_id in facts.image_ids
    assert {layer.diff_id for layer in image.layers} <= facts.diff_ids
    assert machine.root("podman", "system", "check", "--quick") == ""
    left = machine.root("find", "/var/lib/ffs-node/tmp", "/var/lib/ffs-node/fetch", "-mindepth", "1")
    assert left == "", left


def diff_ids(image: ImportedImage) -> tuple[str, ...]:
    return tuple(layer.diff_id for layer in image.layers)


def pids(machine: Machine, pattern: str) -> list[str]:
    found = machine.node.exec(("pgrep", "-f", "--", f"^[^ ]*({pattern})|^/usr/bin/bash -p [^ ]*({pattern})"))
    return found.out.split()
