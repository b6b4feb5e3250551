"""The keys: whether the rings open for whoever is to open them. Their modes are among the settings' problems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .findings import Finding, fail, ok, skipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffsweb.env import Environment

LOST = "Restore FFSWEB_KEYS from its backup; without it the stored secrets are gone. See docs/operating.md."


def look(values: Environment) -> Iterator[Finding]:
    """Both rings."""
    from ffsweb.sealed import ring_exists
    from ffsweb.web import keys

    if not values.keys.is_dir():
        yield fail(f"{values.keys} is not there.", f"Before the first start: `ffs prepare`. Later: {LOST}")
        return
    yield _opens("The ring web opens (log-in factors).", keys.web_opener)
    yield _opens("The public half of the ring worker is there: secrets can be sealed.", keys.worker_sealer)
    if ring_exists(values.keys, "worker"):
        yield _opens("The ring worker opens (all other secrets).", keys.worker_opener)
    else:
        yield skipped("The private half of the ring worker is not here, as it should be beside web and beat.")


def _opens(text: str, load: Callable[[], object]) -> Finding:
    from ffsweb.sealed import SealedError

    try:
        load()
    except (SealedError, OSError) as error:
        return fail(str(error), LOST)
    return ok(text)
