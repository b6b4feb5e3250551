"""How often a log-in with an access token may fail. In the cache: the web process is one (see settings)."""

from __future__ import annotations

import hashlib
import ipaddress

from django.core.cache import cache

WINDOW = 60
"""Seconds in which failures are counted together."""
PER_NAME = 10
"""Failures of one address under one name: a program with an old token."""
PER_ADDRESS = 60
"""Failures of one address under all names. Many programs may come from one."""


def exhausted(address: str, username: str) -> bool:
    """Whether so many log-ins failed lately that the next one is not looked at."""
    return any(int(cache.get(key, 0)) >= limit for key, limit in _keys(address, username))


def count(address: str, username: str) -> None:
    """One more has failed."""
    for key, _ in _keys(address, username):
        cache.add(key, 0, WINDOW)
        try:
            cache.incr(key)
        except ValueError:  # its time ended between the two
            cache.set(key, 1, WINDOW)


def told(address: str, about: str) -> bool:
    """Whether a failure of this address with the same thing was told of (``about``) within the window; it is now."""
    return not cache.add(f"token-failure-told:{_source(address)}:{about}", 1, WINDOW)


def _keys(address: str, username: str) -> tuple[tuple[str, int], tuple[str, int]]:
    address = _source(address)
    named = hashlib.sha256(username.encode("utf-8", "replace")).hexdigest()[:32]
    return (f"token-failures:{address}:{named}", PER_NAME), (f"token-failures:{address}", PER_ADDRESS)


def _source(address: str) -> str:
    """Whom an address stands for: of IPv6 the first 64 bits, for everybody has all of the others to choose from."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped) if mapped else f"{ipaddress.IPv6Address(int(found) >> 64 << 64)}/64"
