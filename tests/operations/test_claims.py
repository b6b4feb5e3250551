"""Claims, leases and fencing pairs: of any number of workers, one has the operation, and each has a higher pair."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, connections
from django.db.models.functions import Now

from ffsweb.operations import claims, fencing
from ffsweb.operations.contract import Claim, Outcome
from ffsweb.operations.errors import LeaseLost
from ffsweb.operations.journal import Journal
from ffsweb.operations.lease import LeaseKeeper
from ffsweb.operations.models import LogLine, Operation
from ffsweb.operations.states import FOLLOWS, TERMINAL, State, StepState, Stream, may_follow, of_target_at_the_end
from ffsweb.operations.stopping import StopSignal
from ffsweb.operations.writer import Writer
from ffsweb.operations.writes import Finish, Line, StepWrite

from .processes import wait_until


def claim(operation: Operation, holder: str = "me") -> Claim | None:
    return claims.claim(operation.pk, holder=holder)


def line(text: str) -> Line:
    from django.utils import timezone

    return Line(timezone.now(), None, Stream.INFO, text)


def run_out(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(lease_until=Now() - timedelta(seconds=1))


def test_of_many_claims_at_once_one_wins(enqueue):
    operation = enqueue("any")
    start, won = threading.Barrier(8), []

    def try_it(number: int) -> None:
        start.wait()
        try:
            found = claim(operation, f"worker {number}")
            if found:
                won.append(found)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=try_it, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    operation.refresh_from_db()
    assert (operation.state, operation.lease_holder, operation.attempt) == ("running", won[0].holder, 1)


def test_each_claim_has_a_higher_pair_also_of_another_operation(enqueue):
    pairs = []
    for _ in range(3):
        operation = enqueue("any")
        found = claim(operation)
        assert found is not None
        pairs.append(found.fence)
        assert claim(operation) is None
        run_out(operation)
        again = claim(operation)
        assert again is not None
        assert again.took_over
        pairs.append(again.fence)
    assert pairs == sorted(set(pairs))


def test_a_lost_claim_uses_up_no_pair(enqueue):
    operation = enqueue("any")
    first = claim(operation)
    for _ in range(5):
        assert claim(operation) is None
    other = claim(enqueue("any"))
    assert first is not None
    assert other is not None
    assert other.fence.counter == first.fence.counter + 1


def test_a_new_epoch_is_higher_than_all_before_whatever_the_counter_is(enqueue):
    before = claim(enqueue("any"))
    epoch = fencing.new_epoch()
    after = claim(enqueue("any"))
    assert before is not None
    assert after is not None
    assert epoch.epoch > before.fence.epoch
    assert after.fence > before.fence
    assert str(after.fence) == f"{epoch.epoch}.1"
    assert fencing.new_epoch() > after.fence


def test_a_renewed_lease_lasts_and_only_its_holder_can_renew(enqueue):
    operation = enqueue("any")
    found = claim(operation)
    assert found is not None
    run_out(operation)
    assert claims.renew(found)  # nobody took it in the meantime
    assert claim(operation) is None
    run_out(operation)
    other = claim(operation, "other")
    assert other is not None
    assert not claims.renew(found)
    assert not claims.watch(found).ours
    assert claims.watch(other).ours


@pytest.mark.parametrize("ended", sorted(TERMINAL))
def test_what_has_ended_cannot_be_claimed(enqueue, ended):
    operation = enqueue("any")
    Operation.objects.filter(pk=operation.pk).update(state=ended)
    assert claim(operation) is None


def test_the_journal_refuses_a_stale_holder_even_with_the_same_name(enqueue):
    operation = enqueue("any")
    old = claim(operation)
    run_out(operation)
    new = claim(operation)
    assert old is not None
    assert new is not None
    stale, fresh = Journal(old), Journal(new)
    fresh.write([line("fresh")])
    for write in (
        line("stale"),
        StepWrite("stale", None, StepState.INTENT, line("").at),
        Finish(Outcome("succeeded", "stale")),
    ):
        with pytest.raises(LeaseLost):
            stale.write([write])
    fresh.write([line("fresh again")])
    assert list(LogLine.objects.values_list("number", "text")) == [(1, "fresh"), (2, "fresh again")]
    assert not operation.steps.exists()


def test_a_batch_whose_answer_was_lost_is_not_written_twice(enqueue):
    operation = enqueue("any")
    found = claim(operation)
    assert found is not None
    journal = Journal(found)
    batch = [line("one"), StepWrite("step", None, StepState.INTENT, line("").at), line("two")]
    journal.write(batch)
    journal.write(batch)
    last = [line("three"), Finish(Outcome("succeeded", "Done."))]
    journal.write(last)
    journal.write(last)
    kept = list(LogLine.objects.values_list("number", "text"))
    assert kept == [(1, "one"), (2, "two"), (3, "three"), (4, "Succeeded. Done.")]
    assert operation.steps.count() == 1
    with pytest.raises(LeaseLost):
        journal.write([Finish(Outcome("failed", "Another end."))])


class Flaky(Journal):
    """A journal whose database is away for some writes: before they are committed, or after."""

    failures: list[str]

    def write(self, batch):
        fault = self.failures.pop(0) if self.failures else ""
        if fault == "before":
            raise OperationalError("the database system is starting up")
        super().write(batch)
        if fault == "after":
            raise OperationalError("server closed the connection unexpectedly")


def writer_with(journal: Journal, *, good: bool = True) -> tuple[Writer, list[str]]:
    events: list[str] = []
    writer = Writer(
        journal, good=lambda: good, wake=lambda: events.append("woken"), lost=lambda: events.append("lost")
    )
    writer.start()
    return writer, events


def test_the_writer_outlives_a_database_that_is_away(enqueue):
    operation = enqueue("any")
    found = claim(operation)
    assert found is not None
    journal = Flaky(found)
    journal.failures = ["before", "after", "before", "before"]
    writer, events = writer_with(journal)
    for number in range(50):
        writer.post(line(f"line {number}"))
    writer.commit(StepWrite("step", None, StepState.INTENT, line("").at))
    writer.commit(Finish(Outcome("succeeded", "Done.")))
    writer.close()
    kept = list(LogLine.objects.values_list("number", "text"))
    assert kept == [*((n + 1, f"line {n}") for n in range(50)), (51, "Succeeded. Done.")]
    assert "lost" not in events


def test_the_writer_gives_up_when_the_lease_has_run_out_and_tells_everybody_who_waits(enqueue):
    found = claim(enqueue("any"))
    assert found is not None
    journal = Flaky(found)
    journal.failures = ["before"] * 100
    writer, events = writer_with(journal, good=False)
    with pytest.raises(LeaseLost):
        writer.commit(StepWrite("step", None, StepState.INTENT, line("").at))
    with pytest.raises(LeaseLost):
        writer.post(line("later"))
    writer.close()
    assert events == ["lost"]
    assert not LogLine.objects.exists()


def test_when_it_is_quiet_a_line_is_committed_at_once(enqueue):
    found = claim(enqueue("any"))
    assert found is not None
    writer, _ = writer_with(Journal(found))
    writer.post(line("warm"))
    wait_until(LogLine.objects.filter(text="warm").exists)
    time.sleep(0.2)
    began = time.monotonic()
    writer.post(line("quiet"))
    wait_until(LogLine.objects.filter(text="quiet").exists)
    taken = time.monotonic() - began
    writer.close()
    assert taken < 0.1


def test_under_load_lines_are_committed_in_batches(enqueue):
    found = claim(enqueue("any"))
    assert found is not None
    writer, events = writer_with(Journal(found))
    began = time.monotonic()
    for number in range(3000):
        writer.post(line(f"{number}"))
    writer.close()
    taken = time.monotonic() - began
    assert LogLine.objects.count() == 3000
    assert events.count("woken") <= 3 + taken / 0.1 + 3


def test_a_lease_counts_as_lost_by_ones_own_clock_when_the_database_is_away(enqueue, monkeypatch):
    monkeypatch.setattr(settings, "OPERATIONS_LEASE", 0.6, raising=False)
    monkeypatch.setattr(settings, "OPERATIONS_WATCH", 0.05, raising=False)
    found = claim(enqueue("any"))
    assert found is not None

    def away(_claim: Claim) -> bool:
        raise OperationalError("no route to host")

    monkeypatch.setattr(claims, "renew", away)
    monkeypatch.setattr(claims, "watch", away)
    stop = StopSignal()
    keeper = LeaseKeeper(found, stop, claimed_at=time.monotonic(), abandon=lambda: None)
    keeper.start()
    assert keeper.good()
    assert stop.event.wait(5)
    assert stop.lost
    assert not keeper.good()
    keeper.close()


def test_a_lease_that_is_kept_never_runs_out(enqueue, monkeypatch):
    monkeypatch.setattr(settings, "OPERATIONS_LEASE", 0.9, raising=False)
    monkeypatch.setattr(settings, "OPERATIONS_WATCH", 0.05, raising=False)
    operation = enqueue("any")
    found = claim(operation)
    assert found is not None
    stop = StopSignal()
    keeper = LeaseKeeper(found, stop, claimed_at=time.monotonic(), abandon=lambda: None)
    keeper.start()
    deadline = time.monotonic() + 2.5
    while time.monotonic() < deadline:
        assert claim(operation, "thief") is None
        time.sleep(0.1)
    assert keeper.good()
    assert not stop.event.is_set()
    keeper.close()


def test_nothing_follows_an_end_and_every_other_state_can_come_to_one():
    for end in TERMINAL:
        assert not any(may_follow(end, state) for state in State)
    for state in set(State) - TERMINAL:
        assert FOLLOWS[state] & TERMINAL


@pytest.mark.parametrize("end", sorted(TERMINAL))
@pytest.mark.parametrize("target", sorted(State))
def test_a_target_is_settled_when_its_operation_ends(target, end):
    state, message = of_target_at_the_end(State(target), State(end))
    assert state.terminal
    if State(target).terminal:
        assert (state, message) == (target, "")
