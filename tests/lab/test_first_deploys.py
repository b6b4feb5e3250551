"""A first deploy that fails leaves nothing running; of two nodes that fail together, both go back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.models import Release, Service
from deployments.services import deploys
from ffsweb.operations.models import Operation
from tests.deployments.fleet import Fleet, run
from tests.lab.deployed import Site, get, one_message
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


ONLY_THE_FIRST = """
mkdir -p /etc/systemd/system/ffs-www.service.d
cat >/etc/systemd/system/ffs-www.service.d/test.conf <<'END'
[Service]
ExecStartPre=/bin/sh -c '! grep -q Release=2 /etc/containers/systemd/ffs-www.container'
END
systemctl daemon-reload
"""


@pytest.fixture
def make_site(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Callable[[str], Site]]:
    """Sites of one project, by the names of their nodes."""
    made: list[Site] = []
    fleets: list[Fleet] = []

    def make(name: str) -> Site:
        fleet = fleets[0] if fleets else Fleet()
        fleets.append(fleet)
        made.append(Site(fleet, lab, name, sample_image, start_timeout=20, settle=3))
        return made[-1]

    yield make
    for site in made:
        site.node.remove()


@pytest.mark.parametrize("mode", ["crash-at-start", "die-after=2"])
def test_a_first_deploy_that_fails_leaves_nothing_running_and_the_next_one_works(
    make_site: Callable[[str], Site], mode: str
) -> None:
    site = make_site("first")
    Service.objects.filter(pk=site.service.pk).update(settle=8)
    ended = site.deploy(site.release("1.0", f"SAMPLE_MODE={mode}"))
    one_message(ended, "failed", "The new release")
    assert ended.message.endswith("The new release was stopped again; nothing ran before it.")
    assert site.container() == ("", "")
    assert site.unit() in {"inactive", "failed"}
    assert (site.live, site.pending()) == (None, False)
    good = site.release("1.0")
    site.go_live(good)
    assert (get(site.node)["version"], site.live) == ("1.0", good)


def deploy_to_both(first: Site, second: Site, release: Release) -> Operation:
    for site in (first, second):
        assert site.read().state == "succeeded"
    services = [first.service, second.service]
    plan = deploys.preview(release=release, services=services, actor=first.fleet.alice)
    return run(deploys.request_deploy(plan=plan, actor=first.fleet.alice))


def test_of_two_nodes_both_go_back_when_one_cannot_become_ready(make_site: Callable[[str], Site]) -> None:
    first, second = make_site("both-a"), make_site("both-b")
    old = first.release("1.0")
    ended = deploy_to_both(first, second, old)
    assert ended.state == "succeeded", ended.message
    # On the second node alone release 2 does not start.
    second.node.exec(("sh", "-c", ONLY_THE_FIRST)).check()
    ended = deploy_to_both(first, second, first.release("2.0"))
    one_message(ended, "rolled_back", "www@both-b: The new release did not become ready.")
    assert ended.message.endswith("Release 1 runs again on every node.")
    for site in (first, second):
        assert get(site.node)["version"] == "1.0"
        assert (site.installed(), site.live, site.pending()) == ("1", old, False)
