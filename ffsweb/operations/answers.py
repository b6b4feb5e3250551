"""Answering the question that an operation waits for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from ffsweb.audit import services as audit

from . import messages, wakeup
from .errors import NotPossible
from .models import Operation
from .states import State

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ffsweb.accounts.models import User


def answer(operation: Operation, name: str, choice: str, *, actor: User, request: HttpRequest | None = None) -> None:
    """Settle the open question ``name`` of ``operation``, which goes on at once. Audited.

    Of two answers at the same moment the first counts. Raises NotPossible, with nothing written, if the operation has
    ended, the question is settled, or ``choice`` is none of its choices. Six queries.
    """
    with transaction.atomic():
        row = Operation.objects.select_for_update().get(pk=operation.pk)
        asked = row.questions.filter(name=name).first()
        if row.finished:
            raise NotPossible(
                f"“{row.title}” has ended ({row.condition.label.lower()}); nothing waits for an answer."
            )
        if asked is None or choice not in asked.choices:
            raise NotPossible(f"“{row.title}” does not ask that. Load the page again.")
        if not row.questions.filter(pk=asked.pk).answer(choice, by=actor.get_username()):
            by = f" by {asked.answered_by}" if asked.answered_by else ", because its time was over"
            raise NotPossible(f"It was answered already{by}: {asked.choices.get(asked.answer, asked.answer)}.")
        changed = {"resume_at": Now()} if row.state == State.PARKED else {}
        Operation.objects.filter(pk=row.pk).update(revision=F("revision") + 1, **changed)
        if changed:
            messages.send_on_commit(row.pk)
        transaction.on_commit(partial(wakeup.publish, row.pk))
        audit.record(
            actor=actor,
            action="operation.answer",
            project=row.project,
            target=row.title,
            detail={"operation": row.pk, "question": asked.text, "answer": str(asked.choices[choice])},
            request=request,
        )
