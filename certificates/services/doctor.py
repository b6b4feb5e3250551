"""What ``ffs doctor`` looks at of the inventory: whether its keys can be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certificates.models import Certificate, CertificateRequest
from ffsweb.doctor.findings import Check, Finding
from ffsweb.doctor.sealed import SAMPLE, Sealed, sample

if TYPE_CHECKING:
    from collections.abc import Iterator


def checks() -> tuple[Check, ...]:
    """For ``AppConfig.ready()``."""
    return (Check("keys of certificates", _look, database=True),)


def _look() -> Iterator[Finding]:
    yield sample("Keys of certificates", _keys)
    yield sample("Passphrases of certificates", _passphrases)
    yield sample("Keys of requests", _requests)


def _keys() -> Sealed:
    for row in Certificate.objects.order_by("-pk")[:SAMPLE]:
        yield row.label, bytes(row.sealed_key), row.key_context


def _passphrases() -> Sealed:
    for row in Certificate.objects.order_by("-pk")[:SAMPLE]:
        yield row.label, bytes(row.sealed_passphrase), row.passphrase_context


def _requests() -> Sealed:
    for row in CertificateRequest.objects.order_by("-pk")[:SAMPLE]:
        yield row.label, bytes(row.sealed_key), row.key_context
