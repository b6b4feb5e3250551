"""Upkeep of a real node by the dashboard: its ffs-node is upgraded while a service runs, and what nothing needs is removed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.core import layout
from deployments.core.program import Standing
from deployments.models import Node, SigningKey
from deployments.models.program import programs_on
from deployments.nodekit.released import ffs_node_program, ffs_node_script
from deployments.services.pruning import request_prune
from deployments.services.upkeep import request_upgrade
from ffsweb.operations.models import Operation
from tests.deployments.fleet import Fleet, log_of, run
from tests.lab.deployed import Site, get
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def site(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Site]:
    site = Site(Fleet(), lab, "upkeep-site", sample_image, start_timeout=60, settle=2)
    yield site
    site.node.remove()


def put_program(site: Site, *, protocol: int, version: str) -> str:
    """The node gets the program as another ffsweb had it; the text that it has now."""
    script = ffs_node_script()
    for name, value in (("protocol", protocol), ("version", version)):
        script = re.sub(rf"^readonly {name}=.*$", f"readonly {name}={value}", script, flags=re.MULTILINE)
    site.node.exec(("sh", "-c", f"cat >{layout.NODE_PROGRAM}"), stdin=script.encode()).check()
    return script


def upgrade(site: Site) -> Operation:
    return run(request_upgrade(project=site.fleet.project, nodes=[site.row], actor=site.fleet.alice))


def standing(site: Site) -> Standing:
    return programs_on(Node.objects.all())[site.row.pk].standing


def test_an_old_node_is_upgraded_while_its_service_runs_and_never_to_an_older_program(site: Site) -> None:
    release = site.release("1.0")
    site.go_live(release)
    container = site.container()

    put_program(site, protocol=layout.PROTOCOL - 1, version="0.0.9")
    target = site.plan(release).parsed().targets[0]
    assert target.needs_upgrade
    assert any("ffs-node is older; upgrade it" in text for text in target.refusals)
    assert standing(site) is Standing.OLDER

    signers = site.node.read_text(layout.UPGRADE_SIGNERS)
    site.node.exec(("rm", layout.UPGRADE_SIGNERS)).check()
    ended = upgrade(site)
    assert ended.state == "failed"
    assert "This node knows no key for upgrades" in ended.message
    line = f'ffs-node namespaces="ffs-node-upgrade" {SigningKey.objects.get().public_key}\n'
    assert line == signers
    assert line.strip() in log_of(ended)

    site.node.exec(("sh", "-c", f"cat >{layout.UPGRADE_SIGNERS}"), stdin=line.encode()).check()
    ended = upgrade(site)
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert site.node.read_text(layout.NODE_PROGRAM) == ffs_node_script()
    assert ended.steps.get(name="prove").evidence["program_sha256"] == ffs_node_program().sha256
    assert standing(site) is Standing.SAME
    assert site.container() == container
    assert not site.plan(release).parsed().refused

    for protocol, version in ((layout.PROTOCOL, "99.0"), (layout.PROTOCOL + 1, layout.NODE_VERSION)):
        newer = put_program(site, protocol=protocol, version=version)
        ended = upgrade(site)
        assert ended.state == "failed"
        assert "nothing was changed" in ended.message
        assert "is older than" in ended.message
        assert site.node.read_text(layout.NODE_PROGRAM) == newer


def test_pruning_leaves_what_runs_the_last_two_good_ones_and_all_data(site: Site) -> None:
    versions = ("1.0", "1.1", "2.0", "2.1")
    releases = [site.release(version, f"SAMPLE_MODE=ok\nGREETING={version}") for version in versions]
    for release in releases:
        site.go_live(release)
    data = f"/var/lib/ffs/{site.service.name}/data"
    site.node.exec(("sh", "-c", f"echo kept >{data}/file")).check()
    listed = ("stat", "--format=%i %s %Y %U", f"{data}/file", "/var/lib/ffs/www/deployed")
    before, container = site.node.exec(listed).check().out, site.container()

    ended = run(request_prune(node=site.row, actor=site.fleet.alice))
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert "1 image, 1 release" in ended.message
    facts = site.row.readings.latest().parsed()
    assert facts is not None
    kept = releases[1:]
    assert facts.services["www"].releases == tuple(release.number for release in kept)
    assert facts.staged_images == {f"serbest:{release.image.image_id}" for release in kept}
    assert (site.live, site.container()) == (releases[-1], container)
    assert get(site.node)["version"] == "2.1"
    assert site.node.exec(listed).check().out == before
    assert site.node.read_text(f"{data}/file") == "kept\n"

    # What stayed is gone back to without anything being sent.
    plan = site.plan(kept[0]).parsed().targets[0]
    assert (plan.files.staged, plan.layers.bytes_to_send, plan.credentials.names) == (True, 0, ())
    site.go_live(kept[0])
    assert get(site.node)["version"] == "1.1"
