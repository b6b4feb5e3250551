"""What goes into a session and what comes out: plain values."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, TypeAlias

from ffsweb.remote.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ffsweb.sealed import Secret

Stdin: TypeAlias = "bytes | Secret | Iterable[bytes] | BinaryIO | None"

# The node's sshd hands the whole line to the shell as one argument, and Linux allows 128 KiB for one.
MAX_COMMAND: Final = 128 * 1024 - 1


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node listens, as whom we log in, and the only host keys we accept (OpenSSH public keys)."""

    host: str
    port: int
    user: str
    host_keys: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.host.strip() or "\0" in self.host:
            msg = "a node needs a host name or address"
            raise ValueError(msg)
        if not 1 <= self.port <= 65535:
            msg = f"{self.port} is no port: use 1 to 65535"
            raise ValueError(msg)
        if not self.user or "\0" in self.user:
            msg = "a node needs a user to log in as"
            raise ValueError(msg)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What we log in with: an Ed25519 private key as OpenSSH PEM, without passphrase."""

    private_key: Secret


@dataclass(frozen=True, slots=True)
class Command:
    """One command for a node.

    ``argv`` reaches the program unchanged, whatever it holds (no NUL; at most ``MAX_COMMAND`` bytes when quoted);
    the log-in shell of the user has to be a POSIX shell. Never put a secret into it: every user of the node sees
    it. ``timeout`` is seconds for all of it, waiting included; ``None`` runs until the stop event.

    ``stdin`` is sent while output is read. An iterable or file is read in another thread, once. Input that is cut
    short looks to the program like input that ended: whatever it carries must say its own length or end.
    """

    argv: tuple[str, ...]
    stdin: Stdin = field(default=None, repr=False)
    timeout: float | None = 30.0

    def __post_init__(self) -> None:
        if isinstance(self.argv, str) or not self.argv:
            msg = "a command is a tuple of at least one argument"
            raise ValueError(msg)
        if any("\0" in argument for argument in self.argv):
            msg = "no argument of a command may hold a NUL character"
            raise ValueError(msg)
        if len(self.quoted()) > MAX_COMMAND:
            msg = f"the command is too long: more than {MAX_COMMAND} bytes when quoted; send it on stdin"
            raise ValueError(msg)
        if self.timeout is not None and self.timeout <= 0:
            msg = "a time limit has to be more than 0 seconds"
            raise ValueError(msg)

    def quoted(self) -> bytes:
        """The line for the node's shell; the only place where anything is quoted."""
        return shlex.join(self.argv).encode()


@dataclass(frozen=True, slots=True)
class Line:
    """A line of output without its end. ``number`` counts from 1 over both streams, as they arrived."""

    number: int
    stream: Literal["out", "err"]
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended.

    ``exit_status`` is 128 + n for a program that signal n ended (``signal`` then names it). ``out`` and ``err`` are
    cleaned text as lines are; of longer output they hold the *last* ``keep`` bytes, from the start of a line
    on, and ``truncated`` is set. ``seconds`` is from the call to the end.
    """

    argv: tuple[str, ...]
    exit_status: int
    out: str
    err: str
    truncated: bool
    seconds: float
    signal: str = ""

    @property
    def ok(self) -> bool:
        """Whether the exit status is 0."""
        return self.exit_status == 0

    def check(self) -> Result:
        """Itself; :class:`CommandFailed` with the end of its output if the exit status is not 0."""
        if self.exit_status == 0:
            return self
        said = (self.err.strip() or self.out.strip())[-2000:]
        how = f"was ended by signal {self.signal}" if self.signal else f"ended with status {self.exit_status}"
        name = " ".join(self.argv)
        shown = name if len(name) <= 200 else f"{name[:200]}…"
        msg = f"The node ran '{shown}', which {how}" + (f": {said}" if said else " and said nothing.")
        raise CommandFailed(msg, exit_status=self.exit_status, err=self.err)
