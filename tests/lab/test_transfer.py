"""An image on its way to a real node: every way and form, cut and killed in the middle, and what may go wrong there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deployments.core import node_commands
from tests.lab.ffs_node_machine import boot
from tests.lab.transfers import Dashboard, text_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployments.oci.store import ImportedImage
    from tests.lab.ffs_node_machine import Machine
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

BASE = text_layer("base", files=60, size=50_000, seed=1)
APP = text_layer("app", files=150, size=40_000, seed=2)
APP_CHANGED = text_layer("app", files=150, size=40_000, seed=2, changed=(7, 91))


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Dashboard:
    return Dashboard.at(tmp_path_factory.mktemp("dashboard"))


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
    assert machine.root("find", "/var/lib/ffs-node/tmp", "/var/lib/ffs-node/fetch", "-mindepth", "1") == ""


def diff_ids(image: ImportedImage) -> tuple[str, ...]:
    return tuple(layer.diff_id for layer in image.layers)


@pytest.mark.parametrize("health", [False, True])
@pytest.mark.parametrize(("way", "kind"), [("pull", ""), ("pull", "zstd"), ("fetch", ""), ("fetch", "zstd")])
def test_an_image_comes_whole_by_every_way(
    empty: Machine, dashboard: Dashboard, way: str, kind: str, *, health: bool
) -> None:
    image = dashboard.image(BASE, APP, health=health)
    forms = dashboard.made("zstd", *diff_ids(image)) if kind else {}
    pushed = dashboard.push(empty, image, forms, way=way)  # type: ignore[arg-type]
    pushed.answer.check()
    assert pushed.answer.string("way") == way
    assert pushed.answer.number("kept") == 0
    held(empty, image)
    if kind:
        assert pushed.bytes < 1.05 * sum(form.size for form in forms.values()) + 10_000
    again = dashboard.push(empty, image, forms, way=way)  # type: ignore[arg-type]
    assert again.bytes == 0


@pytest.mark.parametrize("health", [False, True])
def test_a_delta_sends_little_more_than_what_changed(empty: Machine, dashboard: Dashboard, *, health: bool) -> None:
    one, two = dashboard.image(BASE, APP, health=health), dashboard.image(BASE, APP_CHANGED, health=health)
    dashboard.push(empty, one, dashboard.made("zstd", *diff_ids(one)), way="pull").answer.check()
    forms = dashboard.made("delta", two.layers[1].diff_id, base=one.layers[1].diff_id)
    pushed = dashboard.push(empty, two, forms, way="fetch", held=(one.layers[0].diff_id,))
    pushed.answer.check()
    held(empty, two)
    assert pushed.bytes < 20_000, pushed.sent
