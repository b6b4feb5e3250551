"""The verb ``probe``: it asks what the service publishes and its container, and what answers may be anyone."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deployments.core import node_commands, node_input
from deployments.core.health_values import HealthCheck
from deployments.core.node_events import last_answer

from . import functions

if TYPE_CHECKING:
    from tests.nodekit.conftest import Program, Said

Serve = Callable[[bytes], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Servers on loopback that take what is asked and answer with these bytes: their ports."""
    with contextlib.ExitStack() as stack:

        def begin(answer: bytes) -> int:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread = threading.Thread(target=_answer, args=(listener, answer))
            thread.start()
            stack.callback(thread.join)
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            return int(listener.getsockname()[1])

        yield begin


def _answer(listener: socket.socket, answer: bytes) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            if answer:
                connection.recv(65536)
            connection.sendall(answer)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def publish(program: Program, *ports: str) -> None:
    """A unit that publishes these ports."""
    directory = program.root / "etc/containers/systemd"
    directory.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"PublishPort={port}\n" for port in ports)
    (directory / "ffs-www.container").write_text(f"[Container]\n{lines}")


def ask(program: Program, kind: str, port: int, path: str = "/") -> Said:
    """As the dashboard asks."""
    publish(program, f"{port}:8443/tcp")
    return program.command(node_commands.probe("www", HealthCheck(kind, port, "" if kind == "tcp" else path)))


def answered(said: Said) -> tuple[bool, str]:
    assert said.code == "ok", said
    answer = last_answer(json.dumps(said.result)).check()
    return answer.flag("good"), answer.string("said", r"[ -~]{1,400}")


@pytest.mark.parametrize(
    ("status", "good"),
    [("200 OK", True), ("204", True), ("302 Found", True), ("399 x", True), ("400 x", False), ("503 Busy", False)],
)
def test_a_status_from_200_to_399_is_good(program: Program, serve: Serve, status: str, good: bool) -> None:
    port = serve(f"HTTP/1.1 {status}\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n".encode())
    assert answered(ask(program, "http", port)) == (good, f"answered {status[:3]}")
    assert program.leftovers() == []


def test_the_path_is_asked_for_as_it_was_written(program: Program) -> None:
    path = "/a/../b;c=(1)?x='y'&z=%20"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        got: list[bytes] = []

        def take() -> None:
            connection, _ = listener.accept()
            with connection:
                got.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

        thread = threading.Thread(target=take)
        thread.start()
        assert answered(ask(program, "http", listener.getsockname()[1], path)) == (True, "answered 200")
        thread.join()
    assert got[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"220 smtp.example.org ESMTP\r\n" * 3, "answered something that is not HTTP"),
        (b"\x00\xff\x1b]0;evil\x07" * 100, "answered something that is not HTTP"),
    ],
)
def test_what_is_not_http_is_said_to_be_none_and_not_repeated(
    program: Program, serve: Serve, answer: bytes, said: str
) -> None:
    assert answered(ask(program, "http", serve(answer))) == (False, said)


def test_a_long_answer_is_not_read_to_its_end(program: Program, serve: Serve) -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 50_000_000
    assert answered(ask(program, "http", serve(endless))) == (True, "answered 200")


def test_plain_text_is_no_tls(program: Program, serve: Serve) -> None:
    assert answered(ask(program, "https", serve(b"HTTP/1.1 200 OK\r\n\r\n"))) == (False, "did not speak TLS")


@pytest.mark.parametrize("kind", ["http", "https", "tcp"])
def test_where_nobody_listens_no_connection_is_taken(program: Program, kind: str) -> None:
    assert answered(ask(program, kind, free_port())) == (False, "took no connection")


def test_a_port_that_takes_connections_is_good(program: Program, serve: Serve) -> None:
    assert answered(ask(program, "tcp", serve(b""))) == (True, "took the connection")


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_what_the_service_does_not_publish_is_not_asked(program: Program, serve: Serve, kind: str) -> None:
    port = serve(b"HTTP/1.1 200 OK\r\n\r\n")
    check = HealthCheck(kind, port, "" if kind == "tcp" else "/")
    assert program.command(node_commands.probe("www", check)).code == "not-found"
    publish(program, f"1{port}:80/tcp", f"{port}:80/udp", f"80:{port}/tcp")
    said = program.command(node_commands.probe("www", check))
    assert (said.code, f"port {port}" in said.text) == ("bad-argument", True)


