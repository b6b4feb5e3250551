"""Lists of project files that change, on the pages of plans and versions: ``{% load files %}``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from django import template

from deployments.core.filecompare import Comparison
from deployments.core.plan import FilesPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

register = template.Library()

FIRST = 200
"""How many are shown until somebody asks for all."""


@dataclass(frozen=True, slots=True)
class Row:
    """A file of the list: what happens to it, and its bytes (of its old content if it goes)."""

    word: str
    tone: str
    path: str
    size: int
    old: str = ""
    note: str = ""


@register.inclusion_tag("deployments/file_list.html", takes_context=True)
def file_list(context: Any, found: FilesPlan | Comparison, key: str, anchor: object = "") -> dict[str, Any]:
    """What is new, changed, moved and gone, the first of it; all of it where the address says ``?all=KEY``."""
    total = sum(len(part) for part in _parts(found))
    everything = context["request"].GET.get("all") == key
    shown = list(rows(found) if everything else islice(rows(found), FIRST))
    return {"shown": shown, "total": total, "left": total - len(shown), "key": key, "anchor": anchor}


def rows(found: FilesPlan | Comparison) -> Iterator[Row]:
    """All rows, by kind and path."""
    added, changed, modes, moved, removed = _parts(found)
    yield from (Row("added", "added", each.path, each.size) for each in added)
    yield from (Row("changed", "changed", each.path, each.size) for each in changed)
    yield from (Row("mode changed", "changed", each.path, each.size, note=_mode(each.mode)) for each in modes)
    for each in moved:
        yield Row("moved", "moved", each.path, each.size, old=each.old if hasattr(each, "old") else each.source)
    yield from (Row("removed", "removed", each.path, each.size) for each in removed)


def _parts(found: FilesPlan | Comparison) -> tuple[tuple[Any, ...], ...]:
    modes = found.mode_changed if isinstance(found, Comparison) else ()
    return found.added, found.changed, modes, found.moved, found.removed


def _mode(mode: int) -> str:
    return "executable now" if mode & 0o111 else "no longer executable"
