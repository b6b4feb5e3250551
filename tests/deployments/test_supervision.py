"""Who watches a service: chosen by hand, or by what the image has."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from deployments.core.quadlet import Mode
from deployments.forms.service import ServiceForm
from deployments.models import Image
from deployments.models.desired import desired
from deployments.models.supervision import supervision_of
from deployments.oci.imageconfig import HealthCheck, ImageConfig
from tests.deployments.fleet import Fleet

pytestmark = pytest.mark.django_db

CHECK = HealthCheck(("CMD", "/bin/true"))


def image(fleet: Fleet, **fields: object) -> Image:
    made = fleet.described_image()
    for name, value in fields.items():
        setattr(made, name, value)
    made.save()
    return made


@pytest.mark.parametrize(
    ("python", "config", "mode", "why"),
    [
        ("/usr/bin/python3.11", {}, Mode.SUPERVISOR, "The image has Python 3.11"),
        ("", {"healthcheck": CHECK}, Mode.HEALTH, "The image has a health check"),
        ("/usr/bin/python3.8", {}, Mode.NONE, "older than 3.9"),
        ("", {}, Mode.NONE, "The image has no Python"),
        ("/usr/bin/python3.11", {"labels": (("org.ffsweb.supervision", "own"),)}, Mode.OWN, "by its label"),
    ],
)
def test_automatic_takes_what_the_image_has_and_says_why(
    python: str, config: dict[str, Any], mode: Mode, why: str
) -> None:
    fleet = Fleet()
    service = fleet.service(fleet.node(), supervision="auto")
    said = ImageConfig(entrypoint=("/app/main",), **config).as_json()
    found = supervision_of(service, image(fleet, python=python, config=said))
    assert (found.mode, why in found.reason) == (mode, True), found.reason


def test_the_unit_names_the_python_that_the_image_has_and_the_probe() -> None:
    fleet = Fleet()
    service = fleet.service(fleet.node(), supervision="auto", probe="http://127.0.0.1:8080/healthz", watchdog=240)
    release = fleet.release(image(fleet, python="/usr/local/bin/python3.12"))
    unit = desired(service, release, now=timezone.now()).unit
    assert "Entrypoint=/usr/local/bin/python3.12\n" in unit
    assert (
        "Exec=-I -S /ffs/supervisor.py --sd-notify --start-timeout 60 --probe http://127.0.0.1:8080/healthz -- /app/main\n"
        in unit
    )
    assert "WatchdogSec=240\n" in unit


def test_a_probe_and_a_path_count_in_supervisor_mode_only() -> None:
    fleet = Fleet()
    service = fleet.service(fleet.node(), supervision="own", probe="tcp:127.0.0.1:80", watchdog=0)
    unit = desired(service, fleet.release(image(fleet)), now=timezone.now()).unit
    assert "--probe" not in unit
    assert "Entrypoint=" not in unit
    assert "Watchdog" not in unit


def test_a_mode_that_does_not_fit_is_amber_with_the_reason() -> None:
    fleet = Fleet()
    service = fleet.service(fleet.node(), supervision="health")
    wanted = desired(service, fleet.release(image(fleet)), now=timezone.now())
    assert wanted.unfit == "The image has no health check."


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("probe", "localhost:80", "Begin with http://"),
        ("probe", "ftp://x/", "Begin with http://"),
        ("probe", "tcp:127.0.0.1", "write tcp:HOST:PORT"),
        ("probe", "http://u@host/", "without user name"),
        ("probe", "http://127.0.0.1:0/", "between 1 and 65535"),
        ("watchdog", "5", "Between 30 and 3600"),
    ],
)
def test_the_form_says_what_is_wrong(name: str, value: str, message: str) -> None:
    fleet = Fleet()
    data = {
        "name": "api",
        "ports": "",
        "supervision": "auto",
        "watchdog": "180",
        "start_timeout": "60",
        "settle": "5",
    }
    form = ServiceForm({**data, name: value}, node=fleet.node())
    assert not form.is_valid()
    assert message in str(form.errors[name])
