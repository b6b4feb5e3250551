"""What people and webhooks are told of a pushed image that waits for somebody, or that was not deployed."""

from __future__ import annotations

from django.urls import reverse

from deployments.models import TakenUp
from ffsweb.notify.kinds import Kind
from ffsweb.notify.letter import Letter
from ffsweb.notify.outbox import queue
from ffsweb.notify.recipients import recipients
from ffsweb.webhooks.outbox import announce

KIND = Kind(
    "push",
    "A pushed image waits, or was not deployed",
    "If the project's policy for pushes makes a release of it and asks people, or could not deploy it. Each once.",
)
ASKED = "Look at the plan, and deploy it."
REFUSED = "What runs was left as it is. Mend the cause, then deploy a release of this image."


def tell(row: TakenUp) -> None:
    """Mail it and announce it, in the caller's transaction. Up to five queries."""
    project = row.project
    asks = row.state == TakenUp.State.ASKS
    if asks and row.plan:
        path = reverse("deployments:plan", args=[project.name, row.plan.hash])
    else:
        path = reverse("deployments:push_policy", args=[project.name])
    letter = Letter(
        subject=f"{project.name}: {row.name} {'waits for you' if asks else 'was not deployed'}",
        happened=f"{row.pushed_by} pushed {row.name}. "
        + ("A release was made of it, and a plan." if asks else f"It was not deployed. {row.message}"),
        facts=(("Image", row.name), ("Pushed by", row.pushed_by)),
        todo=ASKED if asks else REFUSED,
        path=path,
    )
    key = f"push:{row.pk}:{row.state}"
    queue(letter, to=recipients(project, KIND.name), key=key, kind=KIND.name, project=project)
    announce(
        "push.waits" if asks else "push.not_deployed",
        lambda: {"image": row.name, "pushed_by": row.pushed_by, "reason": row.message},
        key=key,
        project=project,
        path=lambda: path,
    )
