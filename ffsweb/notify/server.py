"""Which mail server is in use: the one that an administrator entered, else the one of the environment."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from email.utils import parseaddr

from django.conf import settings

from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_opener

from .models import MailServer, Tls

SMTP = "django.core.mail.backends.smtp.EmailBackend"
"""What ``FFSWEB_EMAIL_URL`` becomes when it names a mail server."""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to log in to it; ``password`` None: without a log-in."""

    host: str
    port: int
    tls: str
    user: str
    password: Secret | None
    sender: str


def entered() -> MailServer | None:
    """What an administrator entered. One query."""
    return MailServer.objects.filter(pk=1).first()


def in_use() -> Server | None:
    """The server with its password, for the worker; None if there is none. One query.

    Raises CannotOpen, and ImproperlyConfigured in a web process: no page opens the password.
    """
    row = entered()
    if row is None:
        return of_environment()
    sealed = row.sealed_password
    password = worker_opener().open(bytes(sealed), row.context) if sealed is not None else None
    return Server(row.host, row.port, row.tls, row.user, password, row.sender)


def of_environment() -> Server | None:
    """What ``FFSWEB_EMAIL_URL`` says, if it names a mail server."""
    if settings.EMAIL_BACKEND != SMTP:
        return None
    tls = Tls.TLS if settings.EMAIL_USE_SSL else Tls.STARTTLS if settings.EMAIL_USE_TLS else Tls.NONE
    user, password = settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    return Server(
        settings.EMAIL_HOST, settings.EMAIL_PORT, tls, user, Secret(password) if user and password else None, sender
    )


def is_address(host: str) -> bool:
    """Whether ``host`` is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a server of this name is on this machine."""
    return ipaddress.ip_address(host).is_loopback if is_address(host) else host.lower() == "localhost"
