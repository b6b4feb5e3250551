"""What the installation of the parking tests is filled with, and asked for, in a process of its own:
``ffs manage shell -c "from tests.lab import parking_rows; parking_rows.describe()"``. The last line is JSON.
"""

from __future__ import annotations

import json
import time

from deployments.models import Node, Release, Service
from deployments.services import deploys
from ffsweb.accounts.models import User
from tests.certificates.material import intermediate, server
from tests.deployments.fleet import Fleet
from tests.lab.sample.build import sample_image

PASSWORD = "alice-long-password"


def describe() -> None:
    """A node, a service and two releases, before the dashboard is started; the machine file is printed."""
    fleet = Fleet()
    row = fleet.node("parking")
    service = fleet.service(row, start_timeout=60, settle=12)
    service.certificate = fleet.certificate(server(), intermediate())
    service.save()
    fleet.settings("SAMPLE_MODE=ok\nAPI_TOKEN=1234567890\n", plain=["SAMPLE_MODE"])
    for version in ("1.0", "2.0"):
        fleet.release(fleet.image(sample_image(version)))
    print(json.dumps({"ignition": fleet.machine_file(row)}))


def place(address: str) -> None:
    """The node has booted at ``address``."""
    Node.objects.update(address=address)
    print(json.dumps({}))


def request(number: int) -> None:
    """Ask for a deploy as soon as the last reading allows it; the operation's id is printed."""
    alice = User.objects.get(username="alice")
    release = Release.objects.get(number=number)
    end = time.monotonic() + 60
    while True:
        plan = deploys.preview(release=release, services=Service.objects.all(), actor=alice)
        old = plan.parsed().targets[0].release.old
        if not plan.parsed().refused and old == ("" if number == 1 else str(number - 1)):
            break
        assert time.monotonic() < end, plan.body
        time.sleep(0.5)
    print(json.dumps({"operation": deploys.request_deploy(plan=plan, actor=alice).pk}))