@pytest.mark.parametrize(
    "words",
    [
        ("--kind", "tcp"),
        ("--kind", "http", "--port", "80"),
        ("--kind", "http", "--path", "/"),
        ("--kind", "tcp", "--port", "80", "--path", "/"),
        ("--kind", "command", "--port", "80"),
        ("--kind", "command", "--path", "/"),
    ],
)
def test_options_that_do_not_go_together_are_refused(program: Program, words: tuple[str, ...]) -> None:
    assert program("probe", "--service", "www", *words).code == "bad-argument"


@pytest.mark.parametrize(
    "request_",
    [
        *(
            b"",
            b'["a"]["b"]',
            b"x",
            b"{}",
            b"[]",
            b'"a"',
            b"[1]",
            b'[""]',
            b'["-x"]',
            b'["--privileged","a"]',
            b'["a","b\\n"]',
        ),
        *(b'["a\\u0000"]', b'["\\u001b"]', b'["a"', json.dumps(["a"] * 33).encode(), b'["' + b"a" * 257 + b'"]'),
        b'["' + b"a" * 20_000 + b'"]',
    ],
)
def test_what_is_no_command_is_refused_before_podman_is_asked(program: Program, request_: bytes) -> None:
    assert program("probe", "--service", "www", "--kind", "command", stdin=request_).code == "bad-input"


FAKE_PODMAN = """#!/bin/bash
case $1 in
  container) echo "${RUNNING:-true}" ;;
  exec) export "$3"; shift 3; [[ $1 == -- && $2 == ffs-www ]] || exit 99; shift 2; exec "$@" ;;
esac
"""


FAKE_TIMEOUT = """#!/bin/bash
[[ $1 != --* ]] || shift
exec /usr/bin/timeout 1 "${@:2}"
"""


def run_command(program: Program, words: list[str], more: str = "", **environment: str) -> dict[str, Any]:
    """The verb's own function, with a podman that runs the command on this machine and a timeout that waits for 1 s."""
    place = program.root.parent / "bin"
    place.mkdir(exist_ok=True)
    for name, text in (("podman", FAKE_PODMAN), ("timeout", FAKE_TIMEOUT)):
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    said = "".join(f"export {name}={value}\n" for name, value in environment.items())
    lines = f"begin\nPATH={place}:$PATH\n{said}{more}\nverb_probe --service www --kind command"
    done = functions.run(
        program, lines, stdin=node_input.probe_input(HealthCheck("command", words=tuple(words))) or b""
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_status_of_a_command_counts_and_its_words_stay_words(program: Program) -> None:
    assert run_command(program, ["test", "a b", "=", "a b"]) == {
        "event": "result",
        "ok": True,
        "good": True,
        "said": "ended with status 0",
    }
    told = run_command(program, ["bash", "-c", "echo no; echo '$(id)' \"$@\" >&2; exit 3", "-", "*", ";"])
    assert (told["good"], told["said"]) == (False, "ended with status 3: no $(id) * ;")


def test_the_output_of_a_command_is_bounded_and_printable(program: Program) -> None:
    hostile = "printf '\\033]0;evil\\007\\377\\0'; head -c 5000000 /dev/zero | tr '\\0' x; exit 1"
    told = run_command(program, ["bash", "-c", hostile])
    assert not told["good"]
    assert told["said"].startswith("ended with status 1: ]0;evil xxx")
    assert len(told["said"]) <= 300
    assert told["said"].isprintable()


def test_a_command_that_hangs_is_ended_with_what_it_left(program: Program) -> None:
    pids = program.root / "pids"
    hang = f"sleep 900 & echo $! $$ >{pids}; exec setsid sleep 900"
    told = run_command(program, ["bash", "-c", hang])
    assert (told["good"], told["said"]) == (False, "did not end within 10 s")
    for pid in pids.read_text().split():
        state = Path(f"/proc/{pid}/stat")
        assert not state.exists() or state.read_text().split(") ")[1][0] == "Z"


def test_without_a_container_nothing_is_run(program: Program) -> None:
    told = run_command(program, ["touch", str(program.root / "canary")], RUNNING="false")
    assert (told["ok"], told["code"]) == (False, "not-found")
    assert not (program.root / "canary").exists()


def test_without_curl_it_says_so(program: Program) -> None:
    publish(program, "80:80/tcp")
    lines = "begin\ncommand() { false; }\nverb_probe --service www --kind http --port 80 --path /"
    told = json.loads(functions.run(program, lines).stdout)
    assert (told["ok"], "no curl" in told["text"]) == (False, True)
