"""What is sealed of mail."""

from __future__ import annotations

from ffsweb.web.sealed_kinds import SealedKind, Values

from .models import MailServer


def _passwords(most: int | None) -> Values:
    for row in MailServer.objects.exclude(sealed_password=None)[:most]:
        yield str(row), row.sealed_password, row.context


PASSWORDS = SealedKind("the password of the mail server", "Passwords of the mail server", _passwords)
