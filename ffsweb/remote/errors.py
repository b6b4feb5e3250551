"""Everything that ``ffsweb.remote`` raises because of a node or the way to it.

::

    RemoteError
    ├── Unreachable         no connection: .reason says which way it failed (see Reason)
    ├── HostKeyUnknown      no host key is pinned for this node; .offered is what it showed
    ├── HostKeyChanged      the node showed another host key than the pinned ones; nothing was sent to it
    ├── AuthRefused         the node does not accept this user's key
    ├── ConnectionLost      the connection ended while it was needed; what ran may have finished or not
    ├── Deadline            no end in time; the connection was closed
    ├── Interrupted         the caller's stop event was set; the connection stays usable
    ├── RunRefused          the node does not start another command on this connection
    ├── CommandFailed       the command ended with another exit status than 0 (raised by Result.check())
    └── ForwardRefused      the node does not allow the reverse forward

``permanent`` says that trying the same again is pointless until somebody changes something. Messages are for
operators: what happened, and what to do. Wrong arguments of the caller are ``ValueError`` and ``TypeError``.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class RemoteError(Exception):
    """Base of the tree."""

    default_permanent: ClassVar[bool] = False

    def __init__(self, message: str, *, permanent: bool | None = None) -> None:
        super().__init__(message)
        self.permanent = self.default_permanent if permanent is None else permanent


class Reason(Enum):
    """How a node could not be reached."""

    NAME = "name"  # its host name did not resolve
    REFUSED = "refused"  # nothing listens on the port
    TIMEOUT = "timeout"  # no answer in time
    NETWORK = "network"  # no route, reset, or cut while connecting
    NOT_SSH = "not-ssh"  # something else than an SSH server answers
    CRYPTO = "crypto"  # no common algorithm


class Unreachable(RemoteError):
    """No connection was made."""

    def __init__(self, message: str, *, reason: Reason, permanent: bool = False) -> None:
        super().__init__(message, permanent=permanent)
        self.reason = reason


class HostKeyUnknown(RemoteError):
    """No pin. ``offered`` (an OpenSSH public key) and ``fingerprint`` are to be confirmed by a human."""

    default_permanent = True

    def __init__(self, message: str, *, offered: str, fingerprint: str) -> None:
        super().__init__(message)
        self.offered = offered
        self.fingerprint = fingerprint


class HostKeyChanged(RemoteError):
    """Another key than the pins. ``offered`` is empty where the node has no key of a pinned type at all."""

    default_permanent = True

    def __init__(self, message: str, *, offered: str, fingerprint: str, pinned: tuple[str, ...]) -> None:
        super().__init__(message)
        self.offered = offered
        self.fingerprint = fingerprint
        self.pinned = pinned  # fingerprints


class AuthRefused(RemoteError):
    """The node refused the user or the key, or the key could not be used."""

    default_permanent = True


class ConnectionLost(RemoteError):
    """The connection ended. Whether a command that ran has finished is unknown: ask the node."""


class Deadline(RemoteError):
    """Not done in time. The connection was closed, so nothing more comes; the node may still be at it."""


class Interrupted(RemoteError):
    """Stopped on request. The node's process was sent TERM where its SSH server allows that."""


class RunRefused(RemoteError):
    """The node did not start the command."""


class CommandFailed(RemoteError):
    """The command ran and did not succeed."""

    default_permanent = True

    def __init__(self, message: str, *, exit_status: int, err: str) -> None:
        super().__init__(message)
        self.exit_status = exit_status
        self.err = err


class ForwardRefused(RemoteError):
    """The node's SSH server does not forward ports for this key, or one is forwarded already."""

    default_permanent = True
