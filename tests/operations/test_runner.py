"""One operation in this process, from the queue to its end."""

from __future__ import annotations

from ffsweb.operations import runner
from ffsweb.operations.context import Context
from ffsweb.operations.kinds import Outcome
from ffsweb.operations.models import Hold, Operation
from ffsweb.operations.services import Target

A, B = Target("service:1", "www@node-a"), Target("service:2", "www@node-b")


def texts(operation: Operation) -> list[str]:
    numbers = list(operation.lines.values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    return list(operation.lines.values_list("text", flat=True))


def test_it_runs_to_the_end_and_says_how_it_ended(enqueue, kind):
    def run(context: Context) -> Outcome:
        with context.step("switch", A) as step:
            context.log("switching\nswitched", target=A, stream="out")
            step.evidence({"unit": "abc"})
        return Outcome("succeeded", "Release 3 runs.")

    operation = enqueue(kind(run), targets=(A,), holds=("service:1",))
    runner.run(operation.pk)

    operation.refresh_from_db()
    assert (operation.state, operation.message, operation.attempt) == ("succeeded", "Release 3 runs.", 1)
    assert operation.started_at and operation.finished_at and not operation.lease_holder
    assert texts(operation) == ["switching", "switched", "Succeeded. Release 3 runs."]
    step = operation.steps.get()
    assert (step.state, step.evidence, step.target.key) == ("done", {"unit": "abc"}, "service:1")
    assert operation.targets.get().state == "succeeded"
    assert not Hold.objects.exists()
