"""What a connection carries, without any image: bytes to /dev/null on a node, by OpenSSH and by ffsweb's own SSH."""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import time
from typing import TYPE_CHECKING, Final

from benchmarks.push.link import FAR, LOOPBACK, Link
from benchmarks.push.receiver import Receiver
from benchmarks.push.results import Raw
from benchmarks.push.targets import PRODUCT
from ffsweb.remote import Command, Endpoint, Identity, connect
from ffsweb.sealed import Secret
from tests.lab.run import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ffsweb.remote import ByteStream, Session
    from tests.lab import Lab

OPENSSH: Final = "ssh -c aes128-gcm@openssh.com"
SIZES: Final = {LOOPBACK: 400 << 20, FAR: 120 << 20}
"""Bytes sent in each round."""
ROUNDS: Final = 3
PIECE: Final = os.urandom(128 * 1024)
CHANNELS: Final = (1, 6)
PATIENCE: Final = 600.0


def measure(lab: Lab, directory: Path) -> Iterator[Raw]:
    """Medians over interleaved rounds, at loopback (no relay) and at 50 ms. Connecting is not timed.

    Django has to be set up: one row is what the product does for images, endpoint and counting included.
    """
    for number, (link, size) in enumerate(SIZES.items()):
        with Receiver(lab, f"raw-{number}", link, directory / f"raw-{number}") as receiver:
            blob = directory / f"blob-{number}"
            blob.write_bytes(os.urandom(size))
            ways = _ways(receiver, link, blob)
            rates: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(ROUNDS):
                for way, send in ways.items():
                    rates[way].append(size / send(size))
            for way, measured in rates.items():
                yield Raw(link.name, way, statistics.median(measured), size)


def _ways(receiver: Receiver, link: Link, blob: Path) -> dict[str, Callable[[int], float]]:
    direct = link is LOOPBACK
    ways: dict[str, Callable[[int], float]] = {OPENSSH: lambda size: _openssh(receiver, size, direct=direct)}
    ways["ffsweb, stdin of a command"] = lambda size: _ours(receiver, direct, lambda ours: _stdin(ours, size))
    ways[PRODUCT] = lambda size: _ours(receiver, direct, lambda ours: _served(ours, blob, size))
    for count in CHANNELS:
        way = f"ffsweb, reverse forward, {count} channel{'s' if count > 1 else ''}"
        ways[way] = lambda size, count=count: _ours(  # type: ignore[misc]
            receiver, direct, lambda ours: _forward(ours, size, count)
        )
    return ways


def _openssh(receiver: Receiver, size: int, *, direct: bool) -> float:
    """Seconds from the first byte of input to the end of the command."""
    options = ("-c", OPENSSH.split()[-1])
    argv = receiver.ssh("echo ready; cat >/dev/null", options=options, direct=direct)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise LabError("ssh did not log in")
        began = time.monotonic()
        for _ in range(size // len(PIECE)):
            process.stdin.write(PIECE)
        process.stdin.close()
        if process.wait(PATIENCE) != 0:
            raise LabError("ssh ended with an error")
        return time.monotonic() - began


def _ours(receiver: Receiver, direct: bool, send: Callable[[Session], float]) -> float:  # noqa: FBT001
    host, port = (receiver.node.address, 22) if direct else ("127.0.0.1", receiver.cable.port)
    endpoint = Endpoint(host, port, "root", receiver.node.host_keys())
    with connect(endpoint, Identity(Secret(receiver.key.read_text()))) as session:
        session.run(Command(("true",))).check()
        return send(session)


def _stdin(session: Session, size: int) -> float:
    source = (PIECE for _ in range(size // len(PIECE)))
    return session.run(Command(("sh", "-c", "cat >/dev/null"), stdin=source, timeout=PATIENCE)).check().seconds


def _served(session: Session, blob: Path, size: int) -> float:
    """As an image goes: the product's endpoint, counted by its meter, fetched by curl in parts side by side."""
    from deployments.execution.transfer_meter import Meter
    from deployments.oci.endpoint import Endpoint as Offer
    from deployments.oci.endpoint import OfferedBlob
    from deployments.oci.registry import serve
    from deployments.oci.verified import verify_once

    digest, token = f"sha256:{_sha(blob)}", "b" * 32
    verify_once(blob, digest)
    meter = Meter(lambda _done, _total, _rate: None)
    meter.begin(size)
    offered = Offer(token, "bench", (), (OfferedBlob(digest, blob, size),), on_bytes=meter.count)
    channels = max(CHANNELS)
    part = size // channels
    with session.reverse_forward(lambda channel: serve(channel, offered)) as forward:
        address = f"http://127.0.0.1:{forward.port}/v2/{token}/bench/blobs/{digest}"
        parts = [f"{at * part}-{(at + 1) * part - 1 if at < channels - 1 else size - 1}" for at in range(channels)]
        fetch = "; ".join(f"curl -q -s -f -o /dev/null -r {each} {address} &" for each in parts).replace("&;", "&")
        seconds = session.run(Command(("bash", "-c", f"{fetch} wait"), timeout=PATIENCE)).check().seconds
    if meter.sent < size:
        raise LabError(f"{meter.sent} bytes of {size} were sent")
    return seconds


def _sha(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _forward(session: Session, size: int, channels: int) -> float:
    """The node opens the connections, as it does when it fetches, and reads them to their end."""

    def handle(stream: ByteStream) -> None:
        for _ in range(size // channels // len(PIECE)):
            stream.sendall(PIECE)

    with session.reverse_forward(handle, max_parallel=channels) as forward:
        read = f"for n in $(seq {channels}); do cat </dev/tcp/127.0.0.1/{forward.port} >/dev/null & done; wait"
        return session.run(Command(("bash", "-c", read), timeout=PATIENCE)).check().seconds
