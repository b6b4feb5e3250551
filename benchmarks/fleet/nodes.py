"""Nodes that are addresses of one sshd: what they answer is recorded, how they are asked is real."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.fleet.recorded import facts

WORK: Final = 0.5
"""Seconds that a node takes for its answer: ``ffs-node facts`` on a node of the lab."""
SSHD: Final = "/usr/sbin/sshd"


@dataclass(frozen=True, slots=True)
class Nodes:
    """Where they are; ``key`` is a private key's file that all of them admit."""

    addresses: tuple[str, ...]
    port: int
    user: str
    key: Path
    host_key: str
    place: Path
    keys: Mapping[str, Path] = field(default_factory=dict)
    host_keys: Mapping[str, str] = field(default_factory=dict)
    """By address, where each node has its own."""

    def key_of(self, address: str) -> Path:
        """The file of the private key that this node admits."""
        return self.keys.get(address, self.key)

    def host_key_of(self, address: str) -> str:
        """Type and key."""
        return " ".join(self.host_keys.get(address, self.host_key).split()[:2])

    def admit(self, public_keys: list[str]) -> None:
        """Admit these keys besides."""
        with (self.place / "authorized_keys").open("a") as stream:
            stream.writelines(f"{_options(self.place)} {key}\n" for key in public_keys)


@contextlib.contextmanager
def answering(count: int, place: Path) -> Iterator[Nodes]:
    """So many of them, as long as the block lasts."""
    for name in ("host_key", "key"):
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / name), check=True)
    (place / "facts").write_text(json.dumps(facts()) + "\n")
    addresses = tuple(f"127.0.{1 + number // 250}.{1 + number % 250}" for number in range(count))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    nodes = Nodes(addresses, port, getpass.getuser(), place / "key", (place / "host_key.pub").read_text(), place)
    nodes.admit([(place / "key.pub").read_text().strip()])
    (place / "sshd_config").write_text(
        f"Port {port}\nListenAddress 0.0.0.0\nHostKey {place}/host_key\nAuthorizedKeysFile {place}/authorized_keys\n"
        "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        "MaxStartups 1000\nLogLevel ERROR\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (place / "sshd.log").open("wb") as log:
        sshd = subprocess.Popen((SSHD, "-D", "-e", "-f", place / "sshd_config"), stdout=log, stderr=log)
    try:
        _wait(port, sshd, place / "sshd.log")
        yield nodes
    finally:
        sshd.terminate()
        sshd.wait(10)


def _options(place: Path) -> str:
    return f'restrict,command="sleep {WORK}; cat {place}/facts"'


def _wait(port: int, sshd: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and sshd.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"sshd does not answer: {log.read_text()[-500:]}")
