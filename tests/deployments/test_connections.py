"""An operation reaches each node by one connection, whatever number of services it has there."""

from __future__ import annotations

from deployments.models import Reading, Service
from tests.deployments.fleet import run
from tests.deployments.test_deploy_run import Site, site

__all__ = ["site"]


def test_two_services_of_a_node_share_a_connection_and_a_last_reading(site: Site) -> None:
    www = site.services[0]
    api = site.fleet.service(www.node, name="api", ports=[], start_timeout=5, settle=1)
    site.read(www)
    operation = site.ask(www, api)
    before, readings = site.node.fake.connects, Reading.objects.filter(node=www.node).count()
    ended = run(operation)
    assert ended.state == "succeeded", ended.message
    assert site.node.fake.connects - before == 2  # the work, and the last reading that proves it
    assert Reading.objects.filter(node=www.node).count() - readings == 1
    assert {service.live_release for service in Service.objects.filter(node=www.node)} == {site.releases[1]}


def test_a_connection_that_is_cut_is_made_again_for_both(site: Site) -> None:
    www = site.services[0]
    api = site.fleet.service(www.node, name="api", ports=[], start_timeout=5, settle=1)
    site.read(www)
    operation = site.ask(www, api)
    site.node.after["switch"] = lambda: (site.node.after.clear(), site.node.fake.cut())
    ended = run(operation)
    assert ended.state == "succeeded", ended.message
    assert site.node.release("www") == site.node.release("api") == site.releases[1].number
    assert len(site.node.switches) == 2
