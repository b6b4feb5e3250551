"""Images pulled from registries that refuse, lie and stall: said plainly, and nothing is left."""

from __future__ import annotations

import http.server
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from deployments.execution import registry_pull, skopeo
from deployments.oci.pulling import cause_of
from deployments.services.registry import request_pull
from ffsweb.operations import services as operations
from ffsweb.operations.models import Operation
from tests.deployments.fleet import Fleet, run
from tests.deployments.registry_server import Registry, known, nothing_is_left, pull, registry
from tests.oci.images import OCI_MANIFEST, Picture
from tests.support.threads import beside

__all__ = ["known", "registry"]

pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")


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
            worker = beside(run, operation)
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
