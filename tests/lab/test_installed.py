"""The dashboard under the unit that the documents give for it, on a machine of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import installed
from tests.lab.lab import Lab
from tests.lab.minimal import machine_file
from tests.lab.nodes import Node
from tests.lab.waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
UNIT = Path(__file__).resolve().parents[2] / "docs" / "systemd" / "ffsweb.service"
SETTINGS = f"""\
FFSWEB_ENVIRONMENT=production
FFSWEB_PUBLIC_URL=https://ffs.example.org
FFSWEB_ADDRESS=127.0.0.1:8000
FFSWEB_TRUSTED_PROXIES=127.0.0.1
FFSWEB_DATA=/var/lib/ffsweb
FFSWEB_KEYS=/etc/ffsweb/keys
FFSWEB_DASHBOARD_ADDRESSES=192.0.2.7
LD_LIBRARY_PATH={installed.LIBRARIES}
"""
USER = "useradd --system --no-create-home --home-dir=/nonexistent ffsweb"
KEYS = "install -d -o root -g root -m 0755 /etc/ffsweb && install -d -o ffsweb -m 0700 /etc/ffsweb/keys"


@pytest.fixture(scope="module")
def node(lab: Lab) -> Iterator[Node]:
    node = lab.up("installed", machine_file("installed"))
    installed.install(node)
    node.exec(("sh", "-c", USER)).check()
    node.exec(("sh", "-c", "umask 077; cat >/etc/ffsweb.env"), stdin=SETTINGS.encode()).check()
    node.exec(("sh", "-c", "cat >/etc/systemd/system/ffsweb.service"), stdin=UNIT.read_bytes()).check()
    node.exec(("systemctl", "daemon-reload")).check()
    yield node
    node.remove()


def shown(node: Node, name: str) -> str:
    return str(
        node.exec(("systemctl", "show", "--value", f"--property={name}", "ffsweb.service")).check().out.strip()
    )


def journal(node: Node) -> str:
    return str(node.journal("ffsweb.service", lines=60))


def test_without_a_directory_for_the_keys_the_dashboard_says_so_itself(node: Node) -> None:
    node.exec(("systemctl", "stop", "ffsweb.service"), timeout=120)
    node.exec(("rm", "-rf", "/etc/ffsweb")).check()
    assert node.exec(("systemctl", "start", "ffsweb.service"), timeout=120).status != 0
    said = journal(node)
    assert "ffs: /etc/ffsweb could not be prepared: Read-only file system." in said
    assert "status=78/CONFIG" in said
    assert "Scheduled restart job" not in said


def test_it_becomes_ready_under_its_unit_and_serves(node: Node) -> None:
    node.exec(("sh", "-c", KEYS)).check()
    started = node.exec(("systemctl", "start", "ffsweb.service"), timeout=180)
    assert started.status == 0, f"{started.err}\n{journal(node)}"
    assert shown(node, "ActiveState") == "active"
    assert shown(node, "StatusText").startswith("healthy: "), shown(node, "StatusText")
    ready = ("curl", "--silent", "--fail", "-H", "Host: ffs.example.org", "-H", "X-Forwarded-Proto: https")
    until("readyz", lambda: node.exec((*ready, "http://127.0.0.1:8000/readyz")).status == 0, 30)
    page = node.exec((*ready, "http://127.0.0.1:8000/account/login/")).check().out
    style = page.split('rel="stylesheet" href="', 1)[1].split('"', 1)[0]
    assert node.exec((*ready, f"http://127.0.0.1:8000{style}")).check().out
