"""Redis or Valkey: whether it answers, how fast, which it is, and whether it throws messages away."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .findings import Finding, fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW: Final = 0.1
OLDEST: Final = (7, 2)
TIMEOUT: Final = 3.0


@dataclass(frozen=True, slots=True)
class Server:
    """What it says. ``policy``: of eviction, "" if it does not tell."""

    name: str
    version: str
    policy: str
    seconds: float


def look() -> Iterator[Finding]:
    """One connection, three questions."""
    import redis
    from django.conf import settings

    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
        ) as client:
            found = _ask(client)
    except (redis.RedisError, OSError) as error:
        yield fail(
            f"It does not answer: {error}",
            "Operations do not begin meanwhile, and nothing is lost. Start it; or is FFSWEB_REDIS_URL right?",
        )
        return
    yield from judge(found)


def judge(found: Server) -> Iterator[Finding]:
    """Pure."""
    text = f"{found.name} {found.version} answers within {found.seconds * 1000:.0f} ms; it needs to keep nothing."
    numbers = tuple(int(part) for part in found.version.split(".")[:2] if part.isdecimal())
    if numbers and numbers < OLDEST:
        yield warn(text, "ffsweb is made for Redis or Valkey 7.2 and later.")
    elif found.seconds > SLOW:
        yield warn(text, "Logs come as late: bring it closer.")
    else:
        yield ok(text)
    if found.policy and found.policy != "noeviction":
        advice = "It may throw wake-ups away, which then come seconds later: set maxmemory-policy noeviction."
        yield warn(f"Its eviction policy is {found.policy}.", advice)


def _ask(client: Any) -> Server:
    import redis

    began = time.monotonic()
    client.ping()
    seconds = time.monotonic() - began
    try:
        told = client.info()
    except redis.RedisError:  # not allowed to this user
        told = {}
    valkey = told.get("valkey_version")
    version = str(valkey or told.get("redis_version") or "of an unknown version")
    return Server("Valkey" if valkey else "Redis", version, str(told.get("maxmemory_policy", "")), seconds)
