"""Whether a sample of what is sealed can be opened; nothing of what was opened is kept or told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ffsweb.sealed import Opener, SealedError, ring_exists
from ffsweb.web import keys

from .findings import Finding, fail, ok, skipped, some

SAMPLE: Final = 5
Sealed = Iterable[tuple[str, bytes, str]]
"""What a person calls it, the sealed value, and the context that it is bound to."""


def sample(kind: str, rows: Callable[[], Sealed], *, web: bool = False) -> Finding:
    """Opens what ``rows`` has, by the ring that is for it. ``kind`` in the plural."""
    from django.conf import settings

    if not ring_exists(settings.KEYS, keys.WEB if web else keys.WORKER):
        return skipped(f"{kind}: the ring that opens them is not here.")
    return judge(kind, rows(), keys.web_opener() if web else keys.worker_opener())


def judge(kind: str, rows: Sealed, opener: Opener) -> Finding:
    """Names what cannot be opened."""
    number, closed = 0, []
    for name, sealed, context in rows:
        number += 1
        try:
            opener.open(sealed, context)
        except SealedError:
            closed.append(name)
    if closed:
        return fail(
            f"{kind}: {len(closed)} of {number} cannot be opened: {some(closed)}.",
            "The database and the keys are not of the same installation, or of another day: restore both together.",
        )
    return ok(f"{kind}: {number} looked at, all can be opened." if number else f"{kind}: there are none.")
