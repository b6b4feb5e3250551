"""``manage.py verify_audit``: is the audit log whole?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ffsweb.audit.services import verify


class Command(BaseCommand):
    """Exit status 0, the count and the chain's head if it holds, else 1 and the first broken event."""

    help = "Check the hash chain of the audit log and name the first broken event."

    def handle(self, *_args: Any, **_options: Any) -> None:
        verdict = verify()
        if verdict.broken is None:
            self.stdout.write(
                f"The audit log is whole: {verdict.checked} events. The last one's hash: {verdict.last}"
            )
            return
        self.stderr.write(
            f"The audit log is broken. {verdict.broken.text} Events before it hold; later ones do not count."
        )
        raise SystemExit(1)
