"""The dashboard's keys of a node beside the one in use: one that is to follow it, and those that went before it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now

from deployments.core.access import fingerprint

from .node import Node

if TYPE_CHECKING:
    from datetime import datetime

    from ffsweb.operations.contract import OperationView

GRACE = timedelta(hours=24)
"""How long the private half of a key is kept, sealed, after the node was seen to refuse it."""


class DashboardKeyQuerySet(models.QuerySet["DashboardKey"]):
    """Sets of keys."""

    def unfinished(self, node: Node) -> DashboardKeyQuerySet:
        """Keys that were replaced, and that the node was not seen to refuse yet."""
        return self.filter(node=node, state=DashboardKey.State.RETIRED, refused_at=None)

    def destroy_due(self, now: datetime) -> int:
        """Forget the private halves whose time is over; how many. One query."""
        due = self.filter(state=DashboardKey.State.RETIRED, refused_at__lt=now - GRACE)
        return due.update(state=DashboardKey.State.DESTROYED, sealed_private_key=b"", since=Now())


class DashboardKey(models.Model):
    """A key that is not the node's active one (that one is the node's own): pending → (active) → retired → destroyed.

    When a pending key becomes the active one, its row becomes that of the key that it replaced.
    """

    class State(models.TextChoices):
        PENDING = "pending", "To become the active one"
        RETIRED = "retired", "Replaced"
        DESTROYED = "destroyed", "Replaced, and its private half destroyed"

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="dashboard_keys")
    state = models.CharField(max_length=10, choices=State.choices)
    public_key = models.TextField()
    sealed_private_key = models.BinaryField(help_text="Sealed for the worker; empty when it was destroyed.")
    since = models.DateTimeField(db_default=Now(), help_text="When it came into its state.")
    operation = models.PositiveBigIntegerField(help_text="Number of the operation that made it, or replaced it.")
    refused_at = models.DateTimeField(null=True, blank=True, help_text="When the node was seen to refuse it.")

    objects = DashboardKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["node"], condition=Q(state="pending"), name="one_pending_key_per_node")
        ]

    def __str__(self) -> str:
        return f"{self.get_state_display()}: {self.public_key}"

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        return fingerprint(self.public_key)

    @property
    def destroyed_from(self) -> datetime | None:
        """When its private half is destroyed; None as long as the node was not seen to refuse it."""
        return self.refused_at + GRACE if self.refused_at else None

    def take_over(self, node: Node, *, operation: OperationView) -> bool:
        """Make this pending key the active one of ``node``, by compare-and-swap; False if another one came first.

        From then on the removal of the old key is owed. Three queries.
        """
        with transaction.atomic():
            mine = DashboardKey.objects.filter(pk=self.pk, state=self.State.PENDING, public_key=self.public_key)
            old = {"public_key": node.public_key, "sealed_private_key": bytes(node.sealed_private_key)}
            if mine.update(**old, state=self.State.RETIRED, since=Now(), operation=operation.id) != 1:
                return False
            active = Node.objects.filter(pk=node.pk, public_key=node.public_key)
            new = {"public_key": self.public_key, "sealed_private_key": bytes(self.sealed_private_key)}
            if active.update(**new) != 1:
                transaction.set_rollback(True)
                return False
            owe_rotation(node, operation=operation)
        return True


class OwedRotationQuerySet(models.QuerySet["OwedRotation"]):
    """Sets of debts."""

    def payable(self, now: datetime) -> list[OwedRotation]:
        """Those whose node was read, well, since it was last tried, and whose pause is over. One query."""
        read = Q(node__readings__error="", node__readings__taken_at__gt=models.F("tried_at"))
        rows = self.filter(read).distinct().select_related("node__project", "asked_by")
        return [row for row in rows if row.tried_at + row.pause <= now]


class OwedRotation(models.Model):
    """A rotation that a node is owed: it was away or in use, or the old key is not removed yet."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, related_name="owed_rotation")
    since = models.DateTimeField(db_default=Now())
    operation = models.PositiveBigIntegerField(null=True, help_text="Number of the one that left it out.")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    tried_at = models.DateTimeField(db_default=Now())
    tries = models.PositiveIntegerField(default=0)
    problem = models.TextField(blank=True, help_text="Why it could not be begun, or finished, the last time.")

    objects = OwedRotationQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.node} is owed a new key"

    @property
    def pause(self) -> timedelta:
        """Before it is tried again: none at first, then from two minutes to a day."""
        return min(timedelta(minutes=2 ** min(self.tries, 20)), timedelta(days=1)) if self.tries else timedelta()


def owe_rotation(node: Node, *, operation: OperationView, problem: str = "") -> None:
    """Remember that ``node`` is to be rotated, or its rotation finished, by itself. Two queries."""
    values = {"problem": problem, "operation": operation.id, "tried_at": Now()}
    made = {**values, "asked_by_id": operation.actor_id}
    OwedRotation.objects.update_or_create(node=node, defaults=values, create_defaults=made)
