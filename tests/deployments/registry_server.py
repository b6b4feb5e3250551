"""A read-only registry of a test's own, on loopback, that may lie, stall and refuse."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployments.models import Image
from deployments.services.registry import request_pull, set_login
from ffsweb.operations.models import Operation
from tests.deployments.fleet import Fleet, run
from tests.oci.images import Picture, everything_below, sha
from tests.web.pushing import manifest_of

Answer = tuple[int, str, bytes]


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
