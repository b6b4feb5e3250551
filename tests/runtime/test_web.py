"""The web process under the signals of a real life."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from ffsweb.runtime.web import GRACE, ask

STREAMING = """
import asyncio, os, sys, time, uvicorn
from ffsweb.runtime.heartbeat import Heartbeat
from ffsweb.runtime.web import GRACE, BeatingServer

stuck = []
ending = asyncio.Event()

async def app(scope, receive, send):
    if scope["path"] == "/livez":
        if stuck:
            await asyncio.to_thread(time.sleep, 60)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"alive"})
        return
    if scope["path"] == "/stick":
        stuck.append(True)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    if scope["path"] == "/block":
        time.sleep(60)  # what must never be done in an event loop
    while not ending.is_set():
        await send({"type": "http.response.body", "body": b": still here\\n\\n", "more_body": True})
        await asyncio.sleep(0.1)
    await send({"type": "http.response.body", "body": b"", "more_body": False})

listener = __import__("socket").create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=GRACE)
at_end = ending.set if "--ends-streams" in sys.argv else lambda: None
BeatingServer(config, Heartbeat.taken_from(os.environ), at_end).run(sockets=[listener])
"""


class Server:
    """The streaming application, and the reading end of its heartbeats."""

    def __init__(self, *options: str) -> None:
        self.reading, writing = os.pipe()
        os.set_blocking(self.reading, False)
        environment = {**os.environ, "FFS_HEARTBEAT_FD": str(writing), "FFS_HEARTBEAT_INTERVAL": "0.2"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", STREAMING, *options],
            env=environment,
            pass_fds=(writing,),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        os.close(writing)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def beats(self, seconds: float) -> bytes:
        """What comes within the time."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.reading, 65536):
                pass
        time.sleep(seconds)
        try:
            return os.read(self.reading, 65536)
        except BlockingIOError:
            return b""

    def open(self, path: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path)
        return connection

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        os.close(self.reading)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_open_streams_do_not_keep_it_alive(server, number):
    streams = [server.open("/stream") for _ in range(5)]
    responses = [stream.getresponse() for stream in streams]
    assert all(response.read(10) == b": still he" for response in responses)
    since = time.monotonic()
    server.process.send_signal(number)
    server.process.wait(20)
    assert time.monotonic() - since < GRACE + 3
    for stream, response in zip(streams, responses, strict=True):
        response.close()
        stream.close()


def test_streams_that_are_told_of_the_end_are_not_waited_for():
    server = Server("--ends-streams")
    stream = server.open("/stream")
    response = stream.getresponse()
    response.read(10)
    server.process.send_signal(signal.SIGTERM)
    since = time.monotonic()
    assert response.read().endswith(b"\n\n")  # it is complete, nothing was cut
    server.process.wait(20)
    assert time.monotonic() - since < GRACE
    stream.close()
    server.close()


def test_it_beats_while_its_event_loop_turns_and_not_when_it_is_blocked(server):
    assert server.beats(1.0).count(b"H") >= 3
    connection = server.open("/block")
    time.sleep(0.5)
    assert server.beats(1.0) == b""
    connection.close()


def test_it_does_not_beat_while_no_thread_answers_though_its_event_loop_turns(server):
    stream = server.open("/stick")
    response = stream.getresponse()
    end = time.monotonic() + 30
    while server.beats(1.0):
        assert time.monotonic() < end
    assert server.beats(2.0) == b""
    before = time.monotonic()
    while time.monotonic() < before + 1:
        assert response.read(10)  # other requests are still answered
    response.close()
    stream.close()


def test_a_server_error_of_its_own_is_no_sign_of_life():
    import asyncio

    async def broken(scope, receive, send):
        await send({"type": "http.response.start", "status": 500, "headers": []})

    assert asyncio.run(ask(broken)) == 500


def test_the_real_application_answers_its_own_question_without_a_log_line(tmp_path):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("FFSWEB_", "PYTEST_"))}
    static = tmp_path / "static"
    static.mkdir()
    places = {
        "FFSWEB_DATA": f"{tmp_path}/data",
        "FFSWEB_KEYS": f"{tmp_path}/keys",
        "FFSWEB_STATIC": str(static),
    }
    code = """
import asyncio
from ffsweb.runtime.loading import load_django
load_django("web")
from ffsweb.asgi import application
from ffsweb.runtime.web import ask
print(asyncio.run(ask(application)))
"""
    subprocess.run([sys.executable, "-m", "ffsweb.cli", "prepare"], env={**clean, **places}, check=True, timeout=100)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**clean, **places}, capture_output=True, text=True, check=True, timeout=100
    )
    assert (done.stdout, done.stderr) == ("200\n", "")


def test_a_port_that_is_taken_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("FFSWEB_", "PYTEST_"))}
        places = {"FFSWEB_DATA": f"{tmp_path}/data", "FFSWEB_KEYS": f"{tmp_path}/keys"}
        subprocess.run(
            [sys.executable, "-m", "ffsweb.cli", "prepare"], env={**clean, **places}, check=True, timeout=100
        )
        done = subprocess.run(
            [sys.executable, "-m", "ffsweb.cli", "web"],
            env={**clean, **places, "FFSWEB_ADDRESS": f"127.0.0.1:{port}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
    assert done.returncode == 78
    assert f"127.0.0.1 port {port} cannot be listened on: Address already in use" in done.stderr
