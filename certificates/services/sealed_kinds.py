"""What is sealed of the inventory."""

from __future__ import annotations

from certificates.models import Certificate, CertificateRequest
from ffsweb.web.sealed_kinds import SealedKind, Values


def _keys(most: int | None) -> Values:
    for row in Certificate.objects.order_by("-pk")[:most].iterator():
        yield row.label, row.sealed_key, row.key_context


def _passphrases(most: int | None) -> Values:
    for row in Certificate.objects.order_by("-pk")[:most].iterator():
        yield row.label, row.sealed_passphrase, row.passphrase_context


def _requests(most: int | None) -> Values:
    for row in CertificateRequest.objects.order_by("-pk")[:most].iterator():
        yield row.label, row.sealed_key, row.key_context


KINDS = (
    SealedKind("the private key of a certificate", "Keys of certificates", _keys),
    SealedKind("the passphrase of a certificate", "Passphrases of certificates", _passphrases),
    SealedKind("the private key of a certificate request", "Keys of requests", _requests),
)
