"""Puts a certificate and its issuers in order, and says what a client could not follow. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from .details import short_name, signature_name
from .errors import AmbiguousChain, BadChain, MissingIssuer, NotAnAuthority, PathTooLong, WeakSignature
from .keys import public_digest, refuse_weak

MAX_CHAIN = 10
_FORGEABLE = ("MD5", "SHA-1")


def arrange(
    certificates: Sequence[x509.Certificate], publics: frozenset[str]
) -> tuple[list[x509.Certificate], list[str]]:
    """The chain, the certificate of one of the keys ``publics`` (digests) first, and what was mended, in words.

    Duplicates are dropped, and a wrong order is mended where only one is right. Raises BadChain; no certificate of
    these keys gives an empty chain; WeakSignature: nobody can tell any more what such a one belongs to.
    """
    notes: list[str] = []
    unique = list({certificate.fingerprint(hashes.SHA256()): certificate for certificate in certificates}.values())
    if len(unique) < len(certificates):
        notes.append("A certificate that was there twice was left out once.")
    for certificate in unique:
        if certificate.issuer != certificate.subject:  # of a root nobody checks it: it is known or it is not
            _refuse_forgeable(certificate)
    if len(unique) > MAX_CHAIN:
        raise BadChain(f"The chain has {len(unique)} certificates; at most {MAX_CHAIN} are taken.")
    ours = [certificate for certificate in unique if public_digest(certificate.public_key()) in publics]
    if not ours:
        return [], notes
    if unique[0] in ours and all(signs(issuer, certificate) for certificate, issuer in pairwise(unique)):
        return unique, notes
    if len(ours) > 1:
        raise AmbiguousChain(
            "There are several certificates for this key. Leave the one that is to be used, with its issuers."
        )
    chain = _sorted(ours[0], [certificate for certificate in unique if certificate is not ours[0]])
    notes.append("The chain was out of order and was put in order: the server's certificate, then each issuer.")
    return chain, notes


def check(chain: Sequence[x509.Certificate]) -> None:
    """Raise BadChain or WeakKey for an ordered chain that no client should follow."""
    for position, certificate in enumerate(chain):
        refuse_weak(certificate.public_key(), f" of {short_name(certificate.subject)}" if position else "")
    _refuse_forgeable(chain[0])
    for position, issuer in enumerate(chain[1:]):
        _refuse_no_authority(issuer, below=chain[1 : position + 1])


def signs(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether ``issuer`` signed ``certificate``."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def self_signed(certificate: x509.Certificate) -> bool:
    """Whether it signed itself: a root, or a server's own."""
    return certificate.issuer == certificate.subject and signs(certificate, certificate)


def _sorted(leaf: x509.Certificate, others: list[x509.Certificate]) -> list[x509.Certificate]:
    chain, rest = [leaf], list(others)
    while rest:
        issuers = [certificate for certificate in rest if signs(certificate, chain[-1])]
        if len(issuers) > 1:
            raise AmbiguousChain(
                f"Several of the certificates signed {short_name(chain[-1].subject)}. Put the chain in order "
                "yourself: the server's own certificate first, then each issuer after the one that it signed."
            )
        if not issuers:
            raise _gap(chain[-1], rest)
        chain.append(issuers[0])
        rest.remove(issuers[0])
    return chain


def _gap(last: x509.Certificate, rest: list[x509.Certificate]) -> BadChain:
    strangers = ", ".join(short_name(certificate.subject) for certificate in rest)
    if self_signed(last):
        return BadChain(
            f"{short_name(last.subject)} ends the chain, and these did not sign any of it: {strangers}. "
            "Leave them out."
        )
    return MissingIssuer(
        f"{short_name(last.subject)} was issued by {short_name(last.issuer)}, which is missing; these did not sign "
        f"it: {strangers}. Add the missing one, or leave those out."
    )


def _refuse_forgeable(certificate: x509.Certificate) -> None:
    signature = signature_name(certificate)
    if signature.endswith(_FORGEABLE):
        raise WeakSignature(
            f"{short_name(certificate.subject)} is signed with {signature}, which can be forged and which "
            "no client takes. Ask for one that is signed with SHA-256."
        )


def _refuse_no_authority(issuer: x509.Certificate, *, below: Sequence[x509.Certificate]) -> None:
    """``below`` are the issuers between it and the server's own certificate."""
    name = short_name(issuer.subject)
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = None
    if constraints is None or not constraints.ca:
        raise NotAnAuthority(f"{name} signed another certificate, but it is not an authority: clients refuse that.")
    if not _may_sign(issuer):
        raise NotAnAuthority(f"{name} may not sign certificates (its key usage): clients refuse the chain.")
    counted = sum(1 for each in below if each.issuer != each.subject)
    if constraints.path_length is not None and counted > constraints.path_length:
        raise PathTooLong(
            f"{name} allows {constraints.path_length} issuers below it, and the chain has {counted}: clients refuse "
            "that."
        )


def _may_sign(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True
