"""What the four versions of the application's image are made of. Pure data: what is made of it is cached by its text.

An application as many are: a distribution's base, the dependencies of a package manager, and its own files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SUITE: Final = "bookworm"
PACKAGES: Final = ("python3-minimal",)
BASES: Final = {
    "released": ("deb {mirror} {suite} main",),
    "updated": (
        "deb {mirror} {suite} main",
        "deb {mirror} {suite}-updates main",
        "deb {security} {suite}-security main",
    ),
}
"""The base as its point release has it, and with the security updates of the day on which it was made: a real one."""

PYTHON: Final = "3.11"
DJANGO: Final = {"old": "django==5.2.1", "new": "django==5.2.2"}
DEPENDENCIES: Final = (
    *("celery==5.5.3", "redis==6.2.0", "gunicorn==23.0.0", "requests==2.32.4", "numpy==2.2.6"),
    *("pydantic==2.11.7", "psycopg[binary]==3.2.9"),
)

FILES: Final = 1600
ASSETS: Final = 60
ASSET_BYTES: Final = 120_000
SEED: Final = 20_240_601
CHANGED: Final = "app/module_07/part_03.py"

DAY: Final = 86_400
BEGAN: Final = 1_700_000_000
"""Modification times, in seconds: a build gives every file that it writes one of its own."""


@dataclass(frozen=True, slots=True)
class Version:
    """One image: which tree each of its layers comes from, and what the change is called in the results."""

    name: str
    title: str
    base: str
    dependencies: str
    application: str


VERSIONS: Final = (
    Version("v1", "first push", "released", "old", "first"),
    Version("v2", "one-line change", "released", "old", "changed"),
    Version("v3", "one dependency changed", "released", "new", "changed"),
    Version("v4", "base image security update", "updated", "new", "changed"),
)
AGAIN: Final = "nothing changed"
