"""Parts of uploads over real connections: cut, lied about, at once, stalled, and sent by curl."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from deployments.models import Upload
from deployments.oci.partfile import PartFile
from deployments.services import resumable
from deployments.services.parts import BUFFER
from ffsweb.accounts.models import User
from ffsweb.operations.models import Operation
from ffsweb.web import uploads
from tests.operations.processes import wait_until

from .conftest import PASSWORD, Visit
from .test_intake import Browser, port
from .tus import CREATE, PART, metadata

__all__ = ["port"]

pytestmark = pytest.mark.django_db(transaction=True)
SIZE = 16 * 1024 * 1024
KERNEL = 256 * 1024
"""Bytes that the server has read from its socket and not handed over yet, at most."""
CONTENT = bytes(range(256)) * (SIZE // 256)


class Wire:
    """An operator's upload over sockets."""

    def __init__(self, browser: Browser, size: int = SIZE) -> None:
        self.port = browser.port
        self.headers = {
            "Cookie": browser.headers["Cookie"],
            "X-CSRFToken": browser.headers["X-CSRFToken"],
            "Tus-Resumable": "1.0.0",
        }
        wanted = {"Upload-Length": str(size), "Upload-Metadata": metadata(what="image", filename="app.tar")}
        status, headers, _ = self.ask("POST", CREATE, headers=wanted)
        assert status == 201
        self.address = headers["location"]

    def ask(
        self,
        method: str,
        path: str = "",
        *,
        body: bytes | Iterator[bytes] = b"",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], str]:
        """One request on a connection of its own; an iterator is sent chunked, without a length."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            chunked = not isinstance(body, bytes)
            asked = self.headers | (headers or {}) | ({"Transfer-Encoding": "chunked"} if chunked else {})
            connection.request(method, path or self.address, body, asked, encode_chunked=chunked)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read().decode()
        finally:
            connection.close()

    def patch(self, offset: int, body: bytes | Iterator[bytes]) -> tuple[int, dict[str, str], str]:
        return self.ask("PATCH", body=body, headers={"Upload-Offset": str(offset), "Content-Type": PART})

    def offset(self) -> int:
        return int(self.ask("HEAD")[1]["upload-offset"])

    def begin(self, offset: int, length: int | str, body: bytes) -> socket.socket:
        """A part of which only ``body`` comes, for now."""
        lines = [f"PATCH {self.address} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Upload-Offset: {offset}", f"Content-Type: {PART}"]
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return connection

    def free(self) -> bool:
        """Whether nobody sends to it."""
        try:
            PartFile(self.path).close()
        except Exception:
            return False
        return True

    @property
    def path(self) -> Path:
        return resumable.uploads_directory() / self.address.split("/")[-2]

    def finish(self) -> tuple[int, dict[str, str], str]:
        body = f"sha256={hashlib.sha256(CONTENT).hexdigest()}".encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", f"{self.address}finish/", body=body, headers=kind)


@pytest.fixture
def wire(visit: Visit, bob: User, port: int, data: Path) -> Wire:
    return Wire(Browser(port, visit(bob)))


def test_a_part_of_sixteen_megabytes_goes_into_the_file_and_nowhere_else(wire: Wire, data: Path) -> None:
    half = SIZE // 2
    with wire.begin(0, SIZE, CONTENT[:half]) as connection:
        # It is on the disk while the rest is still to come, but for what is being collected; and nowhere else.
        wait_until(lambda: wire.path.stat().st_size > half - BUFFER - KERNEL, what="half of it")
        assert [path for path in data.rglob("*") if path.is_file()] == [wire.path]
        connection.sendall(CONTENT[half:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 204")
    assert wire.path.read_bytes() == CONTENT
    assert wire.finish()[0] == 200
    assert Operation.objects.get().params["upload"] == wire.path.name


@pytest.mark.parametrize("cut", [0, 1, 70_000, 5_000_001, SIZE - 1])
def test_of_a_part_that_breaks_off_everything_that_arrived_stays(wire: Wire, cut: int) -> None:
    with wire.begin(0, SIZE, CONTENT[:cut]) as connection:
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
    wait_until(wire.free, what="the lock")
    here = wire.offset()
    assert max(0, cut - KERNEL) <= here <= cut
    assert wire.path.read_bytes() == CONTENT[:here]
    assert wire.patch(here, CONTENT[here:])[0] == 204
    assert wire.path.read_bytes() == CONTENT
    assert wire.finish()[0] == 200, "the sum made on the way is right, too"


def test_a_part_without_a_length_is_taken(wire: Wire) -> None:
    status, headers, _ = wire.patch(0, iter([CONTENT[:5], CONTENT[5:]]))
    assert (status, headers["upload-offset"]) == (204, str(SIZE))


def test_a_part_without_a_length_is_cut_where_the_file_ends(wire: Wire) -> None:
    status, _, said = wire.patch(0, iter([CONTENT, b"more"]))
    assert status == 413
    assert "What belongs to the file was kept, the rest was not." in said
    assert wire.path.read_bytes() == CONTENT


@pytest.mark.parametrize("length", ["-1", "16x", "1 6", "99999999999999999999999999", "+16"])
def test_a_length_that_lies_takes_nothing(wire: Wire, length: str) -> None:
    with wire.begin(0, length, b"x" * 100) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536)[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 413", b""}
    wait_until(wire.free, what="the lock")
    assert wire.offset() == 0


def test_what_follows_an_announced_length_is_no_part_of_it(wire: Wire) -> None:
    with wire.begin(0, 10, CONTENT[:10] + b"GARBAGE THAT IS NO REQUEST\r\n\r\n") as connection:
        connection.recv(65536)
    wait_until(wire.free, what="the lock")
    assert wire.path.read_bytes() in {b"", CONTENT[:10]}


def test_a_part_that_is_too_large_is_refused_before_it_is_sent(wire: Wire) -> None:
    with wire.begin(0, SIZE + 1, b"") as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")
    assert wire.offset() == 0


@pytest.mark.parametrize("missing", ["Cookie", "X-CSRFToken"])
def test_who_may_not_send_is_refused_before_it_is_sent(wire: Wire, missing: str) -> None:
    kept = wire.headers.pop(missing)
    with wire.begin(0, SIZE, b"") as connection:
        assert connection.recv(65536)[:12] in {b"HTTP/1.1 403", b"HTTP/1.1 302"}
    wire.headers[missing] = kept
    assert wire.offset() == 0


def test_of_two_parts_at_once_one_is_taken(wire: Wire) -> None:
    with wire.begin(0, SIZE, CONTENT[: 2 * 1024 * 1024]) as first:
        wait_until(lambda: wire.offset() >= 1024 * 1024, what="the first to come")
        for offset in (0, wire.offset()):
            status, _, said = wire.patch(offset, CONTENT[:100])
            assert status == 423
            assert "Another request is sending to this upload." in said
        first.sendall(CONTENT[2 * 1024 * 1024 :])
        assert first.recv(65536).startswith(b"HTTP/1.1 204")
    assert wire.path.read_bytes() == CONTENT


def test_many_parts_at_once_leave_a_whole_file(wire: Wire) -> None:
    """Eight that all begin where they were told: whatever each is answered, no byte is there twice."""

    def send() -> None:
        while (offset := wire.offset()) < SIZE:
            wire.patch(offset, CONTENT[offset : offset + 1_000_000])

    senders = [threading.Thread(target=send) for _ in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
    assert wire.path.read_bytes() == CONTENT
    assert wire.finish()[0] == 200


def test_an_upload_may_be_discarded_while_somebody_sends_to_it(wire: Wire, data: Path) -> None:
    with wire.begin(0, SIZE, CONTENT[: 2 * 1024 * 1024]) as connection:
        wait_until(lambda: wire.offset() >= 1024 * 1024, what="the first to come")
        assert wire.ask("DELETE")[0] == 204
        assert [path for path in data.rglob("*") if path.is_file()] == []
        connection.sendall(CONTENT[2 * 1024 * 1024 :])
        assert connection.recv(65536).startswith(b"HTTP/1.1 410")
    assert [path for path in data.rglob("*") if path.is_file()] == []
    assert not Upload.objects.exists()


def test_a_part_that_stalls_is_given_up_and_the_next_goes_on(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PATIENCE", 0.5)
    with wire.begin(0, SIZE, CONTENT[:3000]) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")
    assert wire.offset() == 3000
    assert wire.patch(3000, CONTENT[3000:])[0] == 204


def test_the_documented_way_with_curl_works(
    port: int, bob: User, data: Path, tmp_path: Path, settings: Settings
) -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("there is no curl here")
    text = (Path(__file__).parents[2] / "docs" / "images.md").read_text()
    script = text.partition("```bash\n")[2].partition("```")[0]
    assert "curl" in script
    (tmp_path / "app.tar").write_bytes(CONTENT)
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "DASHBOARD": f"http://127.0.0.1:{port}",
        "PROJECT": "serbest",
        "NAME": "bob",
        "PASSWORD": PASSWORD,
        "FILE": "app.tar",
    }
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    operation = Operation.objects.get()
    assert f'"operation": {operation.pk}' in done.stdout
    assert (data / "uploads" / operation.params["upload"]).read_bytes() == CONTENT
