"""The tables of the report. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.push.competitors import BASELINE, WAYS
from benchmarks.push.recipe import AGAIN, VERSIONS
from benchmarks.push.results import OURS
from benchmarks.push.targets import CHANGES, OPENSSH, PRODUCT, judged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.push.results import Results, Row


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown; all columns but the first are figures."""
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def size(count: float) -> str:
    """Bytes for people."""
    if count >= 1e8:
        return f"{count / 1e6:.0f} MB"
    if count >= 1e6:
        return f"{count / 1e6:.2f} MB"
    return f"{count / 1e3:.1f} kB"


def push_table(results: Results, link: str) -> str:
    """Bytes and seconds of every way over one link, a column for each change."""
    rows = []
    for way in (*WAYS, OURS):
        cells = [_cell(results, link, way, change) for change in CHANGES]
        if any(cells):
            shown = f"**{way}**" if way == OURS else f"`{way}`" if "|" not in way else f"`{way}`".replace("|", "\\|")
            rows.append([shown, *(cell or "–" for cell in cells)])
    notes = [f"{row.way}, {row.change}: {row.error}" for row in results.rows if row.link == link and row.error]
    return table(("", *CHANGES), rows) + "".join(f"\n\nNo figure for {note}" for note in notes)


def _cell(results: Results, link: str, way: str, change: str) -> str:
    row = results.row(link, way, change)
    return f"{size(row.to_node)}, {row.seconds:.2f} s" if row else ""


def targets_table(results: Results, links: Sequence[str]) -> str:
    """ffsweb against the best of the others (each figure's own best), a binary delta, and the plainest way."""
    rows = []
    for link in links:
        for change in CHANGES:
            ours = results.row(link, OURS, change)
            others = [row for way in WAYS if (row := results.row(link, way, change))]
            if ours is None or not others:
                continue
            rows.append([link, change, *_ratios(results, ours, others)])
    head = ("link", "change", "bytes / best", "bytes / zstd --patch-from", "time / best", "time / save\\|load")
    legend = (
        "\n\nTargets: bytes at most 1.1 × the best of the others, and 1.1 × a `zstd --patch-from` of the changed "
        "layers on the slow link; time at most the best of the others, and 0.1 × `podman save | ssh podman load` "
        "for the one-line change; the image step in less than a second where nothing changed. A figure that is over "
        "stands in bold."
    )
    return table(head, rows) + legend


def verdict(results: Results) -> str:
    """Every target that is missed, or that all are met."""
    every = judged(results)
    missed = [f"- {each.what}: {each.figure:.3g}, the target is {each.target:.3g}" for each in every if not each.met]
    met = f"{len(every) - len(missed)} of {len(every)} targets are met."
    return met + ("\n\nMissed:\n\n" + "\n".join(missed) if missed else "") + _connecting(results)


def _connecting(results: Results) -> str:
    """What of a small difference is the connection itself, where that is a good part of it; or ""."""
    change = VERSIONS[1].title
    delta = results.deltas.get(change)
    bare = [row.to_node for row in results.rows if row.way == OURS and row.change == AGAIN and not row.error]
    if not delta or not bare or min(bare) < 0.1 * delta:
        return ""
    return (
        f"\n\n`zstd --patch-from` makes {size(delta)} of the {change}. Of what ffsweb sends for it, connecting, "
        f"logging in and reading the node are {size(min(bare))} (the row “{AGAIN}”), half of that the key exchange "
        "that holds against quantum computers."
    )


def _ratios(results: Results, ours: Row, others: list[Row]) -> list[str]:
    fewest = min(row.to_node for row in others)
    quickest = min(row.seconds for row in others)
    delta = results.deltas.get(ours.change)
    slow = "10 Mbit" in ours.link
    plain = next((row for row in others if row.way == BASELINE), None)
    one_line = ours.change == VERSIONS[1].title
    return [
        _ratio(ours.to_node, fewest, 1.1),
        _ratio(ours.to_node, delta, 1.1 if slow else None) if delta else "",
        _ratio(ours.seconds, quickest, 1.0),
        _ratio(ours.seconds, plain.seconds, 0.1 if one_line else None) if plain else "",
    ]


def _ratio(value: float, other: float, limit: float | None) -> str:
    ratio = value / other
    text = f"{ratio:.3f}" if ratio < 0.1 else f"{ratio:.2f}"
    return f"**{text}**" if limit is not None and ratio > limit else text


def raw_table(results: Results) -> str:
    """Throughput to /dev/null on a node."""
    rows = []
    for link in dict.fromkeys(raw.link for raw in results.raw):
        measured = [raw for raw in results.raw if raw.link == link]
        base = next((raw.rate for raw in measured if raw.way.startswith(OPENSSH)), None)
        rows += [
            [f"{link}: {raw.way}", f"{raw.rate / 1e6:.0f} MB/s", f"{raw.rate / base:.2f}" if base else ""]
            for raw in measured
        ]
    legend = (
        f"\n\nTargets for *{PRODUCT}* (its endpoint, its counting): at least 0.9 × OpenSSH at loopback, and 3 × at "
        "50 ms (medians of three rounds)."
    )
    return table(("link and way", "rate", "/ OpenSSH"), rows) + legend


def many_table(results: Results) -> str:
    """What the dashboard's process took for a push to many nodes."""
    rows = [
        [
            f"{many.nodes} nodes, image of {size(many.image_bytes)}",
            size(many.to_nodes),
            size(many.read_from_disk),
            size(many.read_by_calls),
            f"{size(many.memory_before)} → {size(many.memory_peak)}",
            f"{many.seconds:.0f} s",
            f"{many.processor_seconds:.0f} s",
            f"{many.page_median * 1000:.0f} / {many.page_slowest * 1000:.0f} ms" if many.page_slowest else "–",
            str(many.failed),
        ]
        for many in results.many
    ]
    head = (
        "",
        "to the nodes",
        "read from disk",
        "read",
        "memory, before → peak",
        "time",
        "processor",
        "page",
        "failed",
    )
    legend = (
        "\n\nThe page cache was dropped before, and what is made of the image once was made. Nodes and dashboard "
        "share this machine, so the time is theirs together; the nodes come last for its processors, since in life "
        "they have their own. *Read* is by all calls, sockets included; *page* is how long the log-in page took "
        "meanwhile, the median and what one of a hundred exceeds. Targets: nothing fails, "
        "1.5 × the image read from disk and the image's size of memory at most, and a page within a second."
    )
    return table(head, rows) + legend


def import_table(results: Results) -> str:
    """What taking an archive in costs."""
    rows = [
        [
            f"{each.form}, {size(each.archive_bytes)}",
            size(each.layer_bytes),
            f"{each.seconds:.0f} s",
            f"{each.processor_seconds:.0f} s",
            f"{size(each.memory_before)} → {size(each.memory_peak)}",
        ]
        for each in results.imports
    ]
    head = ("archive", "layers", "time", "processor", "memory, before → peak")
    return table(head, rows) + "\n\nTarget: less than 200 MB of memory."
