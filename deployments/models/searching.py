"""What a search field of a page means."""

from __future__ import annotations

from functools import reduce
from operator import and_, or_

from django.db.models import Q


def with_words(search: str, *fields: str) -> Q:
    """Rows in which each word of ``search`` stands in one of these fields, in whatever case. No words: all rows."""
    words = ([Q(**{f"{field}__icontains": word}) for field in fields] for word in search.split())
    return reduce(and_, (reduce(or_, each) for each in words), Q())
