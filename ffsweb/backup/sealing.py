"""Every kind of value that is sealed in the database: which keys they need, and whether those open them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from certificates.services import sealed_kinds as of_certificates
from deployments.services import sealed_kinds as of_the_fleet
from ffsweb.accounts.sealed_kinds import FACTORS
from ffsweb.notify.sealed_kinds import PASSWORDS
from ffsweb.sealed import CannotOpen, Opener, key_of
from ffsweb.web.keys import WEB, WORKER
from ffsweb.webhooks.sealed_kinds import SECRETS

KINDS: Final = (PASSWORDS, *of_certificates.KINDS, *of_the_fleet.KINDS, SECRETS, FACTORS)
"""Every kind. A new one has to be in the list of its application: a test compares them with the models."""


@dataclass(frozen=True, slots=True)
class SealedValue:
    """One value: what it is for an operator, the ring that opens it, and the context that it opens with."""

    kind: str
    ring: str
    context: str
    box: bytes


def every() -> Iterator[SealedValue]:
    """All of them, kind by kind."""
    for kind in KINDS:
        for _name, box, context in kind.values(None):
            if box:
                yield SealedValue(kind.one, kind.ring, context, bytes(box))


def keys_needed() -> dict[str, list[str]]:
    """The keys that sealed something that is still there, by ring. Reads every sealed value."""
    found: dict[str, set[str]] = {WEB: set(), WORKER: set()}
    for value in every():
        try:
            found[value.ring].add(key_of(value.box))
        except CannotOpen:
            continue  # no box at all: a copy of the database is as good as the database; the self-test names it
    return {ring: sorted(keys) for ring, keys in found.items()}


def closed(openers: dict[str, Opener]) -> list[str]:
    """What does not open, in words: one value of each kind and key is tried. Empty: all is well."""
    tried: set[tuple[str, str]] = set()
    found: list[str] = []
    for value in every():
        try:
            key = key_of(value.box)
            if (value.kind, key) in tried:
                continue
            tried.add((value.kind, key))
            openers[value.ring].open(value.box, value.context)
        except CannotOpen as error:
            found.append(f"{value.kind} ({value.context[:60]}): {error}")
    return found
