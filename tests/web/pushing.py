"""A dashboard on loopback, and a client that pushes to it request by request."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import uvicorn
from django.conf import settings as django_settings
from django.db import connections
from pytest_django import Settings

from ffsweb.accounts import tokens
from ffsweb.accounts.models import Project, Role, User
from ffsweb.intake import Application
from tests.oci.images import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Picture, descriptor, gzipped, sha


class Served:
    """The application, and how many bytes of bodies came to it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.received = 0
        self.requests: list[str] = []
        self._application = Application()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.requests.append(f"{scope['method']} {scope['path']}")

        async def counted() -> Any:
            message = await receive()
            self.received += len(message.get("body", b""))
            return message

        await self._application(scope, counted, send)


@contextlib.contextmanager
def serving() -> Iterator[Served]:
    """The dashboard's application on a port of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    served = Served(listener.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(served, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield served
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
        connections.close_all()
        assert not thread.is_alive()


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def error(self) -> tuple[str, str]:
        """Code and message of a refusal."""
        (error,) = json.loads(self.body)["errors"]
        return error["code"], error["message"]


class Client:
    """Somebody with an access token; logs in with every request unless it is given a pass."""

    def __init__(self, port: int, username: str = "", text: str = "") -> None:
        self.port = port
        basic = base64.b64encode(f"{username}:{text}".encode()).decode()
        self.authorization = f"Basic {basic}" if username else ""

    def ask(self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, **headers: str) -> Answer:
        fields = {"Authorization": self.authorization} if self.authorization else {}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, fields, encode_chunked=not isinstance(body, bytes | None))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def push_blob(self, data: bytes, repository: str = "serbest", *, digest: str = "") -> Answer:
        digest = digest or f"sha256:{sha(data)}"
        return self.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={quote(digest)}", data)

    def begin(self, repository: str = "serbest") -> str:
        answer = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        assert answer.status == 202, answer.body
        return answer.headers["Location"]

    def push_manifest(
        self, data: bytes, reference: str = "v1", repository: str = "serbest", media_type: str = OCI_MANIFEST
    ) -> Answer:
        return self.ask("PUT", f"/v2/{repository}/manifests/{reference}", data, Content_Type=media_type)

    def push(self, picture: Picture, reference: str = "v1", repository: str = "serbest", **more: Any) -> Answer:
        manifest, blobs = manifest_of(picture, **more)
        for blob in blobs:
            answer = self.push_blob(blob, repository)
            assert answer.status == 201, answer.body
        return self.push_manifest(manifest, reference, repository)


def manifest_of(picture: Picture, *, pack: Any = gzipped, **more: Any) -> tuple[bytes, list[bytes]]:
    """A manifest with compressed layers, and the blobs that go before it; ``more`` replaces what it says."""
    layers = [pack(layer) for layer in picture.layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, picture.config),
        "layers": [descriptor(OCI_LAYER + "+gzip", layer) for layer in layers],
    } | more
    return json.dumps(manifest).encode(), [*layers, picture.config]


def index_of(*manifests: tuple[bytes, str]) -> bytes:
    """An index of manifests and the architectures they are for."""
    entries = [
        descriptor(OCI_MANIFEST, data, platform={"os": "linux", "architecture": architecture})
        for data, architecture in manifests
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


def token_of(user: User, project: Project, role: Role = Role.OPERATOR, **more: Any) -> str:
    return tokens.make(actor=user, project=project, name="builder", role=role, days=30, **more).text


@pytest.fixture
def served(db: None, data: Path, settings: Settings) -> Iterator[Served]:
    """The dashboard, for tests that import this fixture; they have to be ``django_db(transaction=True)``."""
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    with serving() as running:
        yield running


@pytest.fixture
def client(served: Served, bob: User, project: Project) -> Client:
    """bob, who may push."""
    return Client(served.port, "bob", token_of(bob, project))


def waiting() -> list[Path]:
    """Uploads that are not whole."""
    directory = django_settings.DATA / "pushes"
    return list(directory.iterdir()) if directory.exists() else []
