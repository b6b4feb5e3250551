"""One operation in this process, from the queue to its end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, connections
from django.db.models.functions import Now
from django.utils import timezone

from ffsweb.audit.models import AuditEvent
from ffsweb.operations import claims, runner, services
from ffsweb.operations.context import Context
from ffsweb.operations.errors import Cancelled, LeaseLost
from ffsweb.operations.kinds import Outcome
from ffsweb.operations.limits import DATABASE_PARKS
from ffsweb.operations.models import Hold, LogLine, Operation
from ffsweb.operations.services import Target
from ffsweb.sealed import MASK, Secret

from .processes import wait_until

A, B, C = Target("service:1", "www@node-a"), Target("service:2", "www@node-b"), Target("service:3", "www@node-c")
DONE = Outcome("succeeded", "Done.")


def texts(operation: Operation) -> list[str]:
    """The log, whose numbers count from 1 without a gap."""
    rows = list(LogLine.objects.filter(operation=operation).values_list("number", "text"))
    assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
    return [text for _, text in rows]


def state(operation: Operation) -> str:
    operation.refresh_from_db()
    return operation.state


def due_now(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(resume_at=Now() - timedelta(seconds=1))


@contextlib.contextmanager
def running(operation: Operation) -> Iterator[threading.Thread]:
    """The operation runs in a thread of its own, as in a worker."""

    def work() -> None:
        try:
            runner.run(operation.pk)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(30)
        assert not thread.is_alive()


def test_it_runs_to_the_end_and_says_how_it_ended(enqueue, kind):
    def run(context: Context) -> Outcome:
        with context.step("switch", A) as step:
            context.log("switching\nswitched", target=A, stream="out")
            step.evidence({"unit": "abc"})
        return Outcome("succeeded", "Release 3 runs.")

    operation = enqueue(kind(run), targets=(A,), holds=("service:1",))
    runner.run(operation.pk)

    assert (state(operation), operation.message, operation.attempt) == ("succeeded", "Release 3 runs.", 1)
    assert operation.started_at
    assert operation.finished_at
    assert not operation.lease_holder
    assert texts(operation) == ["switching", "switched", "Succeeded. Release 3 runs."]
    step = operation.steps.get()
    assert (step.state, step.evidence, step.target.key) == ("done", {"unit": "abc"}, "service:1")
    assert operation.targets.get().state == "succeeded"
    assert not Hold.objects.exists()
    end = AuditEvent.objects.get(action="operation.end")
    assert (end.detail["operation"], end.detail["state"]) == (operation.pk, "succeeded")


def test_the_intent_is_in_the_database_before_the_step_acts_and_lines_before_it_too(enqueue, kind):
    seen = []

    def run(context: Context) -> Outcome:
        context.log("about to switch")
        with context.step("switch"):
            step = Operation.objects.get(pk=context.operation.id).steps.get()
            seen.append((step.state, LogLine.objects.filter(text="about to switch").exists()))
        return DONE

    runner.run(enqueue(kind(run)).pk)
    assert seen == [("intent", True)]


def test_it_runs_once_however_often_it_is_asked_to(enqueue, kind):
    runs = []
    operation = enqueue(kind(lambda context: runs.append(context.fence) or DONE))
    for _ in range(3):
        runner.run(operation.pk)
    runner.run(10**6)
    assert len(runs) == 1


def test_what_nobody_expected_becomes_failed_with_a_number_to_ask_for(enqueue, kind, caplog):
    def run(context: Context) -> Outcome:
        context.protect("sentinel-secret")
        with context.step("break"):
            raise ZeroDivisionError("sentinel-secret by zero")

    operation = enqueue(kind(run), targets=(A,), holds=("service:1",))
    runner.run(operation.pk)
    assert state(operation) == "failed"
    assert f"ZeroDivisionError: {MASK} by zero" in operation.message
    number = operation.message.partition("(error ")[2][:8]
    told = [record.getMessage() for record in caplog.records if "operation_error" in record.getMessage()]
    assert len(told) == 1
    assert number in told[0]
    assert "test_runner.py" in told[0]
    assert "sentinel-secret" not in told[0]
    step = operation.steps.get()
    assert (step.state, step.message) == ("failed", f"{MASK} by zero")
    assert not Hold.objects.exists()


@pytest.mark.parametrize("where", ["by itself", "on a node", "in a step"])
def test_a_kind_whose_query_fails_goes_on_from_the_journal(enqueue, kind, where):
    did = []

    def fail(context: Context, number: int) -> None:
        if context.operation.attempt == number:
            raise OperationalError("server closed the connection unexpectedly")

    def run(context: Context) -> Outcome:
        if context.done("stage") is None:
            with context.step("stage"):
                did.append("stage")
        if where == "on a node":
            context.each((A, B), lambda target: fail(context, 1) if target == B else None)
        elif where == "in a step":
            with context.step("switch", A):
                fail(context, 1)
        else:
            fail(context, 1)
        return DONE

    operation = enqueue(kind(run), targets=(A, B), holds=("service:1",))
    runner.run(operation.pk)
    assert (state(operation), operation.parked_reason) == ("parked", runner.DATABASE_REASON)
    assert not operation.targets.filter(state="failed").exists()
    assert Hold.objects.exists()
    runner.run(operation.pk)
    assert (state(operation), operation.attempt, did) == ("succeeded", 2, ["stage"])


def test_a_query_that_always_fails_is_not_tried_for_ever(enqueue, kind):
    def run(context: Context) -> Outcome:
        raise OperationalError("the disk is full")

    operation = enqueue(kind(run), holds=("service:1",))
    for _ in range(DATABASE_PARKS + 1):
        runner.run(operation.pk)
    assert (state(operation), operation.attempt) == ("failed", DATABASE_PARKS + 1)
    assert "OperationalError: the disk is full" in operation.message
    assert not Hold.objects.exists()


@pytest.mark.parametrize("answer", [None, "succeeded", ("succeeded", "x")])
def test_a_kind_that_returns_no_outcome_has_failed(enqueue, kind, answer):
    operation = enqueue(kind(lambda context: answer))
    runner.run(operation.pk)
    assert state(operation) == "failed"
    assert "which is no outcome" in operation.message


def test_an_unknown_kind_fails_and_changes_nothing(enqueue):
    operation = enqueue("from-the-future", holds=("service:1",))
    runner.run(operation.pk)
    assert state(operation) == "failed"
    assert "nothing that can run “from-the-future”" in operation.message
    assert not Hold.objects.exists()


def test_an_outcome_is_always_an_end():
    for wrong in ("running", "parked", "queued", "done"):
        with pytest.raises(ValueError, match=r"does not end as|is not a valid"):
            Outcome(wrong, "")


def test_no_secret_reaches_line_evidence_message_or_audit(enqueue, kind):
    sentinel = "S3ntinel/value+of the.env"

    def run(context: Context) -> Outcome:
        context.protect(Secret(sentinel))
        context.log(f"export PASSWORD={sentinel}", stream="out")
        context.log(f"{sentinel[:20]}\n{sentinel[20:]}", stream="err")
        with context.step("leak", A) as step:
            step.evidence({"env": [sentinel], sentinel: 1})
        context.mark(A, "failed", f"refused {sentinel}")
        with contextlib.suppress(RuntimeError), context.step("break"):
            raise RuntimeError(f"bad value {sentinel}")
        return Outcome("failed", f"It said {sentinel}.")

    operation = enqueue(kind(run), targets=(A,))
    runner.run(operation.pk)
    operation.refresh_from_db()
    kept = [operation.message, *texts(operation), operation.targets.get().message]
    kept += [f"{step.evidence} {step.message}" for step in operation.steps.all()]
    kept += [str(event.detail) for event in AuditEvent.objects.all()]
    assert not any("S3ntinel" in text for text in kept)
    assert operation.message == f"It said {MASK}."
    assert texts(operation)[0] == f"export PASSWORD={MASK}"


def test_a_parked_operation_keeps_its_holds_and_goes_on_from_the_journal(enqueue, kind):
    did = []

    def run(context: Context) -> Outcome:
        for name in ("stage", "switch"):
            if context.done(name, A) is None:
                with context.step(name, A) as step:
                    did.append((name, context.operation.attempt))
                    step.evidence({"of": name})
            if name == "stage" and context.operation.attempt == 1:
                context.park("waits for an approval", 3600)
        assert context.done("stage", A) == {"of": "stage"}
        return DONE

    operation = enqueue(kind(run), targets=(A,), holds=("service:1",))
    runner.run(operation.pk)
    assert (state(operation), operation.parked_reason, operation.lease_until) == (
        "parked",
        "waits for an approval",
        None,
    )
    assert operation.resume_at > timezone.now() + timedelta(seconds=3500)
    assert Hold.objects.get().operation_id == operation.pk
    runner.run(operation.pk)  # not due yet
    assert state(operation) == "parked"

    services.resume(operation, actor=None)
    runner.run(operation.pk)
    assert state(operation) == "succeeded"
    assert did == [("stage", 1), ("switch", 2)]
    assert texts(operation) == [
        "Parked: waits for an approval.",
        "ffsweb lets it go on.",
        "Goes on with what is not done yet.",
        "Succeeded. Done.",
    ]
    assert not Hold.objects.exists()


def test_a_cancel_reaches_a_run_that_waits_within_two_seconds_and_lets_it_clean_up(enqueue, kind, bob):
    def run(context: Context) -> Outcome:
        try:
            with context.step("wait"):
                context.log("waiting")
                context.stop.wait(30)
                context.checkpoint()
        except Cancelled:
            context.take_cancel()
            assert not context.stop.is_set()
            with context.step("clean up"):
                context.checkpoint()
            return Outcome("cancelled", "The node is on the old release.")
        return DONE

    operation = enqueue(kind(run), holds=("service:1",))
    with running(operation):
        wait_until(operation.lines.exists)
        began = time.monotonic()
        services.cancel(operation, actor=bob)
        services.cancel(operation, actor=bob)  # the same as once
        wait_until(lambda: state(operation) == "cancelled", seconds=5)
        assert time.monotonic() - began < 2
    assert operation.message == "The node is on the old release."
    assert [step.state for step in operation.steps.all()] == ["failed", "done"]
    assert AuditEvent.objects.filter(action="operation.cancel", actor_name="bob").count() == 1
    assert not Hold.objects.exists()


def test_a_kind_that_breaks_under_a_cancel_is_cancelled_and_tells_with_what(enqueue, kind, bob):
    def run(context: Context) -> Outcome:
        with context.step("wait"):
            context.stop.wait(30)
            raise ConnectionError("the channel was closed")

    operation = enqueue(kind(run))
    with running(operation):
        wait_until(operation.steps.exists)
        services.cancel(operation, actor=bob)
    assert state(operation) == "cancelled"
    assert operation.message.startswith("bob cancelled it.")
    assert "the channel was closed" in operation.message


def test_a_cancel_that_comes_just_before_it_parks_is_not_slept_over(enqueue, kind, bob, monkeypatch):
    monkeypatch.setattr(settings, "OPERATIONS_WATCH", 30.0, raising=False)  # the run does not see it in time

    def run(context: Context) -> Outcome:
        context.checkpoint()
        with context.step("approve"):
            services.cancel(Operation.objects.get(pk=context.operation.id), actor=bob)
        context.park("waits for an approval", 3600)

    operation = enqueue(kind(run))
    runner.run(operation.pk)
    assert state(operation) == "parked"
    assert claims.Operation.objects.filter(pk=operation.pk).claimable().exists()
    runner.run(operation.pk)
    assert state(operation) == "cancelled"


def test_a_stopping_worker_parks_what_runs_and_takes_nothing_new(enqueue, kind, stopping_worker):
    def run(context: Context) -> Outcome:
        with context.step("wait"):
            context.stop.wait(30)
            context.checkpoint()
        return DONE

    operation = enqueue(kind(run), holds=("service:1",))
    with running(operation):
        wait_until(operation.steps.exists)
        stopping_worker()
        wait_until(lambda: state(operation) == "parked", seconds=3)
    assert operation.parked_reason == "the worker is stopping; goes on at the next start"
    assert operation.steps.get().state == "intent"
    assert Hold.objects.exists()
    runner.run(operation.pk)  # this worker is still stopping
    assert state(operation) == "parked"
    assert Operation.objects.claimable().filter(pk=operation.pk).exists()


def test_a_kind_that_does_not_listen_is_cut_off_when_the_worker_stops(enqueue, kind, stopping_worker, monkeypatch):
    monkeypatch.setattr("ffsweb.operations.lease.PARK_GRACE", 0.5)
    go, refused = threading.Event(), []

    def run(context: Context) -> Outcome:
        try:
            with context.step("deaf"):
                go.wait(30)
                context.log("much too late")
        except LeaseLost:
            refused.append("refused")
            raise
        return DONE

    operation = enqueue(kind(run))
    with running(operation):
        wait_until(operation.steps.exists)
        stopping_worker()
        wait_until(lambda: state(operation) == "parked", seconds=5)
        go.set()
    assert refused == ["refused"]
    assert state(operation) == "parked"
    assert "much too late" not in texts(operation)


def test_who_lost_the_lease_stops_at_once_and_writes_nothing_more(enqueue, kind):
    """As after a pause of the whole process (SIGSTOP): the lease ran out, another worker went on, the old one wakes."""
    stopped, refused = threading.Event(), []

    def run(context: Context) -> Outcome:
        if context.operation.attempt == 2:
            context.log("second")
            return Outcome("succeeded", f"By {context.fence}.")
        context.log("first")
        with context.step("wait"):
            context.stop.wait(30)
            stopped.set()
            for write in (
                lambda: context.log("stale line"),
                lambda: context.mark(A, "succeeded"),
                lambda: context.progress(A, 1, 2),
                lambda: context.step("stale step").__enter__(),
                context.checkpoint,
            ):
                with contextlib.suppress(LeaseLost):
                    for _ in range(3):  # the first may be taken before the database has refused one
                        write()
                        time.sleep(0.2)
                    continue
                refused.append(write)
        return Outcome("failed", "A stale end.")

    operation = enqueue(kind(run), targets=(A,), holds=("service:1",))
    with running(operation):
        wait_until(operation.steps.exists)
        Operation.objects.filter(pk=operation.pk).update(lease_until=Now() - timedelta(seconds=1))
        before = Operation.objects.get(pk=operation.pk).fence_counter
        runner.run(operation.pk)
        assert stopped.wait(5)
    assert len(refused) == 5
    assert state(operation) == "succeeded"
    assert operation.message == f"By {operation.fence_epoch}.{before + 1}."
    assert texts(operation) == [
        "first",
        "The worker that ran this vanished. Another one goes on with what is not done yet.",
        "second",
        f"Succeeded. {operation.message}",
    ]
    assert operation.targets.get().state == "succeeded"
    assert operation.steps.get().attempt == 1


def test_an_operation_that_kills_its_workers_is_given_up_as_unknown(enqueue, kind):
    runs = []
    operation = enqueue(kind(lambda context: runs.append(1) or DONE), holds=("service:1",))
    Operation.objects.filter(pk=operation.pk).update(
        state="running", takeovers=5, lease_until=Now() - timedelta(seconds=1)
    )
    runner.run(operation.pk)
    assert state(operation) == "unknown"
    assert runs == []
    assert operation.message.startswith("6 workers ended while they ran this")
    assert not Hold.objects.exists()


def test_each_target_has_its_result_and_one_failure_is_not_that_of_the_others(enqueue, kind):
    found = {}

    def work(target: Target) -> str:
        if target == B:
            raise OSError("disk full")
        return target.label

    def run(context: Context) -> Outcome:
        found.update(context.each(context.operation.targets, work))
        context.mark(A, "succeeded", "Release 3 is live.")
        return Outcome("failed", "One of three.")

    operation = enqueue(kind(run), targets=(A, B))
    runner.run(operation.pk)
    assert found[A] == "www@node-a"
    assert isinstance(found[B], OSError)
    rows = {target.key: (target.state, target.message) for target in operation.targets.all()}
    assert rows == {A.key: ("succeeded", "Release 3 is live."), B.key: ("failed", "disk full")}


def test_targets_that_never_began_are_said_to_be_so(enqueue, kind):
    def run(context: Context) -> Outcome:
        context.mark(A, "running")
        with context.step("stage", C):  # what has a step has begun, marked or not
            pass
        return Outcome("rolled_back", "All on the old release.")

    operation = enqueue(kind(run), targets=(A, B, C))
    runner.run(operation.pk)
    rows = {target.key: (target.state, target.message) for target in operation.targets.all()}
    assert rows == {A.key: ("rolled_back", ""), B.key: ("cancelled", "Not begun."), C.key: ("rolled_back", "")}


def test_work_on_many_nodes_writes_by_one_thread_and_in_the_order_of_each_node(enqueue, kind):
    targets = tuple(Target(f"service:{number}", f"node {number}") for number in range(20))

    def work(context: Context, target: Target) -> None:
        with context.step("stage", target):
            for number in range(100):
                context.log(f"{target.key} {number}", target=target, stream="out")

    def run(context: Context) -> Outcome:
        results = context.each(targets, lambda target: work(context, target))
        assert set(results.values()) == {None}
        return DONE

    operation = enqueue(kind(run), targets=targets)
    runner.run(operation.pk)
    assert state(operation) == "succeeded"
    kept = texts(operation)[:-1]
    for target in targets:
        assert [text for text in kept if text.startswith(f"{target.key} ")] == [
            f"{target.key} {n}" for n in range(100)
        ]
    assert operation.steps.filter(state="done").count() == 20


def test_a_cancel_ends_work_on_nodes_whatever_its_results_are(enqueue, kind, bob):
    def run(context: Context) -> Outcome:
        context.each((A, B), lambda target: context.stop.wait(30))
        return Outcome("succeeded", "It must not come to this.")

    operation = enqueue(kind(run), targets=(A, B))
    with running(operation):
        wait_until(lambda: operation.targets.filter(state="running").count() == 2)
        services.cancel(operation, actor=bob)
    assert state(operation) == "cancelled"


def test_only_the_last_progress_counts_and_the_end_is_always_shown(enqueue, kind):
    def run(context: Context) -> Outcome:
        for done in range(0, 10_001, 10):
            context.progress(A, done, 10_000)
        with pytest.raises(ValueError, match="no target 'service:9'"):
            context.progress("service:9", 1, 2)
        return DONE

    operation = enqueue(kind(run), targets=(A,))
    runner.run(operation.pk)
    target = operation.targets.get()
    assert (target.bytes_done, target.bytes_total) == (10_000, 10_000)
    operation.refresh_from_db()
    assert operation.revision < 20


def test_output_beyond_what_is_kept_is_dropped_and_said_so_once(enqueue, kind, monkeypatch):
    monkeypatch.setattr("ffsweb.operations.writer.OUTPUT_LINES", 50)

    def run(context: Context) -> Outcome:
        for number in range(200):
            context.log(f"out {number}", stream="out")
        context.log("the dashboard's own words")
        return DONE

    operation = enqueue(kind(run))
    runner.run(operation.pk)
    kept = texts(operation)
    assert kept[-3:] == [
        "There are 50 lines now; further output of programs is not kept.",
        "the dashboard's own words",
        "Succeeded. Done.",
    ]
    assert len(kept) <= 55


def test_what_a_database_cannot_hold_is_left_out_of_a_line(enqueue, kind):
    def run(context: Context) -> Outcome:
        context.log("nul \x00 surrogate \ud800 bell \x07 end", stream="out")
        context.log("long " + "x" * 9000, stream="out")
        return DONE

    operation = enqueue(kind(run))
    runner.run(operation.pk)
    kept = texts(operation)
    assert kept[0] == "nul  surrogate  bell  end"
    assert [len(text) for text in kept[1:4]] == [4000, 4000, 1005]
