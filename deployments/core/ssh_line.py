"""Public keys as OpenSSH writes them on one line (sshd(8), AUTHORIZED_KEYS FILE FORMAT; RFC 4253 section 6.6)."""

from __future__ import annotations

import base64
import binascii

KINDS = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
MAX_LINE = 8192


def public_key_problem(line: str, kinds: tuple[str, ...] = KINDS) -> str | None:
    """What is wrong with ``type base64 [comment]``, or None. Options before the type are refused."""
    if len(line) > MAX_LINE:
        return f"a public key has at most {MAX_LINE} characters"
    if not line.isprintable():
        return "a public key is one line without control characters"
    if "PRIVATE KEY" in line:
        return "this is a private key; give the public one"
    kind, _, rest = line.strip().partition(" ")
    if kind not in kinds:
        return f"a public key begins with its type ({', '.join(kinds[:3])} …), without options before it"
    blob = rest.strip().partition(" ")[0]
    try:
        data = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return "the key is not base64"
    name = kind.encode()
    if data[:4] != len(name).to_bytes(4, "big") or data[4 : 4 + len(name)] != name or len(data) < len(name) + 12:
        return f"the key is cut off, or is not of the type {kind}"
    return None
