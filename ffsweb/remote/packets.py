"""SSH packets as paramiko reads them, with limits: who sends them is not trusted with our memory."""

from __future__ import annotations

import time
from typing import Any, Final

import paramiko
from paramiko.packet import Packetizer

_MAX_PACKET: Final = 256 * 1024 + 1024  # OpenSSH's limit (PACKET_MAX_SIZE), and what comes with it
_MAX_BANNER: Final = 64 * 1024


class BoundedPacketizer(Packetizer):
    """Refuses sizes that no honest server sends, and notes when something last came."""

    def __init__(self, socket: Any) -> None:
        super().__init__(socket)
        self.last_received = time.monotonic()
        self.banner = bytearray()

    def start_handshake(self, timeout: float) -> None:
        """Nothing: whoever connects keeps the time, and paramiko's timer thread would outlive a failure."""

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:  # noqa: FBT001, FBT002
        if n > _MAX_PACKET:
            msg = "the node sent a packet over the limit"
            raise paramiko.SSHException(msg)
        return super().read_all(n, check_rekey)

    def read_message(self) -> tuple[int, paramiko.Message]:
        message = super().read_message()
        self.last_received = time.monotonic()
        return message

    def _read_timeout(self, timeout: float) -> bytes:
        data: bytes = super()._read_timeout(timeout)  # type: ignore[misc]
        self.banner += data
        if len(self.banner) > _MAX_BANNER:
            msg = "the banner is over the limit"
            raise paramiko.SSHException(msg)
        return data
