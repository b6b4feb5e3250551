"""The table and the targets. Pure."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.viewers.figures import Figures, Late

VIEWERS, P99 = 1000, 0.1
"""So many viewers of one log on one web process get a line within so many seconds, all but one of a hundred."""

NAMES: Final = {"ffsweb": "ffsweb", "naive": "a view that asks the database for each viewer"}
HEAD: Final = """# Benchmarks: many viewers of one log

This page is written by `make bench-viewers` from
[`benchmarks/results/viewers.json`](../benchmarks/results/viewers.json): do not edit it.

Measured on {cpu}, {cores} cores; {kernel}; Python {python}; {date}; niceness {nice}.

One web process, started as the product starts it, on a fresh database; one operation that runs as in a worker and
says 20 lines a second for {seconds:g} seconds, then {bursts} bursts of {size} lines, a second apart. The viewers are
real HTTP connections of one other process, over loopback, all opened at once; server, writer, database and viewers
share the machine's cores. *Late* is the time from the commit of a line to the arrival of its last byte at a viewer:
median, p99 and maximum over all lines and viewers. Lines that were lost or came twice are counted over all viewers.
Threads, CPU (of one core) and the peak of memory are the web process's. *Page* is the list of operations, asked for
four times a second meanwhile: median and p99. *Load* is the machine's load average before.

The other way is the view that one writes first: a `StreamingHttpResponse` that checks the same permission and asks
the database for each viewer ten times a second (Django {django}, uvicorn).

| Way | Database | Viewers | Served | Late | In bursts | Lost, twice | Threads | RSS (before) | CPU | Page | Load |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""


def page(rows: list[Figures], machine: dict[str, Any]) -> str:
    """The whole page, in Markdown."""
    complaints = missed(rows)
    verdict = "They are met." if not complaints else "Missed:\n\n" + "\n".join(f"- {each}" for each in complaints)
    targets = (
        f"The targets for ffsweb: no line lost, none twice, and with {VIEWERS} viewers a p99 of at most "
        f"{P99 * 1000:.0f} ms at 20 lines a second. {verdict}\n"
    )
    return HEAD.format(**machine) + "\n".join(map(line, rows)) + "\n\n" + targets


def line(row: Figures) -> str:
    """Its line of the table."""
    start = f"| {NAMES[row.way]} | {row.database} | {row.viewers} |"
    if row.judged is None:
        return f"{start} {row.error} | | | | | | | | |"
    cells = (
        f"{row.connect_seconds:.1f} s" if row.served == row.viewers else f"{row.served} of them",
        _late(row.judged.steady),
        _late(row.judged.bursts),
        f"{row.judged.lost} / {row.judged.doubled}",
        str(row.threads),
        f"{row.rss / 1e6:.0f} MB ({row.rss_before / 1e6:.0f})",
        f"{row.cpu:.0f} %",
        f"{row.page_median * 1000:.0f} / {row.page_p99 * 1000:.0f} ms",
        f"{row.load:.1f}",
    )
    return f"{start} " + " | ".join(cells) + " |"


def missed(rows: list[Figures]) -> list[str]:
    """What of the product's is beyond the targets or could not be measured, a line each."""
    lines = []
    for row in rows:
        if row.way != "ffsweb":
            continue
        where = f"{row.database}, {row.viewers} viewers"
        if row.judged is None:
            lines.append(f"{where}: not measured: {row.error}")
            continue
        if row.judged.lost or row.judged.doubled:
            lines.append(f"{where}: {row.judged.lost} lines were lost, {row.judged.doubled} came twice")
        if row.served < row.viewers:
            lines.append(f"{where}: only {row.served} were served")
        steady = row.judged.steady
        if row.viewers <= VIEWERS and (steady is None or steady.p99 > P99):
            shown = f"{steady.p99 * 1000:.0f} ms" if steady else "nothing came"
            lines.append(f"{where}: p99 {shown}, the target is {P99 * 1000:.0f} ms")
    return lines


def _late(late: Late | None) -> str:
    if late is None:
        return "nothing came"
    return f"{late.median * 1000:.0f} / {late.p99 * 1000:.0f} / {late.slowest * 1000:.0f} ms"
