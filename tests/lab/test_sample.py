"""The sample's image is built from its Containerfile and runs in a node's podman."""

from __future__ import annotations

import json
import ssl
import tarfile
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.run import LabError
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.lab.lab import Lab
    from tests.lab.nodes import Node

pytestmark = pytest.mark.lab

CERTIFICATE = """\
mkdir -p /var/lib/ffs/certs /var/lib/ffs/files && cd /var/lib/ffs/certs
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=sample \
    -keyout server.key -out server.crt 2>/dev/null && chown 1600 server.key
echo a file >/var/lib/ffs/files/hello.txt
mkdir -p /var/lib/ffs/data && chown 1600 /var/lib/ffs/data
"""

OWN = b"""
[Container]
Image=localhost/ffs-sample:1.0
ContainerName=own
Pull=never
Notify=true
ReadOnly=true
PublishPort=8080:8080/tcp
StopTimeout=1

[Service]
WatchdogSec=3
WatchdogSignal=SIGTERM
Restart=on-failure
"""


def members(archive: Path) -> dict[str, Any]:
    with tarfile.open(archive) as tar:
        return {
            member.name: json.load(file)
            for member in tar
            if member.name.endswith(("manifest.json", "index.json")) and (file := tar.extractfile(member))
        }


def docker_layers(archive: Path) -> list[str]:
    (image,) = members(archive)["manifest.json"]
    return list(image["Layers"])


@pytest.fixture(scope="module")
def node(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Node]:
    """A node that has the sample's image."""
    from tests.lab.minimal import machine_file

    node = lab.up("sample", machine_file("sample"))
    node.exec(("podman", "load"), stdin=sample_image("1.0").read_bytes()).check()
    node.exec(("sh", "-c", CERTIFICATE)).check()
    yield node
    node.remove()


@pytest.fixture
def run_sample(node: Node) -> Iterator[Callable[..., None]]:
    """Run the sample in a container as the product does: read-only, without rights, as a user of no name."""

    def start(*options: str, tls: bool = False) -> None:
        mounts: tuple[str, ...] = (
            "--volume=/var/lib/ffs/files:/ffs/files:ro",
            "--volume=/var/lib/ffs/data:/ffs/data",
        )
        if tls:
            mounts += ("--volume=/var/lib/ffs/certs:/ffs/certs:ro", "--env=FFS_TLS_KEY=/ffs/certs/server.key")
        restrictions = (
            "--read-only",
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--user=1600:1600",
        )
        ports = ("--publish=8080:8080", "--publish=8443:8443")
        node.exec(
            (
                *("podman", "run", "--detach", "--name=sample", "--pull=never"),
                *(*restrictions, *mounts, *ports, *options, "localhost/ffs-sample:1.0"),
            )
        ).check()

    yield start
    node.exec(("podman", "rm", "--force", "--time=1", "sample"))


def ask(node: Node, path: str, *, tls: bool = False, method: str = "GET") -> Any:
    scheme, port = ("https", 8443) if tls else ("http", 8080)
    context = ssl.create_default_context(cadata=node.read_text("/var/lib/ffs/certs/server.crt")) if tls else None
    if context:
        context.check_hostname = False
    request = urllib.request.Request(f"{scheme}://{node.address}:{port}{path}", method=method)

    def answer() -> bytes | None:
        try:
            with urllib.request.urlopen(request, timeout=5, context=context) as response:
                return bytes(response.read())
        except urllib.error.HTTPError:
            raise
        except OSError:
            return None

    body = until(f"an answer to {path}", answer, 15)
    return json.loads(body) if body[:1] in b"{[" else body


def test_it_answers_its_version_over_http_without_a_certificate(node: Node, run_sample: Callable[..., None]) -> None:
    run_sample()
    about = ask(node, "/")
    assert (about["version"], about["tls"], about["mode"]) == ("1.0", False, "ok")
    assert ask(node, "/healthz") == {"ok": True}
    assert ask(node, "/files/hello.txt") == b"a file\n"


