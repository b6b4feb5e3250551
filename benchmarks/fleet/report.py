"""The table, and whether ffsweb is the slowest anywhere. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

OURS: Final = "ffsweb"
HEAD: Final = """# Benchmarks: reading a fleet

This page is written by `make bench-fleet` from
[`benchmarks/results/fleet.json`](../benchmarks/results/fleet.json): do not edit it.

Measured on {cpu}, {cores} cores; {kernel}; Python {python}; {date}; load average before: {load:.1f}.

{nodes} nodes are read {rounds} times. They are addresses of loopback behind one real sshd; its forced command waits
{work:g} s, as `ffs-node facts` works, and prints a recorded answer of {size} bytes. So nothing is measured of the
nodes; what is measured is connecting, host keys, log-in, asking, and taking the answer, on the cores that sshd uses
as well. The time is that of the whole: ffsweb's is `read_due_nodes`, which checks each answer and stores it in
SQLite; pyinfra's and ansible-core's is that of their command, which prints it. ansible-core runs with pipelining,
{forks} forks and ControlPersist: its first round opens the connections, the others use them. ffsweb and pyinfra
connect each time.

| Way | First round | Median of the others | Nodes that answered |
| --- | ---: | ---: | ---: |
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds of each round, and how many nodes answered in the worst of them; or what went wrong."""

    way: str
    seconds: tuple[float, ...] = ()
    answered: int = 0
    error: str = ""

    @property
    def later(self) -> float:
        """The median of the rounds after the first, or the first if there is no other."""
        return statistics.median(self.seconds[1:] or self.seconds)


def line(row: Row) -> str:
    """Its line of the table."""
    if row.error or not row.seconds:
        said = " ".join(row.error.replace("|", "/").split())[-120:]
        return f"| {row.way} | {said} | | {row.answered} |"
    return f"| {row.way} | {row.seconds[0]:.2f} s | {row.later:.2f} s | {row.answered} |"


def missed(rows: list[Row], nodes: int) -> list[str]:
    """Where ffsweb is slower than another that did the same, or did not read all, a line each."""
    mine = next((row for row in rows if row.way == OURS), Row(OURS))
    if mine.error or not mine.seconds or mine.answered < nodes:
        return [f"ffsweb read {mine.answered} of {nodes} nodes. {mine.error}".strip()]
    complaints = []
    for row in rows:
        if row.way == OURS or row.error or row.answered < nodes:
            continue
        for what, own, other in (("first", mine.seconds[0], row.seconds[0]), ("later", mine.later, row.later)):
            if own > other:
                complaints.append(f"{what} rounds: {own:.2f} s, {row.way} takes {other:.2f} s")
    return complaints


REAL: Final = """
## {lab_nodes} real nodes

Nodes of the lab, systemd-nspawn on the same cores, with sshd, podman and `ffs-node`; each runs one service. The same
three ways read them with the dashboard's own key of each node. Beside it, what ffsweb takes for a deploy that changes
nothing on all of them: preflight, a look whether anything has to be staged, the switch with a restart of each
service, a gate with a settle window of 3 s, the confirmation and a last reading. Load average before:
{lab_load:.1f}.

| Way | First round | Median of the others | Nodes that answered |
| --- | ---: | ---: | ---: |
"""


def page(rows: list[Row], machine: dict[str, Any], real: Sequence[Row] = ()) -> str:
    """The whole page, in Markdown; ``real`` are the rows of the lab's nodes."""
    complaints = missed(rows, machine["nodes"]) + (missed(list(real), machine["lab_nodes"]) if real else [])
    verdict = "Met." if not complaints else "Missed:\n\n" + "\n".join(f"- {each}" for each in complaints)
    target = f"\n\nThe target: ffsweb is no slower than either. {verdict}\n"
    shown = REAL.format(**machine) + "\n".join(map(line, real)) if real else ""
    return HEAD.format(**machine) + "\n".join(map(line, rows)) + f"\n{shown}" + target
