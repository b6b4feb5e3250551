"""Every page that one person can reach by links, as a browser would follow them."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urldefrag, urljoin

from django.test import Client

LINK = re.compile(r'(?:href|src|hx-get|action)="([^"]*)"')
LIMIT = 300
"""Pages; more means that links breed links."""


def crawl(client: Client, start: str = "/") -> dict[str, bytes]:
    """The body of every page of this site that is linked from ``start`` on, by its address; downloads included.

    Only GET is sent. Addresses that answer with something other than 200 are left out. Raises AssertionError where
    links lead to more than LIMIT pages.
    """
    found: dict[str, bytes] = {}
    seen, left = {start}, [start]
    while left:
        address = left.pop()
        answer = client.get(address)
        if answer.status_code != 200:
            continue
        assert len(found) < LIMIT, "links lead to ever more pages"
        kind = str(answer.headers.get("Content-Type", ""))
        if kind.startswith("text/event-stream"):
            continue  # it may never end
        body = answer.getvalue()  # also of a download that is sent in pieces
        found[address] = body
        if not kind.startswith("text/html"):
            continue
        for link in LINK.findall(body.decode()):
            target = urldefrag(urljoin(address, unescape(link)))[0]
            if target.startswith("/") and not target.startswith(("//", "/static/")) and target not in seen:
                seen.add(target)
                left.append(target)
    return found
