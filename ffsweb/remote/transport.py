"""paramiko's transport, made strict: pinned host keys, bounded memory, replies in order, dead peers noticed.

What is changed, and why:

- The host key has to be one of the pins, byte for byte, before anything is sent that belongs to a log-in. Only
  algorithms that fit the pins are offered, AES-GCM first (a third faster here than paramiko's first choice).
- A node is not trusted with our memory: an SSH packet or banner has a limit, and data beyond the window that
  we granted ends the connection.
- Replies to global requests carry no number: they answer in order. paramiko keeps one slot, here is a queue, so a
  keep-alive beside a port forward takes nobody's answer.
- While keys are renewed (every 512 MB) paramiko's reader may block itself on an answer that it may not send yet,
  and then ends the connection after 30 s. Here such answers wait for the new keys.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

import paramiko
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA, MSG_CHANNEL_REQUEST, cMSG_GLOBAL_REQUEST

from ffsweb.remote.lines import clean
from ffsweb.remote.packets import BoundedPacketizer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from ffsweb.remote.wire import Wire

_LOG: Final = "ffsweb.remote.paramiko"

_FIRST_DEFERRABLE: Final = 80  # RFC 4250: messages of the connection protocol

# Every sshd since 2014 has some of these, in FIPS mode too (NIST's curve, no ChaCha20). Short lists save a third of a
# kilobyte for each connection, and leave nothing weaker to agree on.
_KEX: Final = ("mlkem768x25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256")
_CIPHERS: Final = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr")
_MACS: Final = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")


class WrongHostKey(paramiko.SSHException):
    """The key that the server proved to hold is none of the pins; ``blob`` is it."""

    def __init__(self, blob: bytes) -> None:
        super().__init__("the host key is not pinned")
        self.blob = blob


class StrictTransport(paramiko.Transport):
    """One connection. Give it the pins as key blobs, with the algorithms to offer (see ``keys``)."""

    active: bool

    def __init__(self, wire: Wire, *, pins: Iterable[bytes], host_key_algorithms: tuple[str, ...]) -> None:
        super().__init__(cast("socket.socket", wire), packetizer_class=BoundedPacketizer)
        self.set_log_channel(_LOG)
        # It logs what it also raises, with tracebacks. Here, since logging.config resets levels set on import.
        logging.getLogger(_LOG).setLevel(logging.CRITICAL + 1)
        self._pins = frozenset(pins)
        self._host_key_algorithms = host_key_algorithms
        options = self.get_security_options()
        self._tcp_handler: Callable[[paramiko.Channel, tuple[str, int], tuple[str, int]], None] | None = None
        options.ciphers = _CIPHERS
        options.digests = _MACS
        options.kex = tuple(name for name in _KEX if name in self.preferred_kex)
        self._replies: deque[_Reply] = deque()
        self._replies_lock = threading.Lock()
        self._deferred: list[paramiko.Message] = []
        self.farewell = ""  # why the node says that it ends the connection
        self.quickest_answer: float | None = (
            None  # seconds, to the node itself and back, over whatever relays there are
        )
        self._channel_handler_table = {
            **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
            MSG_CHANNEL_DATA: self._data,
            MSG_CHANNEL_EXTENDED_DATA: self._extended_data,
            MSG_CHANNEL_REQUEST: self._channel_request,
        }

    # -- host keys

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """Without the certificate variants that paramiko adds: nothing checks a host certificate."""
        return self._host_key_algorithms

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        super()._verify_key(host_key, sig)  # type: ignore[misc]
        if host_key not in self._pins:
            raise WrongHostKey(host_key)

    # -- memory

    def _data(self, channel: paramiko.Channel, message: paramiko.Message) -> None:
        self._check_window(channel)
        channel._feed(message)  # type: ignore[attr-defined]

    def _extended_data(self, channel: paramiko.Channel, message: paramiko.Message) -> None:
        self._check_window(channel)
        channel._feed_extended(message)  # type: ignore[attr-defined]

    def _check_window(self, channel: Any) -> None:
        if len(channel.in_buffer) + len(channel.in_stderr_buffer) > self.default_window_size:
            msg = "the node sent more than it was allowed to"
            raise paramiko.SSHException(msg)

    def _channel_request(self, channel: Any, message: paramiko.Message) -> None:
        """paramiko knows ``exit-status``; RFC 4254 6.10 has ``exit-signal`` too."""
        peek = paramiko.Message(message.get_remainder())
        if peek.get_text() == "exit-signal":
            peek.get_boolean()
            name = peek.get_string()[:32].decode("ascii", "replace")
            channel.exit_signal = name if re.fullmatch(r"[A-Z0-9@.a-z-]+", name) else "unknown"
            channel.status_event.set()
            return
        channel._handle_request(message)

    def _parse_disconnect(self, m: paramiko.Message) -> None:
        m.get_int()
        self.farewell = " ".join(clean(m.get_string()[:200]).split())

    # -- round trips

    def open_channel(self, *args: Any, **options: Any) -> paramiko.Channel:
        """As paramiko's. The node answers without any work, so this is a measure of the way to it."""
        began = time.monotonic()
        channel = super().open_channel(*args, **options)
        self._answered(time.monotonic() - began)
        return channel

    def _answered(self, seconds: float) -> None:
        if self.quickest_answer is None or seconds < self.quickest_answer:
            self.quickest_answer = seconds

    # -- global requests

    def ask(self, kind: str, *data: object, seconds: float) -> paramiko.Message | None:
        """Make a global request: its answer, ``None`` if it was refused. ``TimeoutError``, ``EOFError``."""
        with self._replies_lock:  # so that the queue has the order of the requests
            reply = self._request(kind, *data)
        began = time.monotonic()
        while not reply.event.wait(0.1):
            if not self.active:
                raise EOFError
            if time.monotonic() > began + seconds:
                raise TimeoutError
        self._answered(time.monotonic() - began)
        return reply.message

    def _request(self, kind: str, *data: object) -> _Reply:
        reply = _Reply()
        message = paramiko.Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string(kind)
        message.add_boolean(True)  # noqa: FBT003
        message.add(*data)
        self._replies.append(reply)
        self._send_user_message(message)
        return reply

    def _parse_request_success(self, m: paramiko.Message) -> None:
        self._answer(m)

    def _parse_request_failure(self, m: paramiko.Message) -> None:
        self._answer(None)

    def _answer(self, message: paramiko.Message | None) -> None:
        try:
            reply = self._replies.popleft()
        except IndexError:
            msg = "the node answered a question that was not asked"
            raise paramiko.SSHException(msg) from None
        reply.message = message
        reply.event.set()

    def watch(self, interval: float) -> None:
        """Ask for a sign of life after ``interval`` quiet seconds; end the connection after three without one."""
        packetizer = cast("BoundedPacketizer", self.packetizer)

        def ask() -> None:  # in the reader's thread
            if time.monotonic() - packetizer.last_received > 3 * interval:
                msg = "the node sent nothing any more"
                raise paramiko.SSHException(msg)
            if self._replies_lock.acquire(blocking=False):  # the holder may wait for this very thread
                try:
                    self._request("keepalive@openssh.com")
                finally:
                    self._replies_lock.release()

        packetizer.set_keepalive(interval, ask)

    # -- reverse forwards

    def take_forwards(self, handler: Callable[[paramiko.Channel, tuple[str, int], tuple[str, int]], None]) -> bool:
        """Let ``handler`` have what comes through the one reverse forward; ``False`` if another has it."""
        with self.lock:
            if self._tcp_handler is not None:
                return False
            self._tcp_handler = handler
            return True

    def drop_forwards(self) -> None:
        """Refuse forwarded connections from now on."""
        with self.lock:
            self._tcp_handler = None

    # -- key renewal

    def _send_user_message(self, data: paramiko.Message) -> None:
        if threading.current_thread() is self:
            self._send_message(data)
        else:
            super()._send_user_message(data)  # type: ignore[misc]

    def _send_message(self, data: paramiko.Message) -> None:
        mine = threading.current_thread() is self
        if mine and not self.clear_to_send.is_set() and data.asbytes()[0] >= _FIRST_DEFERRABLE:
            self._deferred.append(data)
            return
        super()._send_message(data)  # type: ignore[misc]

    def _parse_newkeys(self, m: paramiko.Message) -> None:
        super()._parse_newkeys(m)  # type: ignore[misc]
        deferred, self._deferred = self._deferred, []
        for message in deferred:
            super()._send_message(message)  # type: ignore[misc]


class _Reply:
    __slots__ = ("event", "message")

    def __init__(self) -> None:
        self.event = threading.Event()
        self.message: paramiko.Message | None = None
