"""A worker that is killed after the mail server took a mail, and before it wrote that down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta

from django.utils import timezone

from ffsweb.notify import sending
from ffsweb.notify.letter import Letter
from ffsweb.notify.models import Message
from ffsweb.notify.outbox import queue
from tests.operations.processes import DIES_WITH_US, ROOT, database_url

from .mailserver import MailServer

WORK = "import django; django.setup(); from ffsweb.notify.sending import send_due; send_due()"


def test_a_worker_that_is_killed_in_between_doubles_one_mail_recognisably_and_loses_none(
    mail_server: MailServer, tmp_path: object
) -> None:
    for number in range(3):
        queue(Letter(f"Event {number}", "It happened."), to=["a@example.org"], key=f"event:{number}", kind="test")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "FFSWEB_"))},
        "DJANGO_SETTINGS_MODULE": "ffsweb.settings",
        "DATABASE_URL": database_url(),
        "FFSWEB_DATA": str(tmp_path),
        "FFSWEB_KEYS": str(tmp_path),
        "FFSWEB_SECRET_KEY": "x" * 60,
        "FFSWEB_PROCESS": "worker",
        "FFSWEB_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    worker = subprocess.Popen([*DIES_WITH_US, sys.executable, "-c", WORK], cwd=ROOT, env=environment)

    def kill_at_the_second() -> None:
        if len(mail_server.taken) == 1:
            worker.send_signal(signal.SIGKILL)

    mail_server.on_data = kill_at_the_second
    assert worker.wait(60) == -signal.SIGKILL
    states = Message.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["sent", "queued", "queued"]
    mail_server.on_data = lambda: None
    sending.send_due()
    assert list(states.all()) == ["sent", "queued", "sent"], (
        "what the dead worker has in its hands waits for its time"
    )
    Message.objects.filter(state="queued").update(claimed_until=timezone.now() - timedelta(seconds=1))
    sending.send_due()
    assert list(states.all()) == ["sent"] * 3
    taken = [(mail["Subject"], mail["Message-ID"]) for _, mail in mail_server.taken]
    assert [subject for subject, _ in taken] == ["Event 0", "Event 1", "Event 2", "Event 1"]
    assert taken[1] == taken[3], "the same Message-ID"
    assert len({message_id for _, message_id in taken}) == 3
