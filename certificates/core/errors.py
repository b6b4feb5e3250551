"""What can be wrong with certificate material.

MaterialError
├── NotPem              no certificate or key was found in what came
├── Damaged             a block without its end, or bytes that belong to no certificate file
├── TooLarge            more than anybody's chain, or more work than any key needs
├── KeyLocked           the key is encrypted and no passphrase, or a wrong one, was given
├── NoKey               there is no private key: neither in what came, nor one that waits for this certificate
├── SeveralKeys         more than one private key came
├── KeyMismatch         the key does not belong to the certificate
├── WeakKey             RSA below 2048 bits, a curve that browsers do not know, a kind that servers do not take
│   └── WeakSignature   signed with SHA-1 or MD5
├── BadChain            the issuers do not make a chain
│   ├── MissingIssuer   one between two others is missing
│   ├── AmbiguousChain  it could be put in order in more than one way
│   ├── NotAnAuthority  an issuer that may not issue certificates
│   └── PathTooLong     an issuer that may not have as many issuers below it
├── OutOfDate           the certificate has expired
└── BadName             not a DNS name or an address
"""

from __future__ import annotations


class MaterialError(ValueError):
    """Certificate material that is refused; the text says why and what to do."""


class NotPem(MaterialError):
    """No certificate or key in the text."""


class Damaged(MaterialError):
    """Cut off, or mixed with something else."""


class TooLarge(MaterialError):
    """More text than a chain or a key ever has, or a key that takes too long to open."""


class KeyLocked(MaterialError):
    """The key needs a passphrase, or another one."""


class NoKey(MaterialError):
    """A certificate alone, and no key that waits for it."""


class SeveralKeys(MaterialError):
    """More private keys than one."""


class KeyMismatch(MaterialError):
    """Key and certificate do not belong together."""


class WeakKey(MaterialError):
    """A key that is not to be used for TLS."""


class WeakSignature(WeakKey):
    """A signature that can be forged."""


class BadChain(MaterialError):
    """A chain that a client could not follow."""


class MissingIssuer(BadChain):
    """An issuer between two others is missing."""


class AmbiguousChain(BadChain):
    """More than one order is possible."""


class NotAnAuthority(BadChain):
    """An issuer that is not an authority."""


class PathTooLong(BadChain):
    """An issuer whose path length is exceeded."""


class OutOfDate(MaterialError):
    """The certificate's time is over."""


class BadName(MaterialError):
    """A name for which no certificate can be."""
