"""The composed services on a machine of their own, and a machine that boots as a server: the images are built once."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import served
from tests.lab.composed import DOMAIN, Composed, load
from tests.lab.composed_images import CHECKOUT, NAMES, archive
from tests.lab.deployed import get
from tests.lab.lab import Lab
from tests.lab.minimal import machine_file
from tests.lab.waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1500)]

STAYS = ("proxy", "web", "worker", "beat", "valkey", "postgres")
OURS = ("web", "worker", "beat")
WHOLE = 300.0
"""Seconds for a deploy in which every service was killed: a lease is 90, and its worker may be the one."""


@pytest.fixture(scope="module")
def images(lab: Lab) -> Iterator[Path]:
    """The archive of all images; it wants what a lab wants."""
    made = archive()
    yield made
    shutil.rmtree(made.parent)


@pytest.fixture(scope="module")
def composed(lab: Lab, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    node = lab.up("composed", machine_file("composed"))
    try:
        made = Composed(node, tmp_path_factory.mktemp("composed") / "ffsweb", images)
        made.compose("up", "--detach", "--no-build")
        yield made
    finally:
        node.remove()


def page(composed: Composed, path: str) -> str:
    """A page through the proxy; "" unless it is there."""
    resolve = f"{DOMAIN}:443:127.0.0.1"
    command = ("curl", "--silent", "--fail", "--insecure", "--max-time", "10", "--resolve", resolve)
    return composed.node.exec((*command, f"https://{DOMAIN}{path}")).out


def test_they_are_served_over_tls_and_the_first_administrator_gets_a_link(composed: Composed) -> None:
    until("readyz", lambda: page(composed, "/readyz") == "ready\n", 60)
    banner = composed.run("web", "ffs", "banner")
    link = banner.partition(f"https://{DOMAIN}/account/first/")[2].split()[0]
    assert "password" in page(composed, f"/account/first/{link}")
    style = page(composed, "/account/login/").split('rel="stylesheet" href="', 1)[1].split('"', 1)[0]
    assert page(composed, style)


def test_nobody_but_the_worker_has_its_keys_and_none_has_more_rights_than_it_needs(composed: Composed) -> None:
    private = {}
    for service in OURS:
        look = "find / /keys /web-keys -xdev -name '*.private' 2>/dev/null; true"
        found = composed.run(service, "sh", "-c", look).split()
        private[service] = {Path(file).parent.name for file in found}
    assert private == {"web": {"web"}, "worker": {"web", "worker"}, "beat": {"web"}}
    for service in STAYS:
        told = composed.container(service)
        host: Any = told["HostConfig"]
        assert told["EffectiveCaps"] in (None, []) or service == "proxy", service
        assert host["ReadonlyRootfs"], service
        assert "no-new-privileges" in host["SecurityOpt"], service
        config: Any = told["Config"]
        assert config["User"].partition(":")[0] not in {"", "0", "root"}, service
        assert bool(host["PortBindings"]) == (service == "proxy"), service


def test_the_worker_keeps_backups_in_a_volume_of_their_own(composed: Composed) -> None:
    until("the worker is there", lambda: composed.healthy("worker"), 60)
    made = json.loads(composed.run("worker", "ffs", "backup", "/backups/", "--json", timeout=120))
    assert Path(made["place"]).parent == Path("/backups")
    composed.run("worker", "ffs", "backup", "--check", made["place"], timeout=120)
    prune = ("find", "/backups", "-name", "ffsweb-*.backup", "-mtime")
    composed.run("worker", *prune, "+14", "-delete")
    assert composed.run("worker", *prune, "-1").split() == [made["place"]]


def test_they_deploy_to_a_node_while_each_of_them_is_killed(
    composed: Composed, lab: Lab, sample_image: Callable[..., Path]
) -> None:
    target = lab.define("composed-target")
    try:
        target.first_boot(composed.job("describe", target.address))
        archive = sample_image("1.0").read_bytes()
        composed.run("web", "sh", "-c", "cat >/tmp/image.tar", stdin=archive, timeout=120)
        assert composed.job("prepare", "/tmp/image.tar") == 1
        operation = composed.job("deploy")
        until("the switch", lambda: any("Switching" in text for _, text in told(composed, operation)["lines"]), 120)
        for service in ("valkey", "worker", "proxy", "beat", "web", "postgres"):
            composed.kill(service)
            time.sleep(2)
        for service in STAYS:
            until(f"{service} is back", lambda name=service: composed.healthy(name), 180, every=1)
        ended = until("the deploy ends", lambda: over(told(composed, operation)), WHOLE, every=2)
        log = "\n".join(text for _, text in ended["lines"])
        assert ended["state"] == "succeeded", f"{ended['message']}\n{log}"
        assert [number for number, _ in ended["lines"]] == list(range(1, len(ended["lines"]) + 1))
        assert ended["live"] == 1
        assert get(target)["version"] == "1.0"
        assert page(composed, "/readyz") == "ready\n"
    finally:
        target.remove()


def test_a_machine_boots_as_a_server_and_after_a_reboot_it_is_the_same(lab: Lab, images: Path, key: Path) -> None:
    server = served.Server(lab, key)
    try:
        load(server.node, images)
        server.exec("systemctl", "restart", "ffsweb.target", timeout=200)
        server.come_up(120)
        until("readyz", lambda: server.page("/readyz") == "ready\n", 30)
        banner = server.exec("podman", "exec", "ffsweb-web", "ffs", "banner")
        link = banner.partition(f"https://{served.DOMAIN}/account/first/")[2].split()[0]
        assert "password" in server.page(f"/account/first/{link}")
        assert server.private_keys() == {"web": {"web"}, "worker": {"web", "worker"}, "beat": {"web"}}
        for name in STAYS:
            told = server.container(name)
            assert told["EffectiveCaps"] in (None, []) or name == "proxy", name
            assert told["HostConfig"]["ReadonlyRootfs"], name
            assert "no-new-privileges" in told["HostConfig"]["SecurityOpt"], name
            assert told["Config"]["User"].partition(":")[0] not in {"", "0", "root"}, name
        assert server.where_passwords_show() == []
        printed = server.exec("podman", "run", "--rm", NAMES["IMAGE"], "server")
        assert printed == (CHECKOUT / "docs" / "server" / "server.bu").read_text()

        secrets = server.secrets()
        before = {server.container(name)["Id"]: name for name in STAYS}
        server.exec("systemctl", "restart", "ffsweb-keys", timeout=200)  # as for a new version
        running = server.exec("podman", "ps", "--no-trunc", "--quiet").split()
        assert {before[each] for each in running if each in before} == {"valkey", "postgres"}

        server.node.stop()
        server.node.start()
        server.come_up(180)
        until("readyz", lambda: server.page("/readyz") == "ready\n", 30)
        assert server.secrets() == secrets
    finally:
        server.node.remove()


def told(composed: Composed, operation: int) -> dict[str, Any]:
    """How it is with the operation; nothing while web or the database is away."""
    try:
        return dict(composed.job("told", operation))
    except (AssertionError, RuntimeError):
        return {"finished": False, "lines": []}


def over(said: dict[str, Any]) -> dict[str, Any] | None:
    return json.loads(json.dumps(said)) if said["finished"] else None
