"""The ways of reading all nodes: each gives the seconds of every round and how many nodes answered in the last."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.fleet.nodes import Nodes
from benchmarks.fleet.report import Row
from tests.support.installation import Installation

COMMAND: Final = "sudo -n /usr/local/bin/ffs-node facts"
MARK: Final = "machine_id"
PACKAGES: Final = ("pyinfra", "ansible-core")
FORKS: Final = 50
PERSIST: Final = "-o ControlMaster=auto -o ControlPersist=60s"


def ours(nodes: Nodes, rounds: int) -> Row:
    """The worker's own reading of due nodes; what was read is stored."""
    installation = Installation(nodes.place / "installation")
    for arguments in (("prepare",), ("migrate", "--verbosity", "0")):
        done = installation.ffs(*arguments)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
    told = {"addresses": nodes.addresses, "port": nodes.port, "user": nodes.user, "host_key": nodes.host_key}
    with subprocess.Popen(
        (sys.executable, "-m", "benchmarks.fleet.ours", str(rounds)),
        env={**os.environ, **installation.environment, "DJANGO_SETTINGS_MODULE": "ffsweb.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.flush()
        nodes.admit(json.loads(process.stdout.readline()))
        process.stdin.write("\n")
        process.stdin.flush()
        found = [json.loads(line) for line in process.stdout]
    return Row("ffsweb", tuple(each["seconds"] for each in found), min(each["answered"] for each in found))


@contextmanager
def environment(place: Path) -> Iterator[Path]:
    """The directory of programs of a new environment with the others in it."""
    subprocess.run((sys.executable, "-m", "venv", place), check=True)
    pip = (place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    subprocess.run((*pip, *PACKAGES), check=True, stderr=subprocess.DEVNULL)
    yield place / "bin"


def pyinfra(nodes: Nodes, programs: Path, rounds: int) -> Row:
    """https://pyinfra.com: all nodes at once, which is what it does if nobody says otherwise."""
    known = _known_hosts(nodes)
    shared = {"ssh_port": nodes.port, "ssh_user": nodes.user, "ssh_known_hosts_file": str(known)}
    hosts = [(address, {**shared, "ssh_key": str(nodes.key_of(address))}) for address in nodes.addresses]
    inventory = nodes.place / "inventory.py"
    inventory.write_text(f"nodes = {hosts!r}\n")
    return _timed(
        "pyinfra", (str(programs / "pyinfra"), "-y", str(inventory), "exec", "--", COMMAND), rounds, nodes, {}
    )


def ansible(nodes: Nodes, programs: Path, rounds: int) -> Row:
    """https://docs.ansible.com: raw, since nodes have no Python; connections stay open between rounds."""
    inventory = nodes.place / "inventory.ini"
    inventory.write_text(
        "[nodes]\n"
        + "".join(f"{each} ansible_ssh_private_key_file={nodes.key_of(each)}\n" for each in nodes.addresses)
    )
    settings = {
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_SSH_USETTY": "False",  # the keys allow none
        "ANSIBLE_SSH_ARGS": f"-F none {PERSIST} -o UserKnownHostsFile={_known_hosts(nodes)}",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(nodes.place / "c"),
        "ANSIBLE_HOME": str(nodes.place / "ansible"),
        "ANSIBLE_REMOTE_PORT": str(nodes.port),
        "ANSIBLE_REMOTE_USER": nodes.user,
    }
    argv = (str(programs / "ansible"), "nodes", "-i", str(inventory), "-m", "raw", "-a", COMMAND, "-f", str(FORKS))
    return _timed("ansible-core", argv, rounds, nodes, settings)


def _timed(name: str, argv: tuple[str, ...], rounds: int, nodes: Nodes, settings: dict[str, str]) -> Row:
    seconds, answered = [], len(nodes.addresses)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "SSH_"))}
    for _ in range(rounds):
        began = time.monotonic()
        done = subprocess.run(
            argv, env={**clean, **settings}, capture_output=True, text=True, check=False, cwd=nodes.place
        )
        seconds.append(time.monotonic() - began)
        answered = min(answered, (done.stdout + done.stderr).count(f'"{MARK}"'))
        if not answered:
            return Row(name, tuple(seconds), 0, (done.stdout + done.stderr)[-300:])
    return Row(name, tuple(seconds), answered)


def _known_hosts(nodes: Nodes) -> Path:
    path = nodes.place / "known_hosts"
    names = {address: f"[{address}]:{nodes.port}" if nodes.port != 22 else address for address in nodes.addresses}
    path.write_text("".join(f"{name} {nodes.host_key_of(address)}\n" for address, name in names.items()))
    return path
