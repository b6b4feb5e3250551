"""What an operation asks people: may it go on, and how. It waits, parked, until one answers or the time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

if TYPE_CHECKING:
    from datetime import datetime


class QuestionQuerySet(models.QuerySet["Question"]):
    """Sets of questions."""

    def open(self) -> QuestionQuerySet:
        """Those that wait for an answer."""
        return self.filter(answer="")

    def answer(self, choice: str, *, by: str) -> bool:
        """Settle the one question in this set, unless it was settled before. One query: of two answers one counts."""
        return self.filter(answer="").update(answer=choice, answered_by=by, answered_at=Now()) == 1

    def settle_due(self) -> bool:
        """Give the question in this set its answer of silence, if the time for it has come. One query."""
        due = self.filter(Q(answer="") & Q(due_at__lte=Now()) & ~Q(default=""))
        return due.update(answer=models.F("default"), answered_at=Now()) == 1


class Question(models.Model):
    """One question of an operation. ``name`` is unique in it, so that an attempt after a restart asks only once."""

    operation = models.ForeignKey("operations.Operation", on_delete=models.CASCADE, related_name="questions")
    name = models.CharField(max_length=80)
    text = models.CharField(max_length=500)
    choices = models.JSONField(help_text='What may be answered, and how the button says it: {"go": "Go on"}.')
    default = models.CharField(max_length=20, blank=True, help_text="What counts if nobody answers in time.")
    asked_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=20, blank=True)
    answered_by = models.CharField(max_length=150, blank=True, help_text='"" if the time was over.')
    answered_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)

    objects = QuestionQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["operation", "name"], name="one_question_per_name")]

    def __str__(self) -> str:
        return self.text
