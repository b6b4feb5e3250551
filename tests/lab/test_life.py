"""The life of a node as the scripts had it, by the commands alone; then the same from CI."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ffsweb.webhooks import signing
from tests.demo.running import running
from tests.lab.deployed import get
from tests.lab.lab import Lab
from tests.lab.life import SCRIPT, Life, fingerprint, image_of, image_on, served
from tests.lab.mounts import remove_tree
from tests.webhooks.receiver import Received, Receiver

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SECRET = "sentinel-5d10c8-of-a-dot-env"
KEY = "/home/ffsweb/.ssh/authorized_keys.d/ffsweb"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A program that hears of what happens."""
    made = Receiver(tmp_path, tls=False)
    yield made
    made.close()


@pytest.fixture
def life(tmp_path: Path, receiver: Receiver) -> Iterator[Life]:
    (tmp_path / "home").mkdir()
    with running(tmp_path, FFSWEB_WEBHOOK_PRIVATE="127.0.0.0/8") as installation:
        yield Life(installation, tmp_path / "home", f"http://127.0.0.1:{receiver.port}/in")


def test_a_node_lives_by_the_commands_alone(
    life: Life, lab: Lab, sample_image: Callable[..., Path], tmp_path: Path, receiver: Receiver
) -> None:
    node = lab.define("life")
    (life.home / ".env").write_text(f"SAMPLE_MODE=ok\nAPI_TOKEN={SECRET}\n")
    done = life.ffs(
        *("prepare", "--project", "serbest", "--name", "www", "--node", "istanbul-1", "--address", node.address),
        *("--ports", "443:8443", "--certificate", "old", "--plain", "SAMPLE_MODE", "--yes"),
    )
    assert "coreos-installer" in done.stdout and SECRET not in done.stdout + done.stderr
    assert SECRET not in (life.home / "ffs.ign").read_text()
    life.begin("--settle", "2")
    www = (node.address, "--name", "www")
    assert "proven to run" in life.ffs("deploy", *www, code=1).stderr
    node.first_boot(life.home / "ffs.ign")
    try:
        first, second = sample_image("1.0"), sample_image("2.0")
        first_deploy = ("deploy", *www, "--user", "core", "--first-deploy", "--image", str(first), "--yes", "--wait")
        done = life.ffs(*first_deploy)
        assert "Release 1 was made of" in done.stderr
        assert done.stdout.splitlines()[-1] == "www@istanbul-1: succeeded"
        assert get(node)["version"] == "1.0" and image_on(node) == image_of(first)
        assert served(node) == fingerprint(life.old)

        (life.home / "files/conf").mkdir(parents=True)
        (life.home / "files/conf/app.toml").write_text("colour = 'blue'\n")
        (life.home / "files/.env").write_text(SECRET)
        done = life.ffs(
            "deploy", *www, "--image", "-", "--files", "files", "--note", "by hand", "--yes", "--wait", stdin=second
        )
        assert "Release 2 was made of" in done.stderr and "release 1 → 2" in done.stderr
        assert done.stdout.splitlines()[-1] == "www@istanbul-1: succeeded"
        assert get(node)["version"] == "2.0" and image_on(node) == image_of(second)
        listed = node.exec(("find", "/var/lib/ffs/www/releases/2", "-type", "f", "-printf", "%f\n")).check().out
        assert "app.toml" in listed.split() and ".env" not in listed.split()

        shown = life.ffs("cert", "status", *www)
        assert f"fingerprint {fingerprint(life.old)}" in shown.stdout and "served      yes" in shown.stdout
        done = life.ffs("cert", "rotate-https", *www, "--yes", "--wait")
        assert done.stdout.splitlines()[0].startswith("www@istanbul-1 gets new, good until ")
        assert done.stdout.splitlines()[-1] == "www@istanbul-1: succeeded"
        assert served(node) == fingerprint(life.new) and image_on(node) == image_of(second)
        shown = json.loads(life.ffs("cert", "status", *www, "--json").stdout)
        assert shown["served_as_wanted"] is True and shown["served"]["fingerprint"] == fingerprint(life.new)

        keys = "/projects/serbest/nodes/istanbul-1/keys"
        before = life.api(keys)["dashboard"].split()[1]
        assert before in node.read_text(KEY)
        done = life.ffs("cert", "rotate-ssh", *www, "--yes", "--wait")
        assert done.stdout.splitlines()[-1] == "istanbul-1: succeeded"
        after = life.api(keys)["dashboard"].split()[1]
        assert after != before and after in node.read_text(KEY)
        assert node.exec(("grep", "-rF", before, "/etc/ssh", "/home")).status == 1

        from_ci(life, node.address, first, tmp_path)
        assert get(node)["version"] == "from-ci"
        assert served(node) == fingerprint(life.new)
        built = life.api("/projects/serbest/releases?limit=1")["items"][0]
        assert (built["number"], built["note"], built["files"]) == (3, "from-ci", 1)
        assert f"sha256:{image_on(node)}" == built["image"]

        kinds = [told_by(life, found)["kind"] for found in receiver.received]
        assert kinds.count("deploy") >= 2 and kinds.count("rotate-ssh") == 1, kinds

        back = life.ffs("rollback", *www, "--yes", "--wait")
        assert "release 3 → 2" in back.stderr
        assert get(node)["version"] == "2.0" and image_on(node) == image_of(second)
    finally:
        node.remove()
    assert SECRET not in life.installation.log.read_text()


def told_by(life: Life, found: Received) -> dict[str, str]:
    """What a webhook said, if it is signed with the secret that was shown once."""
    identity, at = found.headers["webhook-id"], int(found.headers["webhook-timestamp"])
    assert found.headers["webhook-signature"] == signing.signature(life.webhook, identity, at, found.body)
    return dict(json.loads(found.body)["data"])


def from_ci(life: Life, address: str, base: Path, tmp_path: Path) -> None:
    """The script of the documentation, on a machine that has the base image: it ends with the code of the deploy."""
    context, tools = life.home / "application", tmp_path / "ci"
    context.mkdir()
    (tools / "tmp").mkdir(parents=True)
    (context / "Containerfile").write_text("FROM localhost/ffs-sample:1.0\nCOPY VERSION /app/sample/VERSION\n")
    (context / "VERSION").write_text("from-ci\n")
    (context / "VERSION").chmod(0o644)
    (tools / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    (tools / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{tools}/storage"\nrunroot = "/run/ffsweb-life-{os.getpid()}"\n'
    )
    alone = ("unshare", "--mount", "--propagation=private")
    machine = {
        "CONTAINERS_STORAGE_CONF": str(tools / "storage.conf"),
        "BUILDAH_ISOLATION": "chroot",
        "TMPDIR": str(tools / "tmp"),
        "FFSWEB_USER": "alice",
        "TAG": "from-ci",
    }
    (life.home / ".config/containers").mkdir(parents=True)
    shutil.copy(tools / "policy.json", life.home / ".config/containers/policy.json")
    try:
        life.run(*alone, "podman", "load", "--quiet", "--input", str(base), **machine)
        done = life.run(*alone, str(SCRIPT), "serbest", address, "www", "application", **machine)
        assert done.stdout.splitlines()[-1] == "www@istanbul-1: succeeded"
        again = life.run(*alone, str(SCRIPT), "serbest", address, "nowhere", "application", code=1, **machine)
        assert "has no service nowhere" in again.stderr
    finally:
        remove_tree(Path(f"/run/ffsweb-life-{os.getpid()}"))
    assert list((tools / "tmp").iterdir()) == []
