"""Whether a sample of what is sealed can be opened; nothing of what was opened is kept or told."""

from __future__ import annotations

from typing import Final

from ffsweb.sealed import Opener, SealedError, ring_exists
from ffsweb.web import keys
from ffsweb.web.sealed_kinds import SealedKind, Values

from .findings import Finding, fail, ok, skipped, some

SAMPLE: Final = 5


def sample(kind: SealedKind) -> Finding:
    """Opens those of the newest rows, by the ring that is for it."""
    from django.conf import settings

    if not ring_exists(settings.KEYS, kind.ring):
        return skipped(f"{kind.many}: the ring that opens them is not here.")
    opener = keys.web_opener() if kind.ring == keys.WEB else keys.worker_opener()
    return judge(kind.many, kind.values(SAMPLE), opener)


def judge(kind: str, values: Values, opener: Opener) -> Finding:
    """Names what cannot be opened. ``kind`` in the plural."""
    number, closed = 0, []
    for name, sealed, context in values:
        if not sealed:
            continue
        number += 1
        try:
            opener.open(bytes(sealed), context)
        except SealedError:
            closed.append(name)
    if closed:
        return fail(
            f"{kind}: {len(closed)} of {number} cannot be opened: {some(closed)}.",
            "The database and the keys are not of the same installation, or of another day: restore both together.",
        )
    return ok(f"{kind}: {number} looked at, all can be opened." if number else f"{kind}: there are none.")
