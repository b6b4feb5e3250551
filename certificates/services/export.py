"""The inventory as CSV (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from certificates.core.details import describe_chain
from certificates.models import Certificate
from ffsweb.audit.export import guarded

COLUMNS = (
    "label",
    "names",
    "subject",
    "issuer",
    "serial",
    "not_before",
    "not_after",
    "days_left",
    "key",
    "signature",
    "sha256",
    "sha1",
    "chain_length",
    "source",
    "used_by",
    "added",
    "added_by",
)


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def rows(certificates: Iterable[Certificate], now: datetime) -> Iterator[str]:
    """One line of CSV after the other, the names of the columns first. No query if services were prefetched."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for certificate in certificates:
        yield writer.writerow([guarded(cell) for cell in _cells(certificate, now)])


def _cells(certificate: Certificate, now: datetime) -> list[str]:
    chain = describe_chain(certificate.chain_pem)
    leaf = chain[0]
    return [
        certificate.label,
        " ".join(certificate.names),
        leaf.subject_in_full,
        leaf.issuer_in_full,
        leaf.serial,
        _moment(certificate.not_before),
        _moment(certificate.not_after),
        str(certificate.days_left(now)),
        certificate.key_type,
        leaf.signature,
        certificate.fingerprint,
        leaf.sha1,
        str(len(chain)),
        certificate.source,
        " ".join(str(service) for service in certificate.services.all()),
        _moment(certificate.created_at),
        certificate.created_by,
    ]


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
