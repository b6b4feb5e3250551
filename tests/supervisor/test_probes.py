"""Programs that write no heartbeats are asked: by HTTP, TCP or a command, and none of it holds the supervisor up."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from deployments.nodekit.supervisor import Policy, Probe, Spec, Supervisor
from tests.supervisor.conftest import gone

# Answers as the file `mode` says at that moment, and writes what it was asked into `asked`.
SERVER = """
import socket, threading
MODE, ASKED = {mode!r}, {asked!r}
listener = socket.create_server(({host!r}, {port}), family={family})
def serve(connection):
    mode = open(MODE).read()
    if mode == "silent":
        time.sleep(60)
    asked = connection.recv(4096)
    if not asked:
        return
    with open(ASKED, "ab") as stream:
        stream.write(asked)
    if mode == "rude":
        connection.close()
        return
    if mode == "endless":
        connection.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
        while True:
            connection.sendall(b"x" * 100000)
    answer = mode.encode() if mode == "nonsense" else b"HTTP/1.1 " + mode.encode() + b" words\\r\\nLocation: /other\\r\\n\\r\\nbody"
    connection.sendall(answer)
    connection.close()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Server:
    """The program above, as code for a child, and the file that says how it answers."""

    def __init__(self, place: Path, host: str = "127.0.0.1") -> None:
        self.port, self._mode, self.asked = free_port(), place / "mode", place / "asked"
        self.says("200")
        family = "socket.AF_INET6" if ":" in host else "socket.AF_INET"
        self.code = SERVER.format(
            mode=str(self._mode), asked=str(self.asked), host=host, port=self.port, family=family
        )

    def says(self, mode: str) -> None:
        new = self._mode.with_suffix(".new")
        new.write_text(mode)
        new.replace(self._mode)


@pytest.fixture
def server(tmp_path):
    return Server(tmp_path)


PATIENT = ("--start-timeout", "60", "--probe-timeout", "20")


def test_it_is_ready_with_the_first_healthy_answer_and_replaced_after_three_failures(supervise, server):
    server.says("503")
    running = supervise(*PATIENT, "--probe", f"http://127.0.0.1:{server.port}/health?deep=1", code=server.code)
    pid = running.started()
    while not server.asked.exists():
        time.sleep(0.05)
    assert "ready" not in running.text()
    server.says("204")
    running.wait_for("first healthy answer after")
    running.wait_for("ready: python")
    server.says("500")
    running.wait_for("probe 1 of 3 failed: HTTP 500")
    running.wait_for("hung: 3 probes failed, the last: HTTP 500")
    server.says("200")
    assert running.started() != pid
    running.wait_for("first healthy answer after")
    assert gone(pid)
    first = server.asked.read_bytes().split(b"\r\n\r\n")[0].split(b"\r\n")
    assert first[:2] == [b"GET /health?deep=1 HTTP/1.1", b"Host: 127.0.0.1:%d" % server.port]
    assert running.stop() == 0


def test_a_redirection_is_an_answer_and_is_not_followed(supervise, server):
    server.says("302")
    running = supervise(*PATIENT, "--probe", f"http://127.0.0.1:{server.port}/", code=server.code)
    running.wait_for("ready")
    while server.asked.read_bytes().count(b"GET") < 3:
        time.sleep(0.05)
    assert b"/other" not in server.asked.read_bytes()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("silent", r"no answer within 0\.3 s"),
        ("rude", "closed the connection without an answer"),
        ("nonsense", "its answer is not HTTP"),
    ],
)
def test_what_is_no_answer_is_named(supervise, server, mode, words):
    running = supervise(
        "--start-timeout",
        "60",
        "--probe-timeout",
        "0.3",
        "--probe",
        f"http://127.0.0.1:{server.port}/",
        code=server.code,
    )
    running.wait_for("ready")
    server.says(mode)
    running.wait_for(f"hung: 3 probes failed, the last: {words}")
    server.says("200")
    running.wait_for("restart at once")


def test_a_stopped_program_that_still_accepts_connections_is_found_out(supervise, server):
    running = supervise(
        "--start-timeout",
        "60",
        "--probe-timeout",
        "0.3",
        "--probe",
        f"http://127.0.0.1:{server.port}/",
        code=server.code,
    )
    pid = running.started()
    running.wait_for("ready")
    os.kill(pid, signal.SIGSTOP)
    running.wait_for("hung: 3 probes failed, the last: no answer within")
    running.wait_for("killed: it did not end")
    assert running.started() != pid
    assert gone(pid)


