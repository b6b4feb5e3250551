"""One conversation with a mail server.

MailProblem
├── ServerProblem   nothing can be sent now, whoever it is for: no connection, no TLS, no log-in, sender refused
├── Later           the server does not take this mail now (4xx); it may later
└── Refused         the server will never take this mail (5xx)
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime

from .letter import one_line
from .models import Message, Tls
from .server import Server, is_loopback

TIMEOUT = 20.0
"""Seconds for a connection, and for each answer."""
_POLICY = SMTP_POLICY.clone(cte_type="7bit")
"""Seven bits everywhere: the oldest server takes it."""


class MailProblem(Exception):
    """A mail was not sent; the text says why, in plain English."""


class ServerProblem(MailProblem):
    """It is the server, or the way to it."""


class Later(MailProblem):
    """Not now."""


class Refused(MailProblem):
    """Not ever."""


class Line:
    """An open connection, logged in."""

    def __init__(self, smtp: smtplib.SMTP, server: Server) -> None:
        self._smtp = smtp
        self._server = server

    def send(self, message: Message) -> None:
        """Hand one mail over; when this returns, the server has taken it. Raises MailProblem."""
        data = compose(message, self._server.sender).as_bytes()
        try:
            self._smtp.sendmail(self._server.sender, [message.address], data)
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise _of_this_mail(code, said, f"{message.address} was refused") from error
        except smtplib.SMTPDataError as error:
            raise _of_this_mail(error.smtp_code, error.smtp_error, "The mail was refused") from error
        except smtplib.SMTPSenderRefused as error:
            why = _said(error.smtp_code, error.smtp_error)
            raise ServerProblem(f"The server refuses the sender {self._server.sender}: {why}.") from error
        except (OSError, smtplib.SMTPException) as error:
            raise ServerProblem(f"The connection to {_name(self._server)} broke: {_words(error)}.") from error


@contextmanager
def line(server: Server) -> Iterator[Line]:
    """Connect, protect the connection, log in; TIMEOUT for each step. Raises ServerProblem."""
    smtp = _connect(server)
    try:
        _log_in(smtp, server)
        yield Line(smtp, server)
    finally:
        try:
            smtp.quit()
        except (OSError, smtplib.SMTPException):
            smtp.close()


def compose(message: Message, sender: str) -> EmailMessage:
    """The mail as it goes out: plain text and HTML; the same bytes at every attempt, as far as the sender is."""
    mail = EmailMessage(policy=_POLICY)
    mail["Subject"] = one_line(message.subject, 200)
    mail["From"] = f"ffsweb <{sender}>"
    mail["To"] = message.address
    mail["Date"] = format_datetime(message.created_at)
    mail["Message-ID"] = message.message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail["List-Id"] = _list_of(message, sender)
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    return mail


def _list_of(message: Message, sender: str) -> str:
    """What people sort their mail by: the project (RFC 2919)."""
    domain = sender.rpartition("@")[2]
    project = message.project
    return f"{project.name} <{project.name}.ffsweb.{domain}>" if project else f"<ffsweb.{domain}>"


def _connect(server: Server) -> smtplib.SMTP:
    if server.tls == Tls.NONE and not is_loopback(server.host):
        raise ServerProblem(f"{_name(server)} is on another machine, and mail goes there with TLS only.")
    greeting = server.sender.rpartition("@")[2]
    try:
        if server.tls == Tls.TLS:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(server.host, server.port, greeting, timeout=TIMEOUT, context=context)
        return smtplib.SMTP(server.host, server.port, greeting, timeout=TIMEOUT)
    except ssl.SSLError as error:
        raise ServerProblem(f"No safe connection to {_name(server)}: {_words(error)}.") from error
    except (OSError, smtplib.SMTPException) as error:
        raise ServerProblem(f"{_name(server)} could not be reached: {_words(error)}.") from error


def _log_in(smtp: smtplib.SMTP, server: Server) -> None:
    try:
        if server.tls == Tls.STARTTLS:
            smtp.starttls(context=ssl.create_default_context())
        if server.password is not None:
            smtp.login(server.user, server.password.reveal_text())
    except smtplib.SMTPAuthenticationError as error:
        # What the server says here may hold what was sent to it.
        raise ServerProblem(
            f"{_name(server)} refused the user name or the password (status {error.smtp_code})."
        ) from None
    except smtplib.SMTPNotSupportedError as error:
        raise ServerProblem(f"{_name(server)} does not offer what is asked of it: {_words(error)}.") from None
    except ssl.SSLError as error:
        raise ServerProblem(f"No safe connection to {_name(server)}: {_words(error)}.") from None
    except (OSError, ValueError, smtplib.SMTPException):
        raise ServerProblem(f"{_name(server)} broke the log-in off.") from None


def _of_this_mail(code: int, said: bytes | str, what: str) -> MailProblem:
    text = f"{what}: {_said(code, said)}."
    if code == 421:  # "service not available, closing" (RFC 5321, 3.8): about the connection, not the mail
        return ServerProblem(text)
    return Refused(text) if code >= 500 else Later(text)


def _said(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return one_line(f"{code} {text}", 300).rstrip(".")


def _words(error: Exception) -> str:
    return one_line(str(error) or type(error).__name__, 200).rstrip(".")


def _name(server: Server) -> str:
    return f"The mail server {server.host}:{server.port}"
