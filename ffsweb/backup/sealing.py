"""Every kind of value that is sealed in the database: which keys they need, and whether those open them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from allauth.mfa.models import Authenticator

from certificates.models import Certificate, CertificateRequest
from deployments.models import DashboardKey, Node, RegistryCredential, Release, Setting, SigningKey
from deployments.models.node import node_key_context
from deployments.models.registry import registry_context
from deployments.models.setting import setting_context
from deployments.models.signing import signing_key_context
from ffsweb.accounts import mfa
from ffsweb.notify.models import MailServer
from ffsweb.sealed import CannotOpen, Opener, key_of
from ffsweb.web.keys import WEB, WORKER
from ffsweb.webhooks.models import Endpoint


@dataclass(frozen=True, slots=True)
class SealedValue:
    """One value: what it is for an operator, the ring that opens it, and the context that it opens with."""

    kind: str
    ring: str
    context: str
    box: bytes


def every() -> Iterator[SealedValue]:
    """All of them, kind by kind. A new kind has to be added here: a test compares it with the models."""
    for kind, ring, found in (
        ("the password of the mail server", WORKER, _mail()),
        ("the private key of a certificate", WORKER, _certificates()),
        ("the passphrase of a certificate", WORKER, _passphrases()),
        ("the private key of a certificate request", WORKER, _requests()),
        ("the SSH key of a node", WORKER, _nodes()),
        ("another SSH key of a node", WORKER, _dashboard_keys()),
        ("the key that signs upgrades", WORKER, _signing()),
        ("the password of a registry", WORKER, _registries()),
        ("a setting", WORKER, _settings()),
        ("a setting of a release", WORKER, _releases()),
        ("the secret of a webhook", WORKER, _webhooks()),
        ("a second factor", WEB, _factors()),
    ):
        for box, context in found:
            if box:
                yield SealedValue(kind, ring, context, bytes(box))


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


_Boxes = Iterator[tuple[bytes | None, str]]


def _mail() -> _Boxes:
    return ((row.sealed_password, row.context) for row in MailServer.objects.all())


def _certificates() -> _Boxes:
    return ((row.sealed_key, row.key_context) for row in Certificate.objects.iterator())


def _passphrases() -> _Boxes:
    return ((row.sealed_passphrase, row.passphrase_context) for row in Certificate.objects.iterator())


def _requests() -> _Boxes:
    return ((row.sealed_key, row.key_context) for row in CertificateRequest.objects.iterator())


def _nodes() -> _Boxes:
    return ((row.sealed_private_key, node_key_context(row.public_key)) for row in Node.objects.iterator())


def _dashboard_keys() -> _Boxes:
    return ((row.sealed_private_key, node_key_context(row.public_key)) for row in DashboardKey.objects.iterator())


def _signing() -> _Boxes:
    return ((row.sealed_private_key, signing_key_context(row.public_key)) for row in SigningKey.objects.iterator())


def _registries() -> _Boxes:
    rows = RegistryCredential.objects.iterator()
    return ((row.sealed_password, registry_context(row.project_id, row.host)) for row in rows)


def _settings() -> _Boxes:
    return ((row.sealed, setting_context(row.project_id, row.name)) for row in Setting.objects.iterator())


def _releases() -> _Boxes:
    for project, sealed in Release.objects.values_list("project", "sealed_settings").iterator():
        yield from ((_decoded(text), setting_context(project, name)) for name, text in sealed.items())


def _webhooks() -> _Boxes:
    for row in Endpoint.objects.iterator():
        yield from ((box, row.context) for box in (row.sealed_secret, row.sealed_old_secret))


def _factors() -> _Boxes:
    for data in Authenticator.objects.values_list("data", flat=True):
        yield from ((_decoded(data[name]), mfa.CONTEXT) for name in ("secret", "seed") if data.get(name))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b"\0"  # no box; what opens it says so
