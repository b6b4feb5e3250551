"""Images pulled from registries by skopeo: what works, and what reaches whom."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deployments.execution import skopeo
from deployments.models import Image, RegistryCredential
from deployments.models.image_store import store
from deployments.oci.references import BadReference
from deployments.services.registry import request_pull
from ffsweb.operations.models import Operation
from tests.deployments.fleet import Fleet, log_of, run
from tests.deployments.registry_server import Registry, known, login, pull, registry
from tests.oci.images import OCI_INDEX, OCI_MANIFEST, Picture, descriptor, layer
from tests.web.pushing import index_of, manifest_of

__all__ = ["known", "registry"]

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SECRET = "swordfish-of-the-registry"
pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")


def test_an_image_is_pulled(fleet: Fleet, known: Registry, data: Path) -> None:
    picture = Picture()
    known.offer(picture)
    ended = pull(fleet, f"{known.host}/team/app:v1")
    assert ended.state == "succeeded", log_of(ended)
    image = Image.objects.get()
    assert (image.image_id, image.reference) == (picture.image_id, f"{known.host}/team/app:v1")
    assert image.came_by == f"pull from {known.host}"
    for each in image.layers:
        store().blobs.verify(each["diff_id"])
    assert list((data / "pulls").iterdir()) == []


def test_an_image_of_dockers_types_keeps_its_id_and_health_check(fleet: Fleet, known: Registry) -> None:
    check = {"Test": ["CMD", "/app/check"], "Interval": 5_000_000_000}
    picture = Picture(run={"Entrypoint": ["/app/main"], "Healthcheck": check})
    docker = "application/vnd.docker."
    layers = [descriptor(f"{docker}image.rootfs.diff.tar.gzip", blob) for blob in manifest_of(picture)[1][:-1]]
    config = descriptor(f"{docker}container.image.v1+json", picture.config)
    known.offer(picture, mediaType=DOCKER_MANIFEST, layers=layers, config=config)
    assert pull(fleet, f"{known.host}/team/app:v1").state == "succeeded"
    image = Image.objects.get()
    assert image.image_id == picture.image_id
    assert image.config["healthcheck"]["test"] == ["CMD", "/app/check"]


def test_all_architectures_of_linux_are_pulled_and_nothing_else(fleet: Fleet, known: Registry) -> None:
    amd, arm = Picture(), Picture(layers=[layer(arm="1")], architecture="arm64")
    windows = descriptor(OCI_MANIFEST, b"{}", platform={"os": "windows", "architecture": "amd64"})
    index = json.loads(
        index_of((known.offer(amd, "a"), "amd64"), (known.offer(arm, "b"), "arm64"), (b"attested", "unknown"))
    )
    index["manifests"][2]["platform"] = {"os": "unknown", "architecture": "unknown"}
    index["manifests"].append(windows)
    known.content["/v2/team/app/manifests/v1"] = (200, OCI_INDEX, json.dumps(index).encode())
    ended = pull(fleet, f"{known.host}/team/app:v1")
    assert ended.state == "succeeded", log_of(ended)
    rows = {image.architecture: image for image in Image.objects.all()}
    assert {name: row.image_id for name, row in rows.items()} == {"amd64": amd.image_id, "arm64": arm.image_id}
    assert rows["amd64"].index_digest == rows["arm64"].index_digest != ""


def test_a_password_reaches_the_registry_and_nothing_else(
    fleet: Fleet, registry: Registry, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], dict[str, str]]] = []
    real = skopeo.subprocess.Popen

    def watched(argv: list[str], **more: Any) -> Any:
        seen.append((argv, more["env"]))
        for at, word in enumerate(argv):
            if word.endswith("authfile"):
                assert argv[at + 1].startswith("/proc/self/fd/"), "it is in no file"
                assert Path(argv[at + 1]).stat().st_mode & 0o777 == 0o600
        return real(argv, **more)

    monkeypatch.setattr(skopeo.subprocess, "Popen", watched)
    registry.password = SECRET
    registry.offer(Picture())
    registry.content["/v2/team/app/manifests/bad"] = (500, "text/plain", SECRET.encode())
    login(fleet, registry, "alice", SECRET)
    assert SECRET not in str(bytes(RegistryCredential.objects.get().sealed_password or b""))
    assert pull(fleet, f"{registry.host}/team/app:v1").state == "succeeded"
    assert registry.wanted in registry.authorization
    assert seen and SECRET not in str(seen)
    ended = pull(fleet, f"{registry.host}/team/app:bad")
    assert ended.state == "failed"
    assert SECRET not in log_of(ended) + ended.message
    private = [argv[argv.index("--authfile") + 1] for argv, _ in seen]
    assert not [path for path in private if Path(path).exists()]


KILLED = """
import sys
from pathlib import Path
from deployments.execution.skopeo import Login, opened
from ffsweb.sealed import Secret
place = Path(sys.argv[1])
with opened(Login("registry.example.com", "alice", Secret(sys.argv[2].encode())), place) as skopeo:
    skopeo.copy("registry.example.com/app:v1", "part", lambda size: None)
"""
STANDS_IN = """#!/bin/sh
for word; do
  [ "$last" != --authfile ] || cat "$word" >"$TMPDIR/../read"
  last=$word
done
touch "$TMPDIR/../began"
sleep 60
"""


def test_a_killed_worker_leaves_no_password_on_any_disk(tmp_path: Path) -> None:
    place, programs, system = (tmp_path / name for name in ("place", "programs", "tmp"))
    for directory in (place, programs, system):
        directory.mkdir()
    (programs / "skopeo").write_text(STANDS_IN)
    (programs / "skopeo").chmod(0o755)
    worker = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(place), SECRET],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(system)},
    )
    until = time.monotonic() + 60
    while not (tmp_path / "began").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    worker.kill()
    worker.wait()
    told = (tmp_path / "read").read_text()
    assert base64.b64encode(f"alice:{SECRET}".encode()).decode() in told, "skopeo gets it"
    (tmp_path / "read").unlink()
    assert list(system.iterdir()) == []
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent != programs]
    assert [path for path in left if SECRET.encode() in path.read_bytes() or path.name.startswith("auth")] == []


def test_what_a_killed_worker_left_is_removed_by_the_next_attempt(fleet: Fleet, known: Registry, data: Path) -> None:
    known.offer(Picture())
    operation = request_pull(project=fleet.project, actor=fleet.alice, reference=f"{known.host}/team/app:v1")
    left = data / "pulls" / f"{operation.pk}-left"
    left.mkdir(parents=True)
    (left / "blob").write_bytes(os.urandom(100))
    assert run(operation).state == "succeeded"
    assert list((data / "pulls").iterdir()) == []


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "app:v1",
        "library/app",
        "registry.example.com",
        "registry.example.com/",
        "registry.example.com/App:v1",
        "registry.example.com/app:v 1",
        "registry.example.com/app@sha256:abc",
        "registry.example.com/../app",
        "--config.x/app:v1",
        "registry.example.com/app:v1\n--debug",
        "a" * 300 + ".example.com/app",
    ],
)
def test_what_is_no_reference_is_refused_before_anything_runs(fleet: Fleet, reference: str) -> None:
    with pytest.raises(BadReference):
        request_pull(project=fleet.project, actor=fleet.alice, reference=reference)
    assert not Operation.objects.exists()