def test_it_answers_over_https_with_the_certificate_it_is_given(node: Node, run_sample: Callable[..., None]) -> None:
    run_sample(tls=True)
    assert ask(node, "/", tls=True)["tls"] is True


def test_it_counts_requests_in_its_data_over_restarts(node: Node, run_sample: Callable[..., None]) -> None:
    run_sample()
    first = ask(node, "/")["requests"]
    node.exec(("podman", "restart", "--time=5", "sample")).check()
    assert ask(node, "/")["requests"] == first + 1
    assert node.read_text("/var/lib/ffs/data/requests").strip() == str(first + 1)


def test_it_proves_a_setting_without_showing_it(node: Node, run_sample: Callable[..., None]) -> None:
    run_sample("--env=WORD=swordfish")
    told = ask(node, "/settings?name=WORD&name=NONE")
    assert told["WORD"] == {
        "set": True,
        "sha256": "b9f195c5cc7ef6afadbfbc42892ad47d3b24c6bc94bb510c4564a90a14e8b799",
    }
    assert told["NONE"]["set"] is False
    assert "swordfish" not in json.dumps(told)


def test_it_gives_away_no_file_but_the_projects(node: Node, run_sample: Callable[..., None]) -> None:
    run_sample()
    for name in ("..%2f..%2fetc%2fpasswd", "../../etc/passwd", "%2fetc%2fpasswd", "missing", ""):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(node, f"/files/{name}")


def test_it_crashes_when_told(node: Node, run_sample: Callable[..., None]) -> None:
    run_sample()
    ask(node, "/do/crash", method="POST")
    assert node.exec(("podman", "wait", "sample")).check().out.strip() == "3"


def test_systemd_learns_that_it_is_ready_and_restarts_it_when_it_hangs(node: Node) -> None:
    write = ("sh", "-c", "mkdir -p /etc/containers/systemd; cat >/etc/containers/systemd/own.container")
    node.exec(write, stdin=OWN).check()
    node.exec(("systemctl", "daemon-reload")).check()
    try:
        node.exec(("systemctl", "start", "own.service")).check()
        assert ask(node, "/do/hang", method="POST") == {"hanging": True}
        restarts = ("systemctl", "show", "--value", "--property=NRestarts", "own.service")
        until("systemd restarts what hangs", lambda: node.exec(restarts).out.strip() != "0", 20)
        assert ask(node, "/healthz") == {"ok": True}
    finally:
        node.exec(("systemctl", "stop", "own.service"))
        node.exec(("rm", "/etc/containers/systemd/own.container"))


def test_versions_share_every_layer_but_the_last(sample_image: Callable[..., Path]) -> None:
    old, new = docker_layers(sample_image("1.0")), docker_layers(sample_image("1.1"))
    assert len(old) >= 4
    assert old[:-1] == new[:-1]
    assert old[-1] != new[-1]


def test_the_image_is_small(sample_image: Callable[..., Path]) -> None:
    assert sample_image("1.0").stat().st_size < 50_000_000
    assert sample_image("1.0", mode="oci-archive").stat().st_size < 20_000_000


def test_both_kinds_of_archive_are_what_they_say(sample_image: Callable[..., Path]) -> None:
    assert members(sample_image("1.0"))["manifest.json"][0]["RepoTags"] == ["localhost/ffs-sample:1.0"]
    index = members(sample_image("1.0", mode="oci-archive"))["index.json"]
    assert index["manifests"][0]["mediaType"] == "application/vnd.oci.image.manifest.v1+json"


def test_a_built_archive_is_not_built_again(sample_image: Callable[..., Path]) -> None:
    assert sample_image("1.0").stat().st_mtime_ns == sample_image("1.0").stat().st_mtime_ns


@pytest.mark.parametrize(("version", "mode"), [("../x", "docker-archive"), ("", "docker-archive"), ("1.0", "tar")])
def test_a_bad_version_or_kind_is_refused(sample_image: Callable[..., Path], version: str, mode: str) -> None:
    with pytest.raises(LabError):
        sample_image(version, mode=mode)
