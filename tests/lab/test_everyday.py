"""What an operator does with a service that runs: stop, start, restart, its journal, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.services import requests
from ffsweb.operations import services as operations
from tests.deployments.fleet import Fleet, log_of, run
from tests.lab.deployed import Site, Started, get, wait_for
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def site(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Site]:
    site = Site(Fleet(), lab, "everyday", sample_image, start_timeout=60, settle=2)
    yield site
    site.node.remove()


def test_a_service_is_stopped_started_and_restarted_and_each_end_is_what_was_read(site: Site) -> None:
    site.go_live(site.release("1.0"))
    before = site.container()
    for verb, active in (("stop", "inactive"), ("start", "active"), ("restart", "active")):
        ended = site.fleet.control(site.service, verb)
        assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
        assert f"is {active}" in ended.message
        assert site.unit() == active
    assert site.container() != before
    assert get(site.node)["version"] == "1.0"


def test_the_way_back_is_a_deploy_of_the_older_release(site: Site) -> None:
    first, second = site.release("1.0"), site.release("2.0")
    for release, version in ((first, "1.0"), (second, "2.0"), (first, "1.0")):
        site.go_live(release)
        assert (site.live, get(site.node)["version"]) == (release, version)
    assert site.installed() == str(first.number)


def test_the_journal_is_read_searched_followed_and_left(site: Site) -> None:
    site.go_live(site.release("1.0"))

    def journal(search: str = "", *, follow: bool = False) -> Started:
        asked = requests.request_journal(service=site.service, search=search, follow=follow, actor=site.fleet.alice)
        return Started(asked)

    assert "ready: python3" in log_of(journal().end())
    found = journal("READY: PYTHON3").end()
    assert "ready: python3" in log_of(found)
    assert "serving" not in log_of(found).lower().replace("ready: python3", "")
    followed = journal("ready: python3", follow=True)
    followed.until_log("ready: python3")
    known = followed.operation.lines.filter(text__contains="ready: python3").count()
    site.fleet.control(site.service, "restart")
    wait_for(
        lambda: followed.operation.lines.filter(text__contains="ready: python3").count() > known,
        "a line of the new container",
    )
    operations.cancel(followed.operation, actor=site.fleet.alice)
    ended = followed.end(30)
    assert ended.state in {"cancelled", "succeeded"}, ended.message


def test_an_image_that_somebody_loaded_by_hand_is_deployed_without_being_sent(
    site: Site, sample_image: Callable[..., Path]
) -> None:
    site.go_live(site.release("1.0"))
    second = site.release("2.0")
    with sample_image("2.0").open("rb") as archive:
        site.node.exec(("podman", "load", "--quiet"), stdin=archive.read()).check()
    ended = run(site.request(second))
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert get(site.node)["version"] == "2.0"
    assert "0 bytes sent" in log_of(ended), log_of(ended)
