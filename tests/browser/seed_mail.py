"""Mail and trouble in the seeded installation: a server, an outbox with every state, a service that crashes."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from deployments.models import Node, Service
from ffsweb.accounts.models import User
from ffsweb.notify.models import ListedAddress, MailServer, Message, Muted
from tests.deployments.fleet import Fleet

TROUBLE = "It was restarted 14 times within 9 min, the last time because of watchdog."
REFUSED = "nobody@example.org was refused: 550 5.1.1 <nobody@example.org>: Recipient address rejected: User unknown."
AWAY = "The mail server mx.example.org:587 could not be reached: [Errno 111] Connection refused."


def mail(fleet: Fleet) -> None:
    """Everything that the pages of mail can show, and what they tell of."""
    for name in ("alice", "bob"):
        User.objects.filter(username=name).update(email=f"{name}@example.org")
    Muted.objects.create(project=fleet.project, user=fleet.alice, kind="operation")
    ListedAddress.objects.create(project=fleet.project, address="on-call@example.org")
    MailServer.objects.create(pk=1, host="mx.example.org", user="ffsweb", sender="ffsweb@example.org")
    now = timezone.now()
    rows = (
        ("sent", "alice@example.org", "serbest: www@konya-1 is degraded", "", 1),
        (
            "given_up",
            "nobody@example.org",
            "serbest: Failed: Deploy release 3 to www@istanbul-1, www@ankara-1",
            REFUSED,
            1,
        ),
        ("queued", "on-call@example.org", "serbest: bursa-1 is unreachable", AWAY, 4),
    )
    for at, (state, address, subject, error, attempts) in enumerate(rows):
        Message.objects.create(
            project=fleet.project, kind="service", key=f"seed:{at}", address=address, subject=subject, state=state,
            created_at=now - timedelta(minutes=40 - at), next_at=now + timedelta(minutes=20), give_up_at=now,
            attempts=attempts, last_error=error,
        )  # fmt: skip
    since = now - timedelta(minutes=9)
    Service.objects.filter(node__name="konya-1").update(
        trouble_since=since, trouble=TROUBLE, restarts_before=5, restarts_reset_at=now - timedelta(days=2)
    )
    Node.objects.filter(name="bursa-1").update(trouble_since=now - timedelta(hours=3), trouble="No answer.")
