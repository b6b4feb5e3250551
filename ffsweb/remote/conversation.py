"""One command on one channel, in its own thread: everything that may block on the network.

The thread that called ``Session.run`` is never in here, so it can keep its deadline whatever paramiko does.
"""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Final, Literal

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST

from ffsweb.remote.events import Ended, Event, Lines, Lost, Refused, SourceFailed
from ffsweb.remote.lines import LineSplitter, Tail
from ffsweb.remote.mailbox import Mailbox
from ffsweb.remote.stdin import chunks

if TYPE_CHECKING:
    from ffsweb.remote.transport import StrictTransport
    from ffsweb.remote.values import Command

BROKEN: Final = (paramiko.SSHException, EOFError, OSError)  # what paramiko raises when a connection or channel ends
_READ: Final = 256 * 1024
_OPEN: Final = 60.0  # seconds; the caller's own limit is normally shorter
_REOPEN: Final = 2.0  # seconds


class _Wake(threading.Event):
    """Set by either buffer. The buffers would clear it too, each without knowing of the other; only we do."""

    def clear(self) -> None:
        pass

    def rearm(self) -> None:
        super().clear()


class Conversation:
    """Starts at once; what happens comes out of ``events``, the last of it never a ``Lines``."""

    def __init__(
        self, transport: StrictTransport, command: Command, *, want_lines: bool, keep: int, slot: threading.Semaphore
    ) -> None:
        self.events: Mailbox[Event] = Mailbox(limit=8)
        self._transport = transport
        self._command = command
        self._want_lines = want_lines
        self._slot = slot
        self._channel: paramiko.Channel | None = None
        self._cancelled = threading.Event()
        self._tails = {"out": Tail(keep), "err": Tail(keep)}
        self._splitters = {"out": LineSplitter(), "err": LineSplitter()}
        try:
            threading.Thread(target=self._work, name="ssh-run", daemon=True).start()
        except RuntimeError:  # no more threads
            slot.release()
            raise

    def cancel(self, seconds: float) -> bool:
        """TERM to the process, where the node allows that, and close the channel; whether that was sent in time."""
        self._cancelled.set()
        self.events.abandon()
        closer = threading.Thread(target=self._hang_up, name="ssh-hang-up", daemon=True)
        closer.start()
        closer.join(seconds)
        return not closer.is_alive()

    def _hang_up(self) -> None:
        channel = self._channel
        if channel is None:
            return  # _converse looks at _cancelled once it has one
        request = paramiko.Message()
        request.add_byte(cMSG_CHANNEL_REQUEST)
        request.add_int(channel.remote_chanid)
        request.add_string("signal")
        request.add_boolean(False)  # noqa: FBT003
        request.add_string("TERM")
        try:
            if not channel.closed:
                self._transport._send_user_message(request)
            channel.close()
        except BROKEN:
            pass

    def _work(self) -> None:
        last: Event = Lost()
        try:
            last = self._converse()
        except BROKEN:
            pass
        finally:
            try:
                if self._channel is not None:
                    self._channel.close()
            except BROKEN:
                pass
            self._slot.release()
            self.events.put(last)

    def _converse(self) -> Event:
        channel = self._open()
        if channel is None:
            return Refused() if self._transport.active else Lost()
        self._channel = channel
        if self._cancelled.is_set():
            return Lost()
        wake = _Wake()
        channel.in_buffer.set_event(wake)
        channel.in_stderr_buffer.set_event(wake)
        try:
            channel.exec_command(self._command.quoted())
        except paramiko.SSHException:
            return Refused() if self._transport.active else Lost()
        writer = threading.Thread(target=self._write, args=(channel,), name="ssh-stdin", daemon=True)
        if self._command.stdin is None:
            channel.shutdown_write()
        else:
            writer.start()
        self._read(channel, wake)
        channel.status_event.wait()  # also set when the channel closes
        ended = self._ended(channel)
        channel.close()
        if writer.is_alive():
            writer.join(1.0)  # so that a file given as stdin is normally left alone now; a source may block longer
        return ended

    def _open(self) -> paramiko.Channel | None:
        """A channel. Refusals are met with patience: sshd counts commands that just ended for a moment longer."""
        until = time.monotonic() + _REOPEN
        while True:
            try:
                return self._transport.open_session(timeout=_OPEN)
            except paramiko.SSHException:
                if not self._transport.active or time.monotonic() > until or self._cancelled.wait(0.05):
                    return None

    def _ended(self, channel: paramiko.Channel) -> Event:
        name = getattr(channel, "exit_signal", "")
        status = 128 + _signal_number(name) if name else channel.exit_status
        if status == -1 or not (channel.eof_received or self._transport.active):
            return Lost()
        out, err = self._tails["out"], self._tails["err"]
        texts = out.text(), err.text()
        return Ended(status, name, *texts, truncated=out.truncated or err.truncated)

    def _read(self, channel: paramiko.Channel, wake: _Wake) -> None:
        """Until both streams ended. With nobody to take lines, it goes on as fast as the node sends."""
        while True:
            wake.rearm()
            at_end = bool(channel.eof_received) or channel.closed
            if channel.recv_ready():
                self._take("out", channel.recv(_READ))
            elif channel.recv_stderr_ready():
                self._take("err", channel.recv_stderr(_READ))
            elif at_end:
                break
            else:
                wake.wait(1.0)
        self._pass_on("out", self._splitters["out"].end())
        self._pass_on("err", self._splitters["err"].end())

    def _take(self, stream: Literal["out", "err"], data: bytes) -> None:
        self._tails[stream].feed(data)
        if self._want_lines:
            self._pass_on(stream, self._splitters[stream].feed(data))

    def _pass_on(self, stream: Literal["out", "err"], texts: list[str]) -> None:
        if texts:
            self.events.put(Lines(stream, texts))

    def _write(self, channel: paramiko.Channel) -> None:
        source = chunks(self._command.stdin)
        try:
            while True:
                try:
                    data = next(source, b"")
                except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
                    self.events.put(SourceFailed(error))
                    return
                if not data:
                    break
                if not send_all(channel, data):
                    return
            channel.shutdown_write()
        except BROKEN:
            pass  # the reader sees it too, and says so


def send_all(channel: paramiko.Channel, data: bytes) -> bool:
    """Send all of it, in packets of the size that the other side takes. ``False`` when the channel is closed.

    paramiko's own ``sendall`` copies the rest for each packet, and spins for ever on a channel at its end.
    """
    size = channel.out_max_packet_size - 64
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        while piece:
            sent = channel.send(piece)
            if sent == 0:
                return False
            piece = piece[sent:]
    return True


def _signal_number(name: str) -> int:
    found = getattr(signal, f"SIG{name}", None)
    return int(found) if isinstance(found, signal.Signals) else 0
