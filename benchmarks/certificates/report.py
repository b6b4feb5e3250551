"""The table, and whether ffsweb is slower than what it is compared with. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS: Final = "ffsweb"
TABLE: Final = "| Way | Median | Range | Seen | Ratio |\n| --- | ---: | ---: | ---: | ---: |\n"
HEAD: Final = """# Benchmarks: the status of certificates

This page is written by `make bench-certificates` from
[`benchmarks/results/certificates.json`](../benchmarks/results/certificates.json): do not edit it.

Measured on {cpu}, {cores} cores; {kernel}; Python {python}; {date}; load average before: {load:.1f}; {rounds} rounds.

## {endpoints} endpoints

Ports of loopback, where one process on the same cores shakes hands by TLS with a certificate of P-256. ffsweb's time
is that of `look_at`, the beat's own look, {at_once} at a time, which stores fingerprint, end and moment of each in
SQLite, and of the table that compares them with inventory and nodes. The other way prints fingerprint and end of
each, and compares nothing; it runs as many at a time. The nodes themselves are not asked here.

"""
REAL: Final = """
## {lab_nodes} real nodes

Nodes of the lab, systemd-nspawn on the same cores; each runs one service that speaks TLS. ffsweb looks from the
dashboard **and** from each node, which it connects to by SSH for that, and compares local, server and container. The
other way shakes hands from outside alone, so the two are not judged by time here. Load average before:
{lab_load:.1f}.

"""


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds of each round, and how many certificates were seen in the worst of them."""

    way: str
    seconds: tuple[float, ...] = ()
    seen: int = 0

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


def lines(rows: Sequence[Row]) -> str:
    """Two rows, ours first, as a table."""
    told = [
        f"| {row.way} | {row.median:.2f} s | {min(row.seconds):.2f}–{max(row.seconds):.2f} s | {row.seen} | "
        f"{rows[0].median and row.median / rows[0].median:.2f} |\n"
        for row in rows
    ]
    return TABLE + "".join(told)


def missed(rows: Sequence[Row], count: int) -> list[str]:
    """Where ffsweb is slower, or did not see all, a line each. Looking from nodes as well is not compared by time."""
    mine, other = rows
    if mine.seen < count:
        return [f"ffsweb saw {mine.seen} of {count} certificates."]
    if other.seen == count and mine.median > other.median:
        return [f"ffsweb takes {mine.median:.2f} s, the other way {other.median:.2f} s."]
    return []


def page(rows: Sequence[Row], machine: dict[str, Any], real: Sequence[Row] = ()) -> str:
    """The whole page, in Markdown; ``real`` are the rows of the lab's nodes."""
    complaints = missed(rows, machine["endpoints"])
    verdict = "Met." if not complaints else "Missed: " + " ".join(complaints)
    shown = REAL.format(**machine) + lines(real) if real else ""
    target = f"\nThe target: the look at endpoints is no slower than the other way. {verdict}\n"
    return HEAD.format(**machine) + lines(rows) + target + shown
