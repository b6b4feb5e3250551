"""ffsweb's own way: an installation with a project whose service is for lab nodes. Loads Django into this process."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from benchmarks.push import recipe
from benchmarks.push.link import Cable, Counted, Link
from benchmarks.push.measure import SETTLE, changes
from benchmarks.push.results import OURS, Row
from ffsweb.runtime.loading import load_django
from tests.support.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.push.versions import Built
    from tests.lab import Lab


class Dashboard:
    """An installation below ``root`` whose operations run in this process. One in a process."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.installation = Installation(root)
        self.installation.prepare()
        os.environ.update(self.installation.environment)
        os.environ["FFSWEB_LOG_LEVEL"] = "ERROR"  # no worker is there to be told of operations
        load_django("command")
        from benchmarks.push import stage_kind
        from tests.deployments.fleet import Fleet

        stage_kind.install()
        self.fleet = Fleet("bench")
        self.images: dict[str, Any] = {}
        self.prepared: dict[str, float] = {}
        """Seconds that it took to take a version in, and to do what the product does with it by itself then."""

    def take_in(self, built: Built) -> Any:
        """The image of a version; uploaded, verified and made ready the first time."""
        name = built.version.name
        if name not in self.images:
            began = time.monotonic()
            self.images[name] = self.fleet.image(built.archive)
            self.run_queued()
            self.prepared[name] = time.monotonic() - began
        return self.images[name]

    def run_queued(self) -> None:
        """Do what the worker would do by itself now."""
        from deployments.execution import convert
        from ffsweb.operations.models import Operation
        from ffsweb.operations.states import State
        from tests.deployments.fleet import run

        convert.request_due()  # as the clock does
        while (waiting := Operation.objects.filter(state=State.QUEUED).first()) is not None:
            run(waiting)

    def stage(self, release: Any, services: list[Any], ready: Callable[[], None]) -> Any:
        """Plan from fresh readings, and run the plan to the end of its image step; the operation, ended.

        ``ready`` is called between the two: what the readings took is not part of the step, which reads again.
        """
        from tests.deployments.fleet import run

        operation = self.request(release, services)
        os.sync()
        ready()
        return run(operation)

    def request(self, release: Any, services: list[Any]) -> Any:
        """Ask for the image step of a deploy, from fresh readings."""
        from benchmarks.push import stage_kind
        from deployments.services import deploys
        from ffsweb.operations.services import Target, enqueue

        for service in services:
            self.fleet.read(service.node)
        plan = deploys.preview(release=release, services=services, actor=self.fleet.alice)
        if plan.parsed().refused:
            raise RuntimeError(f"the plan is refused: {plan.body}")
        return enqueue(
            kind=stage_kind.KIND,
            project=self.fleet.project,
            actor=self.fleet.alice,
            title="Benchmark",
            params={"plan": plan.body},
            targets=[Target(key=service.resource, label=str(service)) for service in services],
            holds=[service.resource for service in services],
        )


class Place:
    """A node of the dashboard's, enrolled, behind a link (None: on the lab's own network)."""

    def __init__(self, dashboard: Dashboard, lab: Lab, name: str, link: Link | None) -> None:
        from deployments.models import Node
        from deployments.services import requests
        from tests.deployments.fleet import run

        fleet = dashboard.fleet
        row = fleet.node(name)
        self.service = fleet.service(row, ports=[], supervision="none")
        self.node = lab.up(name, fleet.machine_file(row))
        self.cable = Cable(lab, self.node, link) if link else None
        address, port = ("127.0.0.1", self.cable.port) if self.cable else (self.node.address, 22)
        Node.objects.filter(pk=row.pk).update(address=address, ssh_port=port)
        self.service.node.refresh_from_db()
        ended = run(requests.request_enrolment(node=self.service.node, actor=fleet.alice))
        if ended.state != "succeeded":
            raise RuntimeError(f"{name} was not enrolled: {ended.message}")

    def close(self) -> None:
        """Take the node and its cable away; the dashboard's row stays."""
        if self.cable:
            self.cable.close()
        self.node.remove()


def ours(dashboard: Dashboard, lab: Lab, link: Link, versions: tuple[Built, ...], *, name: str) -> Iterator[Row]:
    """The rows of ffsweb over one link, as they are measured."""
    place = Place(dashboard, lab, name, link)
    assert place.cable is not None
    try:
        for change, built in changes(versions):
            row = _one(dashboard, place, place.cable, change, built)
            yield row
            if row.error:
                return
    finally:
        place.close()


def _one(dashboard: Dashboard, place: Place, cable: Cable, change: str, built: Built) -> Row:
    from benchmarks.push import stage_kind
    from deployments.models import Service
    from tests.deployments.fleet import log_of

    link = cable.link.name
    release = dashboard.fleet.release(dashboard.take_in(built))
    starts: list[Counted] = []
    ends: list[Counted] = []

    def ready() -> None:
        time.sleep(SETTLE)
        starts.append(cable.count())

    stage_kind.at_image_end(lambda: ends.append(cable.count()))
    stage_kind.marks()
    ended = dashboard.stage(release, [place.service], ready)
    noted = stage_kind.marks().get(place.service.resource, {})
    log = log_of(ended)
    if ended.state != "succeeded" or not ends or "image ends" not in noted:
        return Row(link, OURS, change, error=ended.message[-300:] or "nothing was noted", log=log)
    image_id = built.image_id.partition(":")[2]
    if place.node.exec(("podman", "image", "exists", image_id)).status != 0:
        return Row(link, OURS, change, error="the image is not on the node")
    Service.objects.filter(pk=place.service.pk).update(live_release=release)  # as a deploy that ended leaves it
    counted = ends[-1] - starts[-1]
    prepared = 0.0 if change == recipe.AGAIN else dashboard.prepared.get(built.version.name, 0.0)
    began = noted["begins"]
    step = noted.get("image begins", noted["image ends"])
    parts = {
        "connect": noted["connected"] - began,
        "read": step - noted["connected"],
        "image": noted["image ends"] - step,
    }
    return Row(
        link,
        OURS,
        change,
        noted["image ends"] - began,
        counted.to_node,
        counted.from_node,
        prepared,
        parts,
        shaped=cable.shaped,
        log=log,
    )
