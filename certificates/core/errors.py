"""What can be wrong with certificate material.

MaterialError
├── NotPem              no certificate or key was found in the text
├── TooLarge            more than anybody's chain
├── KeyLocked           the key is encrypted and no passphrase, or a wrong one, was given
├── KeyMismatch         the key does not belong to the certificate
├── WeakKey             RSA below 2048 bits, or a key type that servers do not take
├── BadChain            the issuers are out of order, or one does not sign the one before it
└── OutOfDate           the certificate has expired
"""

from __future__ import annotations


class MaterialError(ValueError):
    """Certificate material that is refused; the text says why and what to do."""


class NotPem(MaterialError):
    """No certificate or key in the text."""


class TooLarge(MaterialError):
    """More text than a chain or a key ever has."""


class KeyLocked(MaterialError):
    """The key needs a passphrase, or another one."""


class KeyMismatch(MaterialError):
    """Key and certificate do not belong together."""


class WeakKey(MaterialError):
    """A key that is not to be used for TLS."""


class BadChain(MaterialError):
    """A chain that a client could not follow."""


class OutOfDate(MaterialError):
    """The certificate's time is over."""
