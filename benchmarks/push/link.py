"""A link to a lab node: late by a relay, slow by the kernel's token bucket on the node's cable (tc-tbf(8)).

Where the kernel has no tbf, the relay limits the rate itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.lab import network
from tests.lab.run import LabError, run

if TYPE_CHECKING:
    from tests.lab import Lab, Node

BURST: Final = 64 * 1024
QUEUE_MS: Final = 200
BUFFER: Final = 128 * 1024  # the relay's own; the kernel doubles it (socket(7), SO_SNDBUF)


@dataclass(frozen=True, slots=True)
class Link:
    """``rate`` in bits a second (None: whatever the machine gives), ``round_trip`` in seconds."""

    name: str
    rate: int | None
    round_trip: float


FAST: Final = Link("100 Mbit/s, 20 ms", 100_000_000, 0.020)
SLOW: Final = Link("10 Mbit/s, 80 ms", 10_000_000, 0.080)
LOOPBACK: Final = Link("loopback", None, 0.0)
FAR: Final = Link("50 ms, no limit", None, 0.050)
LINKS: Final = {"fast": FAST, "slow": SLOW}


@dataclass(frozen=True, slots=True)
class Counted:
    """TCP payload that has come through, in bytes."""

    to_node: int
    from_node: int

    def __sub__(self, earlier: Counted) -> Counted:
        return Counted(self.to_node - earlier.to_node, self.from_node - earlier.from_node)


class Cable:
    """A link to a node that runs, until :meth:`close`: connect to ``port`` of 127.0.0.1.

    ``shaped`` says who limits the rate: "tbf", "relay", or "" for nobody.
    """

    def __init__(self, lab: Lab, node: Node, link: Link) -> None:
        self.node, self.link = node, link
        self.shaped = ""
        if link.rate is not None:
            self.shaped = "tbf" if _limit(lab, node, link.rate) else "relay"
        rate = link.rate / 8 if link.rate is not None and self.shaped == "relay" else 0
        buffer = BUFFER if self.shaped == "tbf" else 0
        arguments = (node.address, 22, link.round_trip / 2, rate, buffer)
        self._process = subprocess.Popen(
            (sys.executable, "-m", "benchmarks.push.relay_process", *map(str, arguments)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = self._answer()["port"]

    def count(self) -> Counted:
        """What came through until now."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._answer()
        return Counted(answer["to_node"], answer["from_node"])

    def close(self) -> None:
        """End the relay; the limit goes with the node."""
        self._process.terminate()
        self._process.communicate()

    def __enter__(self) -> Cable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LabError("the benchmark's relay ended")
        return dict(json.loads(line))


def _limit(lab: Lab, node: Node, rate: int) -> bool:
    """Limit both directions of a node's cable; whether the kernel can."""
    queue = ("root", "tbf", "rate", f"{rate}bit", "burst", str(BURST), "latency", f"{QUEUE_MS}ms")
    outer = ("tc", "qdisc", "replace", "dev", network.link_name(lab.session.id, node.number), *queue)
    inner = ("tc", "-netns", node.machine, "qdisc", "replace", "dev", "host0", *queue)
    return all(run(command).status == 0 for command in (outer, inner))
