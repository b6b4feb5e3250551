"""Why a connection was not made, in words. Looks at what the transport knows, and decides nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import paramiko

from ffsweb.remote.errors import AuthRefused, HostKeyChanged, HostKeyUnknown, Reason, RemoteError, Unreachable
from ffsweb.remote.keys import PublicKey
from ffsweb.remote.lines import clean

if TYPE_CHECKING:
    from ffsweb.remote.packets import BoundedPacketizer
    from ffsweb.remote.transport import StrictTransport
    from ffsweb.remote.values import Endpoint

# What OpenSSH says instead of its banner to whom it does not want now (sshd.c: MaxStartups, PerSourcePenalties).
_NOT_NOW = ("Exceeded MaxStartups", "Not allowed at this time")


def shown(text: str) -> str:
    """Text of a node, fit to stand in a message: one short clean line."""
    return " ".join(clean(text.encode("utf-8", "replace")).split())[:100]


def no_answer(endpoint: Endpoint, seconds: float, transport: StrictTransport | None) -> RemoteError:
    """The time is over."""
    if transport is None:
        what = "The host name could not be looked up, or no connection was made"
    elif not transport.remote_version:
        said = _banner(transport)
        what = f"It said {said!r}, which no SSH server does" if said else "It took the connection and said nothing"
    elif not transport.initial_kex_done:
        what = "Its SSH server began and then stopped answering"
    else:
        what = "Its SSH server stopped answering during the log-in"
    msg = (
        f"{endpoint} did not let us in within {seconds:.0f} s. {what}. Is the port right, and "
        "the machine neither overloaded nor hung?"
    )
    return Unreachable(msg, reason=Reason.TIMEOUT)


def wrong_host_key(endpoint: Endpoint, blob: bytes, pins: tuple[PublicKey, ...]) -> RemoteError:
    """A key that is not pinned. Nothing of the log-in was sent."""
    key = _as_key(blob)
    if not pins:
        msg = (
            f"No host key is known for {endpoint}, so it was not logged in to. It showed {key.fingerprint}. If the "
            "machine's own console shows the same fingerprint, an administrator can accept this key."
        )
        return HostKeyUnknown(msg, offered=key.line, fingerprint=key.fingerprint)
    known = tuple(pin.fingerprint for pin in pins)
    msg = (
        f"The host key of {endpoint} has changed: it showed {key.fingerprint}, but {' or '.join(known)} is known. "
        "It was not logged in to. Either the machine was installed again, or somebody stands in between: find out "
        "which before an administrator accepts the new key."
    )
    return HostKeyChanged(msg, offered=key.line, fingerprint=key.fingerprint, pinned=known)


def no_handshake(
    endpoint: Endpoint, transport: StrictTransport, error: Exception, pins: tuple[PublicKey, ...]
) -> RemoteError:
    """It failed before both sides had keys."""
    if not transport.remote_version:
        return _no_banner(endpoint, transport)
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        if "host key" in str(error) and pins:
            known = tuple(pin.fingerprint for pin in pins)
            msg = (
                f"The host key of {endpoint} has changed: it no longer has a key of the known kind "
                f"({' or '.join(known)}). It was not logged in to. Either the machine was installed again, or "
                "somebody stands in between: find out which before an administrator accepts a new key."
            )
            return HostKeyChanged(msg, offered="", fingerprint="", pinned=known)
        msg = (
            f"The SSH server of {endpoint} ({shown(transport.remote_version)}) has no method in common "
            f"with ours. It is too old, or its settings allow too little: {_offered(transport)}."
        )
        return Unreachable(msg, reason=Reason.CRYPTO, permanent=True)
    why = transport.farewell or shown(str(error)) or "it closed the connection"
    msg = f"The SSH server of {endpoint} broke off before the log-in: {why}. Nothing was sent. Try again."
    return Unreachable(msg, reason=Reason.NETWORK)


def _offered(transport: StrictTransport) -> str:
    ours = transport.get_security_options()
    each = (("KexAlgorithms", ours.kex), ("Ciphers", ours.ciphers), ("MACs", ours.digests))
    return ", ".join(f"one of {name} {' '.join(names)}" for name, names in each)


def no_login(endpoint: Endpoint, seconds: float, transport: StrictTransport, error: Exception) -> RemoteError:
    """The host is the right one, and did not let us in."""
    refused = isinstance(error, paramiko.AuthenticationException)
    if refused and "timeout" in str(error).lower():
        return no_answer(endpoint, seconds, transport)
    if (refused and transport.active) or "authentication failures" in transport.farewell:
        msg = (
            f"{endpoint} did not accept the key for user {endpoint.user!r}. Either the key was taken off the "
            "machine, or the user may not log in. Put the public key back, or give the node a new access key."
        )
        return AuthRefused(msg)
    why = transport.farewell or "it closed the connection"
    msg = f"The SSH server of {endpoint} broke off during the log-in: {why}. Try again."
    return Unreachable(msg, reason=Reason.NETWORK)


def _banner(transport: StrictTransport) -> str:
    return shown(clean(bytes(cast("BoundedPacketizer", transport.packetizer).banner[:200])))


def _no_banner(endpoint: Endpoint, transport: StrictTransport) -> Unreachable:
    said = _banner(transport)
    if any(text in said for text in _NOT_NOW):
        msg = f"{endpoint} takes no more connections from here for now ({said}). Try again in some minutes."
        return Unreachable(msg, reason=Reason.NETWORK)
    if said and not "SSH-".startswith(said[:4]):  # else the greeting was cut off
        msg = f"What answers at {endpoint} is no SSH server: it said {said!r}. Check the address and the port."
        return Unreachable(msg, reason=Reason.NOT_SSH, permanent=True)
    msg = (
        f"{endpoint} closed the connection before its greeting was complete. Its SSH server may be starting, or "
        "refuse this server's address. Try again in some minutes."
    )
    return Unreachable(msg, reason=Reason.NETWORK)


def _as_key(blob: bytes) -> PublicKey:
    size = int.from_bytes(blob[:4], "big")
    return PublicKey(blob[4 : 4 + min(size, 64)].decode("ascii", "replace"), blob)
