"""An operation that asks people waits for an answer, takes one, and asks nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from ffsweb.audit.models import AuditEvent
from ffsweb.operations import answers, runner, services
from ffsweb.operations.context import Context
from ffsweb.operations.contract import Outcome, Target
from ffsweb.operations.errors import Cancelled, NotPossible
from ffsweb.operations.models import Hold, Operation, Question
from ffsweb.operations.states import State

A = Target("service:1", "www@node-a")
CHOICES = {"go": "Go on", "back": "Roll back"}


def asking(did: list[str], **options: object) -> Callable[[Context], Outcome]:
    def run(context: Context) -> Outcome:
        if context.done("stage", A) is None:
            with context.step("stage", A):
                did.append("stage")
        did.append(context.ask("after wave 1", "Wave 1 of 2 is live. Go on?", CHOICES, **options))
        return Outcome(State.SUCCEEDED, "Done.")

    return run


def again(operation: Operation) -> Operation:
    runner.run(operation.pk)
    operation.refresh_from_db()
    return operation


def test_it_waits_for_as_long_as_it_takes_and_goes_on_with_the_answer(enqueue, kind, bob, broker):
    did: list[str] = []
    operation = again(enqueue(kind(asking(did)), targets=(A,), holds=("service:1",)))
    assert (operation.state, operation.resume_at, did) == ("parked", None, ["stage"])
    assert operation.parked_reason == "Wave 1 of 2 is live. Go on?"
    assert Hold.objects.exists()
    assert again(operation).state == "parked"  # nothing lets it go on but an answer
    broker.taken()
    answers.answer(operation, "after wave 1", "go", actor=bob)
    assert broker.taken() == [operation.pk]
    assert again(operation).state == "succeeded"
    assert did == ["stage", "go"]
    assert "bob answered: Go on." in list(operation.lines.values_list("text", flat=True))
    assert AuditEvent.objects.filter(action="operation.answer").count() == 1


def test_the_first_answer_counts_and_another_one_is_told_so(enqueue, kind, bob, broker):
    operation = again(enqueue(kind(asking([])), targets=(A,)))
    answers.answer(operation, "after wave 1", "back", actor=bob)
    with pytest.raises(NotPossible, match="answered already by bob: Roll back"):
        answers.answer(operation, "after wave 1", "go", actor=bob)
    assert Question.objects.get().answer == "back"
    assert AuditEvent.objects.filter(action="operation.answer").count() == 1


NEVER_ASKED = [("after wave 1", "never"), ("after wave 9", "go"), ("", ""), ("after wave 1", "")]


@pytest.mark.parametrize(("name", "choice"), NEVER_ASKED)
def test_what_was_not_asked_is_not_answered(enqueue, kind, bob, broker, name, choice):
    operation = again(enqueue(kind(asking([])), targets=(A,)))
    with pytest.raises(NotPossible, match="does not ask that"):
        answers.answer(operation, name, choice, actor=bob)
    assert Question.objects.get().answer == ""


def test_silence_is_an_answer_when_the_time_is_over(enqueue, kind, bob, broker):
    did: list[str] = []
    operation = again(enqueue(kind(asking(did, default="go", seconds=600.0)), targets=(A,)))
    assert operation.resume_at is not None
    assert timedelta(seconds=590) < operation.resume_at - timezone.now() <= timedelta(seconds=600)
    past = timezone.now() - timedelta(seconds=1)
    Question.objects.update(due_at=past)
    Operation.objects.update(resume_at=past)
    assert again(operation).state == "succeeded"
    assert did == ["stage", "go"]
    assert "Nobody answered in time: Go on." in list(operation.lines.values_list("text", flat=True))
    with pytest.raises(NotPossible, match="has ended"):
        answers.answer(operation, "after wave 1", "back", actor=bob)


def test_an_answer_that_comes_just_before_it_parks_is_not_slept_over(enqueue, kind, bob, broker, monkeypatch):
    operation = enqueue(kind(asking([])), targets=(A,))
    real = Context.ask

    def answered_meanwhile(self: Context, name: str, *arguments: object, **options: object) -> str:
        try:
            return real(self, name, *arguments, **options)
        except services.NotPossible:
            raise
        finally:
            if not Question.objects.get().answer:
                answers.answer(operation, name, "go", actor=bob)

    monkeypatch.setattr(Context, "ask", answered_meanwhile)
    assert again(operation).state == "parked"
    assert Operation.objects.claimable().filter(pk=operation.pk).exists()
    assert again(operation).state == "succeeded"


def test_an_answer_is_no_resume_and_a_resume_is_no_answer(enqueue, kind, bob, broker):
    operation = again(enqueue(kind(asking([])), targets=(A,)))
    with pytest.raises(NotPossible, match="waits for an answer"):
        services.resume(operation, actor=bob)


def test_a_cancel_while_it_asks_lets_its_kind_clean_up(enqueue, kind, bob, broker):
    did: list[str] = []

    def run(context: Context) -> Outcome:
        try:
            context.checkpoint()
            return asking(did)(context)
        except Cancelled:
            context.take_cancel()
            did.append("back")
            return Outcome(State.CANCELLED, "Back on the old release.")

    operation = again(enqueue(kind(run), targets=(A,)))
    services.cancel(operation, actor=bob)
    assert again(operation).state == "cancelled"
    assert did == ["stage", "back"]


def test_the_page_asks_operators_and_tells_viewers(enqueue, kind, visit, bob, carol, mallory, broker):
    operation = again(enqueue(kind(asking([])), targets=(A,)))
    address = f"/operations/{operation.pk}/answer"
    shown = visit(bob).get(f"/operations/{operation.pk}/").content.decode()
    assert "Wave 1 of 2 is live. Go on?" in shown
    assert shown.count('name="choice"') == 2
    shown = visit(carol).get(f"/operations/{operation.pk}/").content.decode()
    assert "Operators of this project can answer." in shown
    assert 'name="choice"' not in shown
    values = {"question": "after wave 1", "choice": "go"}
    assert visit(carol).post(address, values).status_code == 403
    assert visit(mallory).post(address, values).status_code == 404
    assert visit(bob).get(address).status_code == 405
    assert Question.objects.get().answer == ""
    assert visit(bob).post(address, values).status_code == 303
    assert Question.objects.get().answer == "go"
    assert "answered already by bob: Go on." in visit(bob).post(address, values, follow=True).content.decode()
