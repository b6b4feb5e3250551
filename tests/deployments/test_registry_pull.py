"""Images pulled from registries by skopeo: from a real one on loopback, and from ones that lie, stall and refuse."""

from __future__ import annotations

import base64
import http.server
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from deployments.execution import registry_pull, skopeo
from deployments.execution.imports import store
from deployments.models import Image, RegistryCredential
from deployments.oci.pulling import cause_of
from deployments.oci.references import BadReference
from deployments.services.registry import request_pull, set_login
from ffsweb.operations import services as operations
from ffsweb.operations.models import Operation
from tests.deployments.fleet import Fleet, log_of, run
from tests.oci.images import (
    OCI_INDEX,
    OCI_MANIFEST,
    Picture,
    descriptor,
    everything_below,
    layer,
    sha,
)
from tests.web.pushing import index_of, manifest_of

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
Answer = tuple[int, str, bytes]
SECRET = "swordfish-of-the-registry"


class Registry:
    """A read-only registry of this test's own: what is at which path, and what was asked."""

    def __init__(self, port: int) -> None:
        self.host = f"127.0.0.1:{port}"
        self.content: dict[str, Answer | Callable[[http.server.BaseHTTPRequestHandler], None]] = {}
        self.asked: list[str] = []
        self.authorization: list[str] = []
        self.password = ""

    @property
    def wanted(self) -> str:
        return "Basic " + base64.b64encode(f"alice:{self.password}".encode()).decode()

    def offer(self, picture: Picture, reference: str = "v1", name: str = "team/app", **more: Any) -> bytes:
        manifest, blobs = manifest_of(picture, **more)
        media_type = json.loads(manifest)["mediaType"]
        for blob in blobs:
            self.content[f"/v2/{name}/blobs/sha256:{sha(blob)}"] = (200, "application/octet-stream", blob)
        for each in (reference, f"sha256:{sha(manifest)}"):
            self.content[f"/v2/{name}/manifests/{each}"] = (200, media_type, manifest)
        return manifest


def refusal(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


@contextmanager
def listening() -> Iterator[Registry]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            registry.asked.append(self.path)
            registry.authorization.append(self.headers.get("Authorization", ""))
            found = registry.content.get(
                self.path, (404, "application/json", refusal("MANIFEST_UNKNOWN", "manifest unknown"))
            )
            if self.path == "/v2/":
                found = (200, "application/json", b"{}")
            if registry.password and self.headers.get("Authorization") != registry.wanted:
                found = (401, "application/json", refusal("UNAUTHORIZED", "authentication required"))
            if callable(found):
                found(self)
                return
            status, media_type, body = found
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="test"')
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    registry = Registry(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    with listening() as running:
        yield running


@pytest.fixture
def known(fleet: Fleet, registry: Registry) -> Registry:
    """The registry, which the project knows to speak plain HTTP."""
    login(fleet, registry)
    return registry


def login(fleet: Fleet, registry: Registry, username: str = "", password: str = "", *, plain: bool = True) -> None:
    set_login(
        project=fleet.project,
        actor=fleet.alice,
        host=registry.host,
        username=username,
        password=password,
        plain_http=plain,
    )


def pull(fleet: Fleet, reference: str) -> Operation:
    return run(request_pull(project=fleet.project, actor=fleet.alice, reference=reference))


def nothing_is_left(data: Path) -> None:
    assert list((data / "pulls").iterdir()) == []
    assert {name for name in everything_below(data / "oci") if name.startswith("blobs")} == set()
    assert not Image.objects.exists()


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
                private = Path(argv[at + 1])
                assert private.stat().st_mode & 0o777 == 0o600
                assert private.parent.stat().st_mode & 0o777 == 0o700
                assert data not in private.parents
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
    assert not [path for path in private if Path(path).exists() or Path(path).parent.exists()]


@pytest.mark.parametrize(
    ("prepare", "reference", "match"),
    [
        (lambda registry: None, "team/app:v1", "has no such image"),
        (lambda registry: setattr(registry, "password", "x"), "team/app:v1", "refused the log-in"),
        (
            lambda registry: registry.content.update({"/v2/team/app/manifests/v1": (200, OCI_MANIFEST, b"{}")}),
            "team/app:v1",
            "",
        ),
    ],
    ids=["no-such-image", "log-in", "no-manifest"],
)
def test_what_a_registry_refuses_is_said_plainly(
    fleet: Fleet, known: Registry, data: Path, prepare: Callable[[Registry], None], reference: str, match: str
) -> None:
    prepare(known)
    ended = pull(fleet, f"{known.host}/{reference}")
    assert ended.state == "failed"
    assert match in ended.message and "Nothing was kept" in ended.message, ended.message
    nothing_is_left(data)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ("x509: certificate signed by unknown authority", "its certificate is not trusted here"),
        ("dial tcp: lookup registry.example.com: no such host", "there is no such host"),
        ("dial tcp 192.0.2.1:443: i/o timeout", "did not answer"),
        ("dial tcp 127.0.0.1:42903: connect: connection refused", "did not answer"),
        ("toomanyrequests: You have reached your pull rate limit", "takes no more requests"),
        ("write /x: no space left on device", "disk is full"),
        ('time="now" level=fatal msg="something else"', "skopeo said: something else"),
        ("", "skopeo said: nothing"),
        ("x" * 10_000, "x" * 300),
    ],
)
def test_what_skopeo_says_is_put_into_plain_words(words: str, match: str) -> None:
    said = cause_of(words, "registry.example.com")
    assert match in said
    assert said.startswith("The registry registry.example.com") and len(said) < 500


