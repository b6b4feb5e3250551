"""What was measured: plain values, kept as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

OURS: Final = "ffsweb"


@dataclass(frozen=True, slots=True)
class Row:
    """One way of one change over one link. ``to_node`` and ``from_node`` are bytes, ``seconds`` is wall time.

    ``prepared`` is what was made in advance, in seconds, and is not part of ``seconds``. ``parts`` says where the
    time went, ``log`` what the product said of it. ``shaped`` is who limited the rate: "tbf", "relay", "" for nobody.
    ``error`` says why there is no figure.
    """

    link: str
    way: str
    change: str
    seconds: float = 0.0
    to_node: int = 0
    from_node: int = 0
    prepared: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    shaped: str = ""
    log: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """Throughput of one stream of bytes to a node, in bytes a second."""

    link: str
    way: str
    rate: float
    size: int


@dataclass(frozen=True, slots=True)
class Many:
    """One image to many nodes at once. Bytes; ``seconds`` is wall time of the whole."""

    nodes: int
    image_bytes: int
    to_nodes: int
    read_from_disk: int
    read_by_calls: int
    memory_before: int
    memory_peak: int
    seconds: float
    processor_seconds: float
    failed: int = 0
    page_median: float = 0.0
    page_slowest: float = 0.0
    """Seconds of a page of the dashboard meanwhile; one of a hundred takes longer than the slowest."""


@dataclass(frozen=True, slots=True)
class Imported:
    """An archive that was taken in, by a process of its own: bytes and seconds."""

    form: str
    archive_bytes: int
    layer_bytes: int
    seconds: float
    processor_seconds: float
    memory_before: int
    memory_peak: int


@dataclass(slots=True)
class Results:
    """A whole run, in the order in which it was measured."""

    machine: dict[str, str] = field(default_factory=dict)
    command: str = ""
    image: list[dict[str, Any]] = field(default_factory=list)
    deltas: dict[str, int] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    raw: list[Raw] = field(default_factory=list)
    many: list[Many] = field(default_factory=list)
    imports: list[Imported] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Replace the file; after each row, so that nothing measured is lost."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(self), indent=1) + "\n")
        unfinished.rename(path)

    @classmethod
    def load(cls, path: Path) -> Results:
        """What :meth:`save` wrote."""
        value = json.loads(path.read_text())
        value["rows"] = [Row(**row) for row in value["rows"]]
        value["raw"] = [Raw(**row) for row in value["raw"]]
        value["many"] = [Many(**row) for row in value["many"]]
        value["imports"] = [Imported(**row) for row in value.get("imports", ())]
        return cls(**value)

    def row(self, link: str, way: str, change: str) -> Row | None:
        """The last measurement of it that came to an end."""
        found = [row for row in self.rows if (row.link, row.way, row.change) == (link, way, change) and not row.error]
        return found[-1] if found else None
