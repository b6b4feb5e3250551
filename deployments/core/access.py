"""Access keys on a node: what is said to ``ffs-node`` about them, and what it answers, read without trust. Pure.

A key is its type and its base64 blob, ``ssh-ed25519 AAAA…``: comments and options are not part of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from deployments.core.node_argv import PREFIX, Argv, Fence, command
from deployments.core.node_events import BadAnswer, Refused

if TYPE_CHECKING:
    from deployments.core.node_events import Answer, AnswerError

MAX_KEYS: Final = 1000
NAMESPACE: Final = "ffs-node-access"
"""Of signatures of a :func:`statement`; none of them counts as one of an upgrade."""
_KEY: Final = re.compile(r"[a-z0-9@.-]{1,60} [A-Za-z0-9+/]{1,9000}={0,2}")
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\u00a1-\u02ff]")


@dataclass(frozen=True, slots=True)
class HeldKey:
    """One key in one file; ``heeded``: sshd takes notice of the file (nobody else may write there)."""

    file: str
    key: str
    options: str
    comment: str
    heeded: bool

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        return fingerprint(self.key)


@dataclass(frozen=True, slots=True)
class Held:
    """All keys by which one user can log in. ``other_ways`` are settings of sshd by which more could, unseen;
    ``unread`` counts lines that are no key, ``break_glass`` are the keys that the node never removes."""

    keys: tuple[HeldKey, ...]
    other_ways: tuple[str, ...]
    unread: int
    break_glass: frozenset[str]

    def holds(self, key: str) -> bool:
        """Whether sshd takes this key."""
        return any(held.key == key and held.heeded for held in self.keys)

    def files_of(self, key: str) -> tuple[str, ...]:
        """Where it is, heeded or not."""
        return tuple(held.file for held in self.keys if held.key == key)


def bare(line: str) -> str:
    """The key of a public key's line, without its comment."""
    return " ".join(line.split()[:2])


def fingerprint(key: str) -> str:
    """Of TYPE BLOB, as ``ssh-keygen -l`` prints it; "" for what is not base64."""
    try:
        blob = base64.b64decode(key.split()[1], validate=True)
    except (IndexError, ValueError, binascii.Error):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def list_keys(user: str) -> Argv:
    """The keys that sshd really reads for ``core`` or ``ffsweb``; the answer is for :func:`held`."""
    return command("access", user=user)


def add_key(fence: Fence, user: str, *, break_glass: bool = False) -> Argv:
    """Let the key of :func:`add_input` log in as ``user``; answers ``added``. The same key twice is one. Signed for
    ``core``: who logs in as ``core`` is root, and a dashboard key alone must not be.

    A ``break_glass`` key (of ``core``) is never removed by ``ffs-node`` again.
    """
    argv = command("access-add", fence, user=user)
    return (*argv, "--break-glass") if break_glass else argv


def add_input(line: str, signature: str = "") -> bytes:
    """TYPE BLOB, and of the comment what a node takes; for ``core`` also the signature of :func:`statement`."""
    comment = re.sub(r"[^A-Za-z0-9 @._+:-]", "_", " ".join(line.split()[2:]))[:99].strip()
    return f"{bare(line)} {comment}".strip().encode() + b"\n" + signature.encode()


def remove_key(fence: Fence, user: str) -> Argv:
    """Take the key of :func:`remove_input` out of every file that sshd reads; answers ``removed``, a number of lines.

    Refused for the key of the session itself (code ``own-key``), the last one of the user (``last-key``) and a
    break-glass key (``break-glass``).
    """
    return command("access-remove", fence, user=user)


def remove_input(key: str, *, mine: str = "", signature: str = "") -> bytes:
    """The key to remove; for ``ffsweb`` the one by which this session was logged in, for ``core`` the signature."""
    return "".join(f"{bare(line)}\n" for line in (key, mine) if line).encode() + signature.encode()


def statement(argv: Argv, key: str, host_key: str) -> bytes:
    """What has to be signed, in :data:`NAMESPACE`, for a change of ``core``'s keys by the command ``argv``.

    ``host_key`` is the Ed25519 host key of the node for which alone it counts.
    """
    words = argv[len(PREFIX) :]
    fence, user = (words[words.index(name) + 1] for name in ("--fence", "--user"))
    flag = " --break-glass" if "--break-glass" in words else ""
    return f"ffs-node {words[0]}{flag}\n{fingerprint(host_key)}\n{fence}\n{user}\n{bare(key)}\n".encode()


def held(answer: Answer) -> Held:
    """What the node answered to :func:`list_keys`; raises BadAnswer."""
    rows = [_held_key(row) for row in _list(answer, "keys")]
    keys = tuple(row for row in rows if row.fingerprint)  # or it is no key that anybody could log in with
    return Held(
        keys,
        tuple(_text(way, 300) for way in _list(answer, "other_ways")),
        min(answer.number("unread"), 10_000) + len(rows) - len(keys),
        frozenset(_text(key, 10_000) for key in _list(answer, "break_glass")),
    )


def too_old(error: AnswerError) -> bool:
    """Whether the node's ``ffs-node`` knows nothing of access keys."""
    return isinstance(error, Refused) and error.code == "bad-argument" and "no such verb" in error.text


def _held_key(row: object) -> HeldKey:
    if not isinstance(row, dict) or not isinstance(row.get("heeded"), bool):
        raise BadAnswer("The node's answer has no proper list of keys.")
    key = row.get("key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise BadAnswer("The node's answer has something that is no key in its list of keys.")
    file, options, comment = (_text(row.get(name), 300) for name in ("file", "options", "comment"))
    return HeldKey(file, key, options, comment, row["heeded"])


def _list(answer: Answer, name: str) -> list[object]:
    found = answer.fields.get(name)
    if not isinstance(found, list) or len(found) > MAX_KEYS:
        raise BadAnswer(f"The node's answer has no proper {name}.")
    return found


def _text(value: object, limit: int) -> str:
    if not isinstance(value, str):
        raise BadAnswer("The node's answer has something that is no text in its list of keys.")
    return _UNPRINTABLE.sub("?", value)[:limit]
