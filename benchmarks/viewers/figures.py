"""From what came to what is told: latencies, and whether a line was lost or came twice. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from benchmarks.viewers.wire import Segment, arrivals


@dataclass(frozen=True, slots=True)
class Commits:
    """When which lines were committed: (moment, last number) in order; ``bursts``: the first line of the bursts."""

    commits: list[tuple[float, int]]
    bursts: int

    @property
    def last(self) -> int:
        """The number of the last line there is."""
        return self.commits[-1][1]

    def of(self, number: int) -> float:
        """The moment at which the line was committed."""
        return self.commits[bisect_left(self.commits, number, key=lambda commit: commit[1])][0]


@dataclass(frozen=True, slots=True)
class Late:
    """Seconds from a commit to an arrival, over all lines and viewers."""

    lines: int
    median: float
    p99: float
    slowest: float


@dataclass(frozen=True, slots=True)
class Judged:
    """What the viewers got. ``lost``, ``doubled``: lines, over all viewers; out of order counts as both."""

    viewers: int
    lost: int
    doubled: int
    steady: Late | None
    bursts: Late | None


@dataclass(frozen=True, slots=True)
class Figures:
    """A row of the table: one way of serving, on one database, with so many viewers."""

    way: str
    database: str
    viewers: int
    served: int = 0
    connect_seconds: float = 0.0
    judged: Judged | None = None
    threads: int = 0
    rss: int = 0
    rss_before: int = 0
    cpu: float = 0.0
    page_median: float = 0.0
    page_p99: float = 0.0
    load: float = 0.0
    error: str = ""
    notes: list[str] = field(default_factory=list)


def judge(came: list[list[Segment]], commits: Commits) -> Judged:
    """What ``came`` on each connection, held against what was committed."""
    committed = [commits.of(number) for number in range(1, commits.last + 1)]
    steady: list[float] = []
    bursts: list[float] = []
    lost = doubled = 0
    for segments in came:
        expected = 1
        for number, moment in arrivals(segments):
            if number < expected:
                doubled += 1
                continue
            lost += number - expected
            expected = number + 1
            if number <= commits.last:
                (steady if number < commits.bursts else bursts).append(moment - committed[number - 1])
        lost += max(0, commits.last + 1 - expected)
    return Judged(len(came), lost, doubled, late(steady), late(bursts))


def late(seconds: list[float]) -> Late | None:
    """None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    count = len(ordered)
    return Late(count, ordered[count // 2], ordered[min(count - 1, int(count * 0.99))], ordered[-1])
