"""Lists in pages: by the number of the last row that was seen, so that what comes meanwhile moves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from ninja import Field, Schema

Row = TypeVar("Row", bound=Model)
Item = TypeVar("Item")

LARGEST = 2**53 - 1
"""Of the numbers in the API: what JSON is read into everywhere."""
MOST = 200


class Paging(Schema):
    """Which page of a list."""

    after: int = Field(0, ge=0, le=LARGEST, description="“next” of the page before; 0: the first page.")
    limit: int = Field(50, ge=1, le=MOST, description="Rows of a page.")


class Page(Schema, Generic[Item]):
    """A part of a list. ``next`` is what to ask ``after`` for the next one; null on the last page."""

    items: list[Item]
    next: int | None


def page(
    rows: QuerySet[Row], paging: Paging, shape: Callable[[Row], Any], *, newest_first: bool = False
) -> dict[str, Any]:
    """One page of ``rows`` by their keys. One query, and what ``rows`` prefetches."""
    if newest_first:
        rows = rows.filter(pk__lt=paging.after) if paging.after else rows
        found = list(rows.order_by("-pk")[: paging.limit + 1])
    else:
        found = list(rows.filter(pk__gt=paging.after).order_by("pk")[: paging.limit + 1])
    shown = found[: paging.limit]
    return {"items": [shape(row) for row in shown], "next": shown[-1].pk if len(found) > len(shown) else None}