def test_plain_http_is_spoken_only_where_it_is_allowed(fleet: Fleet, registry: Registry, data: Path) -> None:
    registry.offer(Picture())
    ended = pull(fleet, f"{registry.host}/team/app:v1")
    assert ended.state == "failed"
    assert "plain HTTP" in ended.message
    assert registry.asked == []


def test_a_registry_that_is_not_there_is_told(fleet: Fleet, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        host = f"127.0.0.1:{closed.getsockname()[1]}"
    ended = pull(fleet, f"{host}/team/app:v1")
    assert ended.state == "failed"
    assert "did not answer" in ended.message


def test_without_skopeo_it_says_what_to_install(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = pull(fleet, "registry.example.com/team/app:v1")
    assert ended.state == "failed"
    assert "Install the package skopeo" in ended.message


def test_an_image_beyond_the_limit_is_refused_before_a_layer_is_fetched(
    fleet: Fleet, known: Registry, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.offer(Picture())
    monkeypatch.setattr(django_settings, "UPLOAD_LIMIT", 100)
    ended = pull(fleet, f"{known.host}/team/app:v1")
    assert "at most 100 B are taken" in ended.message
    assert not [path for path in known.asked if "/blobs/" in path]
    nothing_is_left(data)


def test_a_registry_that_sends_more_than_it_said_is_stopped(
    fleet: Fleet, known: Registry, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_pull, "SLACK", 1_000_000)

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/octet-stream")
        handler.end_headers()
        try:
            for _ in range(3000):
                handler.wfile.write(bytes(1_000_000))
                time.sleep(0.01)
        except OSError:
            handler.close_connection = True

    known.offer(Picture())
    for path in [each for each in known.content if "/blobs/" in each]:
        known.content[path] = endless
    ended = pull(fleet, f"{known.host}/team/app:v1")
    assert ended.state == "failed"
    assert "sends more than the image's manifest states" in ended.message
    nothing_is_left(data)


def test_a_layer_that_is_not_what_it_should_be_is_refused(fleet: Fleet, known: Registry, data: Path) -> None:
    known.offer(Picture())
    for path in [each for each in known.content if "/blobs/" in each]:
        status, media_type, body = known.content[path]  # type: ignore[misc]
        known.content[path] = (status, media_type, bytes(len(body)))
    assert pull(fleet, f"{known.host}/team/app:v1").state == "failed"
    nothing_is_left(data)


@pytest.mark.parametrize("how", ["silent", "cancelled"])
def test_a_registry_that_stalls_is_given_up(
    fleet: Fleet, known: Registry, data: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    known.offer(Picture())
    reached, over = threading.Event(), threading.Event()

    def stall(_handler: http.server.BaseHTTPRequestHandler) -> None:
        reached.set()
        over.wait(60)

    for path in [each for each in known.content if "/blobs/" in each]:
        known.content[path] = stall
    operation = request_pull(project=fleet.project, actor=fleet.alice, reference=f"{known.host}/team/app:v1")
    children: list[Any] = []
    real = skopeo.subprocess.Popen
    monkeypatch.setattr(
        skopeo.subprocess, "Popen", lambda *words, **more: children.append(real(*words, **more)) or children[-1]
    )
    try:
        if how == "silent":
            monkeypatch.setattr(skopeo, "SILENCE", 1.0)
            ended = run(operation)
            assert ended.state == "failed"
            assert "sent nothing for" in ended.message
        else:
            worker = threading.Thread(target=run, args=(operation,))
            worker.start()
            assert reached.wait(60)
            operations.cancel(operation, actor=fleet.alice)
            worker.join(60)
            assert not worker.is_alive()
            assert Operation.objects.get(pk=operation.pk).state == "cancelled"
    finally:
        over.set()
    assert children and all(child.poll() is not None for child in children)
    assert not any(Path(f"/proc/{child.pid}").exists() for child in children)
    nothing_is_left(data)


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
