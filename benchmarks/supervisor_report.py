"""What was measured, as a page of the documentation, and whether it is within the limits. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

RSS, CPU = 20e6, 0.1
"""Bytes and percent of one processor that four programs may cost."""
HEAD: Final = """# Benchmarks: what the supervisor costs

This page is written by `make bench-supervisor` from
[`benchmarks/results/supervisor.json`](../benchmarks/results/supervisor.json): do not edit it.

Measured on {cpu}, {cores} cores; {kernel}; Python {python}; supervisord {supervisord}; s6 {s6}; {date}.

{children} programs are kept running, {seconds:g} seconds are measured once all of them run{rounds}. RSS and its
proportional share (Pss) are those of the supervisor's own processes, the programs excepted; CPU is the time that the
kernel gave to these, in percent of one processor. The programs are the same for all, but only *ours* watches them as
well: they write a heartbeat every ten seconds, or answer a probe every ten seconds. Ours is started as a unit starts
it, `python3 -I -S`; the others are Debian's packages.

| Supervisor | Programs | Processes | RSS | Pss | CPU |
| --- | ---: | ---: | ---: | ---: | ---: |
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Bytes of memory, percent of one processor, and the number of processes measured; or why there are none."""

    name: str
    programs: int
    processes: int = 0
    rss: int = 0
    pss: int = 0
    cpu: float = 0.0
    missing: str = ""

    @property
    def ours(self) -> bool:
        """Whether the limits are for it."""
        return self.name.startswith("ours")


def worst(rounds: list[Figures]) -> Figures:
    """The round that cost most processor time, with the most memory of any."""
    most = max(rounds, key=lambda figures: figures.cpu)
    numbers = {"rss": max(each.rss for each in rounds), "pss": max(each.pss for each in rounds)}
    return Figures(**{**asdict(most), **numbers})


def too_much(rows: list[Figures]) -> list[str]:
    """What of ours is beyond the limits or could not be measured, a line each."""
    lines = []
    for row in rows:
        if row.ours and row.missing:
            lines.append(f"{row.name}: not measured: {row.missing}")
        if row.ours and row.rss > RSS:
            lines.append(f"{row.name}: {row.rss / 1e6:.1f} MB of memory, the limit is {RSS / 1e6:.0f} MB")
        if row.ours and row.cpu > CPU:
            lines.append(f"{row.name}: {row.cpu:.3f} % of a processor, the limit is {CPU:g} %")
    return lines


def line(row: Figures) -> str:
    """Its line of the table."""
    if row.missing:
        return f"| {row.name} | {row.programs} | | {row.missing} | | |"
    cells = (f"{row.rss / 1e6:.1f} MB", f"{row.pss / 1e6:.1f} MB", f"{row.cpu:.3f} %")
    return f"| {row.name} | {row.programs} | {row.processes} | " + " | ".join(cells) + " |"


def page(rows: list[Figures], machine: dict[str, Any]) -> str:
    """The whole page, in Markdown."""
    rounds = f", {machine['rounds']} times; the worst counts" if machine["rounds"] > 1 else ""
    limits = f"The limits are {RSS / 1e6:.0f} MB and {CPU:g} %: the command fails when ours is beyond them.\n"
    return HEAD.format(**{**machine, "rounds": rounds}) + "\n".join(map(line, rows)) + "\n\n" + limits
