"""Large bodies over real connections: taken from who may upload, refused from anybody else before they are kept."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from django.db import connections
from django.test import Client
from pytest_django import Settings

from ffsweb import intake
from ffsweb.accounts.models import Project, User
from ffsweb.intake import SMALL, Application
from ffsweb.operations.models import Operation

from .conftest import Visit
from .markup import assert_well_made

pytestmark = pytest.mark.django_db(transaction=True)
LARGE = SMALL + 1_000_000
IMAGES = "/projects/serbest/images/"


@pytest.fixture
def port(db: None, data: Path, settings: Settings) -> Iterator[int]:
    """A server of this test's own on loopback."""
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Application(), lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(20)
    listener.close()
    connections.close_all()
    assert not thread.is_alive()


class Browser:
    """Sends as a browser does, with the cookies of a person who is logged in."""

    def __init__(self, port: int, client: Client) -> None:
        client.get("/account/login/")
        client.get("/")
        token = next((c.value for name, c in client.cookies.items() if "csrf" in name), "")
        self.headers = {
            "Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items()),
            "X-CSRFToken": token,
            "Content-Type": "multipart/form-data; boundary=here",
        }
        self.port = port

    def post(self, path: str, size: int, *, chunked: bool = False) -> tuple[int, str]:
        head = b'--here\r\nContent-Disposition: form-data; name="archive"; filename="app.tar"\r\n\r\n'
        body = head + b"x" * size + b"\r\n--here--\r\n"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            pieces = (body[start : start + 65536] for start in range(0, len(body), 65536))
            connection.request("POST", path, pieces if chunked else body, self.headers, encode_chunked=chunked)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def announce(self, path: str, size: int) -> socket.socket:
        """Begin to send ``size`` bytes, and send none of them."""
        lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Content-Length: {size}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection


def left_in(data: Path, *, within: float = 0.0) -> list[Path]:
    """The files there; ``within`` seconds they have to go: the handler closes a request after it was answered."""
    end = time.monotonic() + within
    while True:
        found = [path for path in data.rglob("*") if path.is_file()]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.05)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_operator_may_send_a_large_file(visit: Visit, bob: User, port: int, data: Path, chunked: bool) -> None:
    headers = Browser(port, visit(bob))
    if chunked:
        headers.headers["Transfer-Encoding"] = "chunked"
    status, page = headers.post(IMAGES, LARGE, chunked=chunked)
    assert status == 303, page
    (kept,) = left_in(data)
    assert kept.parent.name == "uploads"
    assert kept.stat().st_size == LARGE
    assert Operation.objects.get().actor_name == "bob"


@pytest.mark.parametrize(
    ("person", "path"),
    [
        (None, IMAGES),
        (None, "/account/login/"),
        ("mallory", IMAGES),
        ("carol", IMAGES),
        ("bob", "/projects/other/images/"),
        ("bob", "/projects/serbest/settings/import/"),
        ("bob", "/projects/serbest/"),
        ("bob", "/nothing/"),
        ("bob", "/projects/%00/images/"),
    ],
)
def test_nobody_else_may_and_nobody_anywhere_else(
    visit: Visit,
    port: int,
    data: Path,
    person: str | None,
    path: str,
    project: Project,
    request: pytest.FixtureRequest,
) -> None:
    Project.objects.create(name="other")
    user: User | None = request.getfixturevalue(person) if person else None
    status, page = Browser(port, visit(user)).post(path, LARGE)
    assert status == 413
    assert "at most 5.0 MB are taken here. Nothing was kept." in page
    assert_well_made(page)
    assert left_in(data) == []
    assert not Operation.objects.exists()


def test_the_answer_does_not_wait_for_what_is_refused(visit: Visit, port: int, data: Path) -> None:
    with Browser(port, visit(None)).announce(IMAGES, 10**15) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert left_in(data) == []


def test_more_than_the_limit_is_refused_from_an_operator_too(
    visit: Visit, bob: User, port: int, data: Path, settings: Settings
) -> None:
    settings.UPLOAD_LIMIT = 7_000_000
    browser = Browser(port, visit(bob))
    status, page = browser.post(IMAGES, 8_100_000)
    assert status == 413
    assert "This was too large: at most 7.0 MB are taken here. Nothing was kept." in page
    assert browser.post(IMAGES, 7_500_000)[0] == 422, "the page itself says what is only a little too large"
    assert left_in(data, within=10) == []


def test_a_disk_without_room_is_told_before_anything_is_sent(
    visit: Visit, bob: User, port: int, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "KEEP_FREE", 10**18)
    with Browser(port, visit(bob)).announce(IMAGES, LARGE) as connection:
        answer = b""
        while b"Nothing was kept" not in answer:
            piece = connection.recv(65536)
            assert piece, answer
            answer += piece
    assert answer.startswith(b"HTTP/1.1 507")
    assert b"has not enough room" in answer


def test_an_upload_that_breaks_off_leaves_nothing(visit: Visit, bob: User, port: int, data: Path) -> None:
    with Browser(port, visit(bob)).announce(IMAGES, LARGE) as connection:
        connection.sendall(b"x" * (LARGE - 100))
        time.sleep(0.5)
        assert left_in(data) == [], "what is on its way has no name"
    assert left_in(data, within=10) == []
    assert not Operation.objects.exists()


def test_forms_are_as_they_were(visit: Visit, bob: User, port: int, data: Path) -> None:
    status, _ = Browser(port, visit(bob)).post(IMAGES, 1000)
    assert status == 303
