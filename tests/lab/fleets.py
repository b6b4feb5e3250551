"""Several lab nodes of one project, and one deploy on all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from deployments.core.rollout import Rollout
from deployments.services import deploys
from tests.deployments.fleet import Fleet, log_of, run
from tests.lab.deployed import Site, get

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from deployments.models import Release
    from ffsweb.operations.models import Operation
    from tests.lab.lab import Lab

SABOTAGE = """
while sleep 0.5; do
  grep -q '^Release=2$' /etc/containers/systemd/ffs-www.container && systemctl --quiet is-active ffs-www.service &&
    podman kill ffs-www
done
"""
"""On a node: release 2 does not live for long. What was there before is left alone."""


class LabFleet:
    """Nodes NAME-1, NAME-2, … with one service each."""

    def __init__(self, lab: Lab, name: str, count: int, sample: Callable[..., Path], **fields: int) -> None:
        self.fleet = Fleet()
        # One after the other: each is described in the database, and boots in a second or two.
        self.sites = [
            Site(self.fleet, lab, f"{name}-{number:02}", sample, **fields) for number in range(1, count + 1)
        ]

    def read(self) -> None:
        for site in self.sites:
            ended = site.read()
            assert ended.state == "succeeded", ended.message

    def request(self, release: Release, rollout: Rollout | None = None) -> Operation:
        self.read()
        plan = deploys.preview(
            release=release,
            services=[site.service for site in self.sites],
            actor=self.fleet.alice,
            rollout=rollout or Rollout(),
        )
        assert not plan.parsed().refused, plan.body
        return deploys.request_deploy(plan=plan, actor=self.fleet.alice)

    def go_live(self, release: Release) -> Operation:
        ended = run(self.request(release))
        assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
        return ended

    def versions(self) -> list[str]:
        """What the sample on each node answers."""
        with ThreadPoolExecutor(len(self.sites)) as pool:
            return list(pool.map(lambda site: str(get(site.node)["version"]), self.sites))

    def remove(self) -> None:
        for site in self.sites:
            site.node.remove()
