"""Make a connection: dial, check the host key, log in. All of it within one time limit."""

from __future__ import annotations

import io
import threading
import time
from typing import TYPE_CHECKING, Final

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from ffsweb.remote import refusals
from ffsweb.remote.errors import AuthRefused, Interrupted
from ffsweb.remote.keys import HOST_KEY_ALGORITHMS, PublicKey, parse_public_key
from ffsweb.remote.ssh import SshSession
from ffsweb.remote.transport import StrictTransport, WrongHostKey
from ffsweb.remote.wire import dial

if TYPE_CHECKING:
    from ffsweb.remote.session import Session
    from ffsweb.remote.values import Endpoint, Identity
    from ffsweb.remote.wire import Wire

_POLL: Final = 0.1
_GRACE: Final = 0.25  # seconds for the thread that connects to report its own, better worded time-out


def connect(
    endpoint: Endpoint,
    identity: Identity,
    *,
    timeout: float = 15.0,
    keepalive: float = 15.0,
    stop: threading.Event | None = None,
) -> Session:
    """An authenticated connection, or a ``RemoteError`` within ``timeout`` seconds (or 0.5 s of ``stop``).

    Nothing of the log-in is sent before the node has proved a pinned host key. Only ``identity`` is tried: no agent,
    no key files, no password. After ``keepalive`` quiet seconds the node is asked for a sign of life, and after three
    times that without one the connection is ended (0: never).

    Costs four round trips. Raises ``Unreachable``, ``HostKeyUnknown`` (an endpoint without pins: the error carries
    the key that the node showed), ``HostKeyChanged``, ``AuthRefused``, ``Interrupted``; ``ValueError`` for a pin
    that is no public key.
    """
    return _Attempt(endpoint, identity, timeout, keepalive).session(stop)


class _Attempt:
    """Connects in a thread of its own, so that a resolver or a peer that hangs cannot hold the caller."""

    def __init__(self, endpoint: Endpoint, identity: Identity, timeout: float, keepalive: float) -> None:
        self._endpoint = endpoint
        self._pins = tuple(parse_public_key(line, security_keys=False) for line in endpoint.host_keys)
        self._key = _load(identity, endpoint)
        self._timeout = timeout
        self._until = time.monotonic() + timeout
        self._keepalive = keepalive
        self._wire: Wire | None = None
        self._transport: StrictTransport | None = None
        self._done = threading.Event()
        self._outcome: SshSession | BaseException | None = None
        self._given_up = False
        self._lock = threading.Lock()

    def session(self, stop: threading.Event | None) -> SshSession:
        threading.Thread(target=self._work, name="ssh-connect", daemon=True).start()
        try:
            while not self._done.wait(_POLL):
                if stop is not None and stop.is_set():
                    msg = f"Connecting to {self._endpoint} was stopped on request."
                    raise Interrupted(msg)
                if time.monotonic() > self._until + _GRACE:
                    raise refusals.no_answer(self._endpoint, self._timeout, self._transport)
        except BaseException:
            self._give_up()
            raise
        if isinstance(self._outcome, SshSession):
            return self._outcome
        if self._outcome is None:
            msg = "the thread that connects ended without a word"
            raise RuntimeError(msg)
        raise self._outcome

    def _work(self) -> None:
        try:
            outcome: SshSession | BaseException = self._connect()
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            outcome = error
        with self._lock:
            self._outcome = outcome
            unwanted = self._given_up or not isinstance(outcome, SshSession)
        if unwanted:
            self._close()
        self._done.set()

    def _give_up(self) -> None:
        with self._lock:
            self._given_up = True
        self._close()

    def _close(self) -> None:
        if self._wire is not None:
            self._wire.close()
        if self._transport is not None:
            self._transport.close()

    def _left(self) -> float:
        return max(0.1, self._until - time.monotonic())

    def _connect(self) -> SshSession:
        endpoint = self._endpoint
        dead_after = 3 * self._keepalive
        self._wire = wire = dial(endpoint.host, endpoint.port, seconds=self._left(), dead_after=dead_after)
        self._transport = transport = StrictTransport(
            wire, pins=(pin.blob for pin in self._pins), host_key_algorithms=_algorithms(self._pins)
        )
        transport.auth_timeout = self._left()
        transport.banner_timeout = self._left() + 1  # so that the time-out below, which can be told apart, is first
        host_key = self._shake_hands(transport)
        self._log_in(transport)
        if self._keepalive > 0:
            transport.watch(self._keepalive)
        return SshSession(endpoint, wire, transport, host_key.line)

    def _shake_hands(self, transport: StrictTransport) -> PublicKey:
        """The host key, which is proved and pinned, or an error."""
        try:
            transport.start_client(timeout=self._left())
        except WrongHostKey as error:
            raise refusals.wrong_host_key(self._endpoint, error.blob, self._pins) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise refusals.no_handshake(self._endpoint, transport, error, self._pins) from error
        if not transport.initial_kex_done:  # start_client returns on a time-out as if all were well
            raise refusals.no_answer(self._endpoint, self._timeout, transport)
        shown = transport.get_remote_server_key()
        for pin in self._pins:
            if pin.blob == shown.asbytes():
                return pin
        raise refusals.wrong_host_key(self._endpoint, shown.asbytes(), self._pins)

    def _log_in(self, transport: StrictTransport) -> None:
        try:
            further = transport.auth_publickey(self._endpoint.user, self._key)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise refusals.no_login(self._endpoint, self._timeout, transport, error) from error
        if further:
            msg = (
                f"{self._endpoint} took the key and asks for more ({refusals.shown(', '.join(further))}). Set its "
                "SSH server to let this user in with the key alone."
            )
            raise AuthRefused(msg)


def _algorithms(pins: tuple[PublicKey, ...]) -> tuple[str, ...]:
    """What to offer: only what fits a pin. Without pins everything, to see (and refuse) what the node has."""
    kinds = {pin.type for pin in pins} or set(HOST_KEY_ALGORITHMS)
    return tuple(name for kind, names in HOST_KEY_ALGORITHMS.items() if kind in kinds for name in names)


def _load(identity: Identity, endpoint: Endpoint) -> paramiko.Ed25519Key:
    try:
        usable = isinstance(load_ssh_private_key(identity.private_key.reveal(), None), Ed25519PrivateKey)
        if usable:
            return paramiko.Ed25519Key(file_obj=io.StringIO(identity.private_key.reveal_text()))
    except (ValueError, TypeError, UnsupportedAlgorithm, paramiko.SSHException):
        pass  # no chain: such an error may quote the key
    msg = (
        f"The private key kept for {endpoint} cannot be used: it is no Ed25519 key in OpenSSH format without a "
        "passphrase. Nothing was sent. Give the node a new access key."
    )
    raise AuthRefused(msg)