def test_a_page_without_end_is_healthy_and_does_not_make_the_supervisor_grow(supervise, server):
    server.says("endless")
    running = supervise(*PATIENT, "--probe", f"http://127.0.0.1:{server.port}/", code=server.code)
    running.wait_for("ready")
    time.sleep(2)
    memory = next(
        line for line in Path(f"/proc/{running.process.pid}/status").read_text().splitlines() if "VmRSS" in line
    )
    assert int(memory.split()[1]) < 20 * 1024
    assert "failed" not in running.text()


def test_a_program_that_never_answers_is_hung_after_its_start_time(supervise, server):
    running = supervise("--probe", f"tcp:127.0.0.1:{server.port}", command=("sleep", "60"))
    running.wait_for(r"no healthy answer within 1\.5 s of its start \(Connection refused\)")
    running.wait_for("restart at once")
    assert "ready" not in running.text()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_open_port_is_enough_by_tcp(supervise, server, host):
    running = supervise(*PATIENT, "--probe", f"tcp:{host}:{server.port}", code=server.code)
    running.wait_for("ready")
    running.wait_for("", 1)
    assert running.stop() == 0
    assert "failed" not in running.text()


def test_a_name_is_looked_up_outside_and_what_fails_there_is_said(supervise, server):
    running = supervise("--probe", "http://no-such-host.invalid:1/", code="\ntime.sleep(60)\n")
    running.wait_for(r"no healthy answer within 1\.5 s of its start \((.+)\)", 30)


def test_an_ipv6_address_is_asked_directly(supervise, tmp_path):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = Server(tmp_path, "::1")
    running = supervise(*PATIENT, "--probe", f"http://[::1]:{server.port}/", code=server.code)
    running.wait_for("ready")
    assert f"Host: [::1]:{server.port}".encode() in server.asked.read_bytes()


def test_https_is_asked_by_a_process_of_its_own(supervise, tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=elsewhere.example")
    subprocess.run(
        [openssl, "req", "-x509", *key, "-days", "2", "-keyout", tmp_path / "key", "-out", tmp_path / "crt"],
        check=True,
        capture_output=True,
    )
    port = free_port()
    serving = ("s_server", "-accept", f"127.0.0.1:{port}", "-key", f"{tmp_path}/key", "-cert", f"{tmp_path}/crt")
    running = supervise(
        *PATIENT, "--probe", f"https://127.0.0.1:{port}/", command=(openssl, *serving, "-www", "-quiet")
    )
    pid = running.started()
    running.wait_for("ready", 60)
    loaded = Path(f"/proc/{running.process.pid}/maps").read_text()
    assert "libssl" not in loaded
    os.kill(pid, signal.SIGKILL)
    assert running.started() != pid
    assert running.stop() == 0


def test_heartbeats_count_besides_once_the_program_sends_them(supervise, server):
    running = supervise(*PATIENT, "--probe", f"tcp:127.0.0.1:{server.port}", code="\nbeat()\n" + server.code)
    running.wait_for("ready")
    running.wait_for("hung: no heartbeat")


def test_a_message_server_on_a_socket_is_asked_to_answer(tmp_path):
    redis = shutil.which("valkey-server") or shutil.which("redis-server")
    if redis is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    place = f"{tmp_path}/s"
    said: list[str] = []

    def say(name: str, text: str) -> None:
        said.append(text)
        if text.startswith("ready"):
            os.kill(supervisor.course.children["valkey"].pid, signal.SIGSTOP)  # its socket still takes connections
        if text.startswith("first healthy") and len([line for line in said if line.startswith("first healthy")]) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    options = ("--port", "0", "--unixsocket", place, "--save", "", "--dir", str(tmp_path), "--logfile", "/dev/null")
    supervisor = Supervisor(
        [Spec("valkey", (redis, *options), heartbeat="none", probe=Probe("valkey", place))],
        policy=Policy(interval=0.3, grace=0.5, start_timeout=60, probe_timeout=0.5),
        say=say,
    )
    assert supervisor.run() == 0
    assert "hung: 3 probes failed, the last: no answer within 0.5 s" in said
