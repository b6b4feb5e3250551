"""The targets, and whether the figures meet them: one judgement for the page and for the exit status. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.push.competitors import BASELINE, WAYS
from benchmarks.push.recipe import AGAIN, VERSIONS
from benchmarks.push.results import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.push.results import Many, Results, Row

CHANGES: Final = (*(version.title for version in VERSIONS), AGAIN)
OPENSSH: Final = "ssh -c"
PRODUCT: Final = "ffsweb, as images go"
"""The row of the connection that is judged: the product's own endpoint, counted by its own meter."""
NO_CHANGE_SECONDS: Final = 1.0
RAW: Final = {"loopback": 0.9, "50 ms, no limit": 3.0}
"""Of OpenSSH's rate, at least."""
READ_ONCE, PAGE_SECONDS, IMPORT_BYTES = 1.5, 1.0, 200_000_000
"""Of the image's bytes read from disk for all nodes; a page's time while they are served; memory of an intake."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A figure and the target it is held to; ``most``: it is to be no more, otherwise no less."""

    what: str
    figure: float
    target: float
    most: bool = True

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.figure <= self.target if self.most else self.figure >= self.target


def judged(results: Results) -> list[Judged]:
    """Every target for which there are figures."""
    return [*_pushes(results), *_connection(results), *_many(results), *_imports(results)]


def _pushes(results: Results) -> Iterator[Judged]:
    for link in dict.fromkeys(row.link for row in results.rows):
        for change in CHANGES:
            ours = results.row(link, OURS, change)
            if ours is None:
                continue
            where = f"{link}, {change}"
            if change == AGAIN and "image" in ours.parts:
                yield Judged(f"{where}: seconds of the image step", ours.parts["image"], NO_CHANGE_SECONDS)
            others = [row for way in WAYS if (row := results.row(link, way, change))]
            if others:
                yield from _against(results, where, ours, others)


def _against(results: Results, where: str, ours: Row, others: list[Row]) -> Iterator[Judged]:
    yield Judged(f"{where}: bytes / best", ours.to_node / min(row.to_node for row in others), 1.1)
    delta = results.deltas.get(ours.change)
    if delta and "10 Mbit" in ours.link:
        yield Judged(f"{where}: bytes / zstd --patch-from", ours.to_node / delta, 1.1)
    yield Judged(f"{where}: time / best", ours.seconds / min(row.seconds for row in others), 1.0)
    plain = next((row for row in others if row.way == BASELINE), None)
    if plain and ours.change == VERSIONS[1].title:
        yield Judged(f"{where}: time / save|load", ours.seconds / plain.seconds, 0.1)


def _connection(results: Results) -> Iterator[Judged]:
    for link, target in RAW.items():
        rates = {raw.way: raw.rate for raw in results.raw if raw.link == link}
        base = next((rate for way, rate in rates.items() if way.startswith(OPENSSH)), None)
        if base and PRODUCT in rates:
            yield Judged(f"{link}: rate / OpenSSH", rates[PRODUCT] / base, target, most=False)


def _many(results: Results) -> Iterator[Judged]:
    for many in results.many:
        where = f"{many.nodes} nodes"
        yield Judged(f"{where}: failed", many.failed, 0)
        yield Judged(f"{where}: read from disk / image", many.read_from_disk / many.image_bytes, READ_ONCE)
        yield Judged(f"{where}: memory more than before / image", _more_memory(many) / many.image_bytes, 1.0)
        if many.page_slowest:
            yield Judged(f"{where}: seconds of a page", many.page_slowest, PAGE_SECONDS)


def _more_memory(many: Many) -> int:
    return many.memory_peak - many.memory_before


def _imports(results: Results) -> Iterator[Judged]:
    for each in results.imports:
        what = f"intake of {each.archive_bytes / 1e9:.0f} GB, {each.form}: bytes of memory"
        yield Judged(what, each.memory_peak, IMPORT_BYTES)
