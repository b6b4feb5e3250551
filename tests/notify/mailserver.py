"""A real mail server on loopback, which refuses what it is told to refuse."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
import threading
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

PASSWORD = "mail-server-password"


class MailServer:
    """``taken`` are the mails that it has accepted, in order; ``refuses`` says what it answers for an address."""

    def __init__(self, port: int = 0, **options: Any) -> None:
        self.taken: list[tuple[str, EmailMessage]] = []
        self.refuses: dict[str, str] = {}
        self.data_answer = ""
        self.logins: list[tuple[bytes, bytes]] = []
        self.on_data: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self.port = port or free_port()
        self._controller = Controller(self, "127.0.0.1", self.port, authenticator=self._log_in, **options)
        self._controller.start()

    def close(self) -> None:
        """No more connections."""
        self._controller.stop()

    def addresses(self) -> list[str]:
        """Who was mailed, in alphabetical order."""
        return sorted(address for address, _ in self.taken)

    def mail(self) -> EmailMessage:
        """The one mail that came."""
        ((_, mail),) = self.taken
        return mail

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _o: Any) -> str:
        """The answer for one address."""
        if answer := self.refuses.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """The answer for a mail."""
        self.on_data()
        if self.data_answer:
            return self.data_answer
        content = envelope.content
        assert isinstance(content, bytes)
        mail = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        with self._lock:
            self.taken += [(address, mail) for address in envelope.rcpt_tos]
        return "250 OK"

    def _log_in(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


def with_certificate(certificate: str, key: str) -> ssl.SSLContext:
    """TLS with a certificate's and a key's file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
