"""One image to many nodes at once: what the dashboard reads from its disk and holds in memory for that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.push.pages import Watched
from benchmarks.push.priority import last
from benchmarks.push.product import Dashboard, Place
from benchmarks.push.results import Many
from tests.lab import network
from tests.lab.run import LabError

if TYPE_CHECKING:
    from benchmarks.push.versions import Built
    from tests.lab import Lab

DROP_CACHES: Final = Path("/proc/sys/vm/drop_caches")
PATIENCE: Final = 3600.0


def measure(dashboard: Dashboard, lab: Lab, built: Built, count: int) -> Many:
    """All nodes lack the image; what the dashboard makes of it once was made, by a push to one more node before."""
    release = dashboard.fleet.release(dashboard.take_in(built))
    places: list[Place] = []
    try:
        first = Place(dashboard, lab, f"many-{count}-first", None)
        places.append(first)
        dashboard.stage(release, [first.service], lambda: None)
        first.close()
        while len(places) <= count:
            places.append(Place(dashboard, lab, f"many-{count}-{len(places)}", None))
        return _measure(dashboard, lab, built, places[1:], release)
    finally:
        for place in places:
            place.close()


def _measure(dashboard: Dashboard, lab: Lab, built: Built, places: list[Place], release: object) -> Many:
    operation = dashboard.request(release, [place.service for place in places])
    from django.db import connections

    connections.close_all()
    os.sync()
    before = _sent(lab, places)
    with last(lab), Watched(dashboard.installation) as pages:
        DROP_CACHES.write_text("1\n")
        pages.begin()
        began = time.monotonic()
        done = subprocess.run(
            (sys.executable, "-m", "benchmarks.push.many_process", str(operation.pk)),
            env={**os.environ, **dashboard.installation.environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        seconds = time.monotonic() - began
        latency = pages.end()
    if done.returncode != 0:
        raise LabError(f"the push to {len(places)} nodes failed: {done.stderr[-1000:]}")
    told = json.loads(done.stdout.splitlines()[-1])
    image = built.image_id.partition(":")[2]
    failed = sum(place.node.exec(("podman", "image", "exists", image)).status != 0 for place in places)
    size = sum(layer.size for layer in built.layers)
    return Many(
        nodes=len(places),
        image_bytes=size,
        to_nodes=_sent(lab, places) - before,
        seconds=told.pop("seconds", seconds),
        failed=failed,
        page_median=latency.median,
        page_slowest=latency.slowest,
        **told,
    )


def _sent(lab: Lab, places: list[Place]) -> int:
    """Bytes of all frames that went to the nodes, by the counters of their cables."""
    links = (network.link_name(lab.session.id, place.node.number) for place in places)
    return sum(int(Path(f"/sys/class/net/{link}/statistics/tx_bytes").read_text()) for link in links)
