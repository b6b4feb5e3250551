"""The key rings of this installation, for the process that runs.

Two rings (see ``ffsweb.sealed``): *web* opens log-in factors and nothing else, *worker* opens everything else. A
web process gets no opener for *worker*, so whoever takes it over can write secrets and read none. Rings are read
from ``settings.KEYS`` once, and again when a rotation changed them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ffsweb.sealed import Opener, Sealer

if TYPE_CHECKING:
    from pathlib import Path

WEB: Final = "web"
WORKER: Final = "worker"
_MAY_OPEN_WORKER: Final = frozenset({"worker", "command", "test"})


def worker_sealer() -> Sealer:
    """Seals for the worker. Any process may. Raises ``RingMissing``, ``RingUnsafe``."""
    return _sealer(settings.KEYS, WORKER, _files(settings.KEYS, WORKER))


def worker_opener() -> Opener:
    """Opens what :func:`worker_sealer` sealed; ``ImproperlyConfigured`` in a web or beat process."""
    if settings.PROCESS not in _MAY_OPEN_WORKER:
        msg = (
            f"A {settings.PROCESS} process does not open secrets: hand the work to the worker as an operation, "
            "and let it open them there."
        )
        raise ImproperlyConfigured(msg)
    return _opener(settings.KEYS, WORKER, _files(settings.KEYS, WORKER))


def web_sealer() -> Sealer:
    """Seals log-in factors."""
    return _sealer(settings.KEYS, WEB, _files(settings.KEYS, WEB))


def web_opener() -> Opener:
    """Opens log-in factors."""
    return _opener(settings.KEYS, WEB, _files(settings.KEYS, WEB))


def _files(keys_dir: Path, ring: str) -> tuple[str, ...]:
    """What the ring consists of now; nothing where there is none (loading then says so)."""
    try:
        return tuple(sorted(entry.name for entry in (keys_dir / ring).iterdir()))
    except OSError:
        return ()


@lru_cache(maxsize=8)
def _sealer(keys_dir: Path, ring: str, files: tuple[str, ...]) -> Sealer:
    return Sealer.load(keys_dir, ring)


@lru_cache(maxsize=8)
def _opener(keys_dir: Path, ring: str, files: tuple[str, ...]) -> Opener:
    return Opener.load(keys_dir, ring)
