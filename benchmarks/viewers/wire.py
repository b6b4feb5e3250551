"""What came on one connection, as the numbers of log lines and when each had wholly come. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

Segment = tuple[float, bytes]
"""When it came, and the bytes."""

_NUMBER = re.compile(rb'"n":(\d+),')
_CHUNK = re.compile(rb"([0-9a-fA-F]+)\r\n")


def arrivals(segments: list[Segment]) -> Iterator[tuple[int, float]]:
    """(number, moment) of each line in the order in which they came: the moment of its chunk's last byte.

    ``segments``: an HTTP/1.1 answer with chunked transfer encoding. A chunk that is not complete counts as not come.
    """
    whole = b"".join(data for _, data in segments)
    ends = list(accumulate(len(data) for _, data in segments))
    place = whole.find(b"\r\n\r\n") + 4
    while (head := _CHUNK.match(whole, place)) is not None:
        start = head.end()
        place = start + int(head[1], 16) + 2
        if place > len(whole):
            return
        moment = segments[bisect_left(ends, place)][0]
        for number in _NUMBER.findall(whole, start, place):
            yield int(number), moment
