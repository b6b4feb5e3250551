"""Operations and all that is kept of them. The database is the queue of record and the log of record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from ffsweb.accounts.models import Project, User

from .holds import Hold, Turnstile, Wish
from .question import Question
from .states import State, StepState, Stream
from .tallies import Sign, Tally

if TYPE_CHECKING:
    from datetime import timedelta


__all__ = [
    "Fence",
    "Hold",
    "LogLine",
    "Operation",
    "OperationTarget",
    "Question",
    "Sign",
    "Step",
    "Tally",
    "Turnstile",
    "Wish",
]


def _choices(states: type[State | StepState | Stream]) -> list[tuple[str, str]]:
    return [(str(state), getattr(state, "label", str(state))) for state in states]


class OperationQuerySet(models.QuerySet["Operation"]):
    """Sets of operations. Moments are compared by the database's clock: workers may disagree about the time."""

    def visible_to(self, user: User) -> OperationQuerySet:
        """The operations of the projects that ``user`` may see."""
        return self.filter(project__in=Project.objects.visible_to(user))

    def for_lists(self) -> OperationQuerySet:
        """With their projects, and without what may be large: a deploy's params are its whole plan."""
        return self.select_related("project").defer("params", "message")

    def active(self) -> OperationQuerySet:
        """Those that have not ended."""
        return self.filter(state__in=[State.QUEUED, State.RUNNING, State.PARKED])

    def claimable(self) -> OperationQuerySet:
        """Those that a worker may take now: queued and waiting for nothing, parked and due, or running without a
        valid lease."""
        return self.filter(
            Q(~Exists(Wish.objects.filter(operation=OuterRef("pk"))), state=State.QUEUED)
            | Q(state=State.PARKED, resume_at__lte=Now())
            | Q(state=State.RUNNING, lease_until__lt=Now())
        )

    def to_be_sent(self, *, after: timedelta) -> OperationQuerySet:
        """The claimable ones for which no message was sent since ``after``."""
        return self.claimable().filter(sent_at__lt=Now() - after)


class Operation(models.Model):
    """One run of something on nodes."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="operations")
    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    params = models.JSONField(default=dict)
    plan_hash = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=12, choices=_choices(State), default=State.QUEUED)
    message = models.TextField(blank=True, help_text="How it ended, for the operator.")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(max_length=150, help_text="Kept when the account is gone.")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(db_default=Now(), help_text="When the broker was last told.")

    attempt = models.PositiveIntegerField(default=0, help_text="Counts the claims.")
    takeovers = models.PositiveIntegerField(default=0, help_text="Claims from a worker that had vanished.")
    lease_holder = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    fence_epoch = models.BigIntegerField(default=0)
    fence_counter = models.BigIntegerField(default=0)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.CharField(max_length=150, blank=True)
    resume_at = models.DateTimeField(null=True, blank=True)
    parked_reason = models.CharField(max_length=255, blank=True)
    request_id = models.CharField(max_length=64, blank=True, help_text="Of the request that asked for it.")
    revision = models.PositiveIntegerField(default=0, help_text="Counts the changes of state, steps and targets.")

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["project", "-id"]),
            models.Index(
                fields=["state"], name="operations_active", condition=Q(state__in=["queued", "running", "parked"])
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def condition(self) -> State:
        """The state, with its label and colour."""
        return State(self.state)

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.condition.terminal

    @property
    def cancelling(self) -> bool:
        """Whether somebody cancelled it and it has not ended yet."""
        return self.cancel_requested_at is not None and not self.finished


class OperationTarget(models.Model):
    """One thing that an operation works on."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="targets")
    key = models.CharField(max_length=80, help_text="Such as service:12; the engine does not know what it means.")
    label = models.CharField(max_length=200)
    state = models.CharField(max_length=12, choices=_choices(State), default=State.QUEUED)
    message = models.TextField(blank=True)
    bytes_done = models.BigIntegerField(default=0)
    bytes_total = models.BigIntegerField(default=0)
    bytes_rate = models.BigIntegerField(default=0, help_text="Bytes per second of late.")

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["operation", "key"], name="one_target_per_key")]

    def __str__(self) -> str:
        return self.label

    @property
    def seconds_left(self) -> float | None:
        """Until all bytes are through, at the rate of late; None when nothing moves or nothing is left."""
        left = self.bytes_total - self.bytes_done
        return left / self.bytes_rate if self.bytes_rate > 0 and left > 0 else None

    @property
    def condition(self) -> State:
        """The state, with its label and colour."""
        return State(self.state)


class Step(models.Model):
    """A step in the journal: the intent is committed before anything is done, the evidence after."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="steps")
    target = models.ForeignKey(OperationTarget, null=True, blank=True, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=80)
    attempt = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=_choices(StepState), default=StepState.INTENT)
    message = models.TextField(blank=True)
    evidence = models.JSONField(default=dict)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["operation", "target", "name", "attempt"],
                name="one_step_per_target_and_attempt",
                condition=Q(target__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["operation", "name", "attempt"],
                name="one_step_per_attempt",
                condition=Q(target__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class LogLine(models.Model):
    """One line of the log, scrubbed of secrets. Numbers count from 1 without a gap."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    target = models.ForeignKey(OperationTarget, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    stream = models.CharField(max_length=7, choices=_choices(Stream), default=Stream.INFO)
    text = models.TextField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["operation", "number"], name="one_line_per_number")]

    def __str__(self) -> str:
        return f"{self.number}: {self.text}"


def _new_epoch() -> int:
    """Seconds since 1970: higher than that of any earlier installation that the nodes may remember."""
    return int(time.time())


class Fence(models.Model):
    """The one row from which fencing pairs are taken."""

    epoch = models.BigIntegerField(default=_new_epoch)
    counter = models.BigIntegerField(default=0)
    restored_at = models.DateTimeField(
        null=True, blank=True, help_text="When this database was restored; until somebody says that the old is off."
    )
    restored_of = models.CharField(max_length=200, blank=True, help_text="Of when and of what the backup was.")
