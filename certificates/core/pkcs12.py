"""Makes PEM of PKCS#12. ``python -m certificates.core.pkcs12`` does it apart, with a bound on its time.

``cryptography`` proves an RSA key to be sound when it opens a store, with the interpreter's lock held, for minutes
if the key is long enough; how long it is cannot be read before. So a process that serves others has it done by a
child: standard input is the length of the passphrase (4 bytes), the passphrase, the store; standard output the PEM,
or with exit status 3 the name of an error and its text.
"""

from __future__ import annotations

import resource
import sys

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from .errors import KeyLocked, MaterialError, NotPem, WeakKey
from .workfactor import refuse_endless_work

REFUSED = 3
SECONDS = 10
"""Of processor time in the child."""


def to_pem(data: bytes, passphrase: bytes | None) -> bytes:
    """The certificates and the key (unencrypted) of a store; raises MaterialError."""
    refuse_endless_work(data)
    try:
        store = pkcs12.load_pkcs12(data, passphrase or None)
    except UnsupportedAlgorithm as error:
        raise WeakKey(
            "The PKCS#12 file is encrypted in an old way that is not read here. Convert it: openssl pkcs12 -legacy."
        ) from error
    except (ValueError, TypeError) as error:
        raise KeyLocked(
            "The PKCS#12 file does not open: "
            + ("the passphrase is wrong, or the file is damaged." if passphrase else "give its passphrase too.")
        ) from error
    certificates = [each.certificate for each in (store.cert, *store.additional_certs) if each is not None]
    if not certificates:
        raise NotPem("There is no certificate in the PKCS#12 file.")
    pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)
    if store.key is not None:
        pem += store.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    return pem


def _main() -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    given = sys.stdin.buffer.read()
    size = int.from_bytes(given[:4], "big")
    try:
        answer, status = to_pem(given[4 + size :], given[4 : 4 + size] or None), 0
    except MaterialError as error:
        answer, status = f"{type(error).__name__} {error}".encode(), REFUSED
    sys.stdout.buffer.write(answer)
    return status


if __name__ == "__main__":
    raise SystemExit(_main())
