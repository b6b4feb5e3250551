"""Each way in which a service can be watched, on a real node: found in the image, deployed, live, and it notices what it
is there to notice."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from deployments.core.facts import ServiceFacts
from tests.deployments.fleet import Fleet
from tests.lab import rows
from tests.lab.deployed import Shared, Site
from tests.lab.lab import Lab
from tests.lab.test_sample import ask
from tests.lab.waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]
STATUS = "/var/lib/ffs/www/data/.ffs-status.json"
SEALED = "a value that is sealed"


class Watched(Site):
    """A node with a service that is watched as its image allows; it serves plain HTTP."""

    def __init__(self, fleet: Fleet, lab: Lab, sample: Callable[..., Path]) -> None:
        port = {"host": 8080, "container": 8080, "protocol": "tcp"}
        times = {"watchdog": 30, "start_timeout": 60, "settle": 4}
        super().__init__(fleet, lab, "modes", sample, supervision="auto", ports=[port], **times)
        self.service.certificate = None
        self.service.save()
        fleet.settings(f"API_TOKEN={SEALED}\n")

    def bring(self, variant: str) -> None:
        """The variant of the sample is live, by a plan and a deploy of its own."""
        self.go_live(self.fleet.release(self.fleet.image(self.sample("1.0", variant=variant))))

    def facts(self) -> ServiceFacts:
        """What a reading says now."""
        assert self.read().state == "succeeded"
        reading = self.row.readings.latest("taken_at").parsed()
        assert reading is not None
        return reading.services["www"]

    def page(self) -> str:
        """The service's page, as alice sees it."""
        client = Client()
        client.force_login(self.fleet.alice)
        answer = client.get(self.service.get_absolute_url())
        assert answer.status_code == 200
        return answer.content.decode()

    def begun(self) -> Any:
        """When the program that answers was started; None while nothing answers."""
        try:
            with urllib.request.urlopen(f"http://{self.node.address}:8080/", timeout=1) as answer:
                return json.loads(answer.read())["started"]
        except OSError:
            return None


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared[Watched]]:
    shared = Shared[Watched]()
    yield shared
    shared.remove()


@pytest.fixture(autouse=True)
def _static(settings: Settings) -> None:
    """The pages' style sheets from where they are, not from where they are collected."""
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True


@pytest.fixture
def site(
    lab: Lab, sample_image: Callable[..., Path], transactional_db: None, shared: Shared[Watched]
) -> Iterator[Watched]:
    if shared.site is None:
        shared.site = Watched(Fleet(), lab, sample_image)
    else:
        rows.load(shared.rows)
    yield shared.site
    shared.rows = rows.dump()


@dataclass(frozen=True)
class Way:
    """How a variant is watched: what the page says, lines of its unit, what it does, and when it must be back."""

    variant: str
    mode: str
    reason: str
    unit: tuple[str, ...]
    fault: str
    seconds: float
    said: str
    supervised: bool = False


WAYS = (
    Way(
        variant="",
        mode="supervisor",
        reason="The image has Python 3.13, so our supervisor can watch it.",
        unit=("Notify=true", "Entrypoint=/usr/bin/python3.13", "WatchdogSec=30"),
        fault="/do/hang",
        seconds=3 * 10 + 5,  # three intervals and 5 s, by the times that every service has
        said="hung: no heartbeat for",
        supervised=True,
    ),
    Way(
        variant="carried",
        mode="own",
        reason="The image runs our supervisor by itself.",
        unit=("Notify=true", "WatchdogSec=30"),
        fault="/do/hang",
        seconds=3 * 10 + 5,
        said="hung: no heartbeat for",
        supervised=True,
    ),
    Way(
        variant="own",
        mode="own",
        reason="The image says so by its label org.ffsweb.supervision.",
        unit=("Notify=true", "WatchdogSec=30", "WatchdogSignal=SIGTERM"),
        fault="/do/hang",
        seconds=30 + 2 + 10,  # the watchdog, RestartSec, and the start of a container
        said="Watchdog timeout",
    ),
    Way(
        variant="health",
        mode="health",
        reason="The image has a health check, which podman runs.",
        unit=("Notify=healthy", "HealthOnFailure=kill"),
        fault="/do/hang",
        seconds=2 * (2 + 4) + 2 + 15,  # two checks of at most 4 s each, every 2 s; RestartSec; a start and its check
        said="status=137",
    ),
    Way(
        variant="none",
        mode="none",
        reason="The image has no Python. It has no health check either.",
        unit=(),
        fault="/do/crash",
        seconds=2 + 10,
        said="status=3",
    ),
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.variant or way.mode)
def test_an_image_is_watched_as_it_allows_and_what_goes_wrong_is_noticed(site: Watched, way: Way) -> None:
    # What a supervisor of an earlier release left must not be taken for this one's word.
    later = 0 if "Notify=true" in way.unit else 3600  # without a supervisor not even by a clock that is wrong
    left = {"version": 1, "at": time.time() + later, "state": "left behind", "children": [], "before": None}
    leave = f"test ! -d {Path(STATUS).parent} || cat >{STATUS}"
    site.node.exec(("sh", "-c", leave), stdin=json.dumps(left).encode()).check()

    site.bring(way.variant)
    assert f"runs in mode {way.mode}. {way.reason}" in site.page()
    lines = site.node.read_text("/etc/containers/systemd/ffs-www.container").splitlines()
    assert set(way.unit) <= set(lines)
    assert any("/ffs/supervisor.py" in line for line in lines) == (way.mode == "supervisor")
    assert any(line.startswith("Watchdog") for line in lines) == (way.mode in {"supervisor", "own"})
    facts = site.facts()
    assert (facts.active, facts.restarts, facts.last_reason) == ("active", 0, "")
    given_sealed(site, way)
    if way.supervised:
        assert facts.heartbeats is not None
        (child,) = facts.heartbeats.children
        assert (child.name, child.state, child.restarts) == ("python3", "healthy", 0)
        assert child.beat_age is not None
        assert child.beat_age < 3
        assert facts.heartbeat_age is not None
        assert facts.heartbeat_age < 15
    else:
        assert (facts.heartbeats, facts.heartbeat_age) == (None, None)
        assert '<dt>Heartbeat</dt><dd><span class="quiet">none</span>' in site.page()

    before, mark = site.begun(), len(site.node.journal())
    ask(site.node, way.fault, method="POST")
    since = time.monotonic()
    until("it answers anew", lambda: site.begun() not in {None, before}, way.seconds + 30)
    assert time.monotonic() - since < way.seconds
    assert way.said in site.node.journal()[mark:]
    settled(site)
    facts = site.facts()
    inside = int(way.supervised)
    assert (facts.restarts, facts.restarts_inside) == (1 - inside, inside)
    if inside:
        assert facts.last_reason.startswith("hung: no heartbeat for 3")
        assert f"last reason: {facts.last_reason}" in site.page()


def given_sealed(site: Watched, way: Way) -> None:
    """A sealed setting is in the program's environment if a supervisor brings it there; a file has it in any case."""
    inside = ("podman", "exec", "ffs-www", "sh", "-c", 'read -r value </run/ffs/env.API_TOKEN; echo "$value"')
    assert ask(site.node, "/settings?name=API_TOKEN")["API_TOKEN"]["set"] == way.supervised
    assert site.node.exec(inside).check().out.strip() == SEALED


def settled(site: Watched) -> None:
    until("the unit is active", lambda: site.unit() == "active", 30)
    assert ask(site.node, "/healthz") == {"ok": True}
