"""Who asks second may wait: holding nothing, in the order of asking, until all that it wants is free."""

from __future__ import annotations

import functools
import random
import threading
import time

import pytest
from django.db import connection, connections, transaction

from ffsweb.accounts.models import Project, User
from ffsweb.operations import claims, ending, naming, runner, services, waiting
from ffsweb.operations.contract import Outcome
from ffsweb.operations.models import Hold, LogLine, Operation, Wish
from ffsweb.operations.services import Busy, Target

DONE = Outcome("succeeded", "Done.")


def has(operation: Operation) -> set[str]:
    return set(operation.holds.values_list("resource", flat=True))


def end(operation: Operation) -> None:
    """As its run ends it."""
    found = claims.claim(operation.pk, holder="worker")
    assert found is not None
    with transaction.atomic():
        row = claims.lock(found)
        assert row is not None
        ending.finish(row, DONE)


def test_who_waits_holds_nothing_cannot_be_claimed_and_nobody_is_told_of_it(enqueue, broker):
    first = enqueue("any", holds=("a",))
    second = enqueue("any", holds=("a", "b"), wait=True)
    assert (second.state, has(second)) == ("queued", set())
    assert claims.claim(second.pk, holder="me") is None
    assert broker.taken() == [first.pk]
    text = LogLine.objects.get(operation=second).text
    for part in ("Waits for its turn: a is in use since", f"operation {first.pk} “Test any”", "which bob asked for"):
        assert part in text


def test_what_is_free_is_taken_at_once_also_by_one_who_would_wait(enqueue, broker):
    operation = enqueue("any", holds=("a",), wait=True)
    assert has(operation) == {"a"}
    assert broker.taken() == [operation.pk]
    assert not Wish.objects.exists()


def test_the_end_of_the_holder_hands_over_and_tells_the_worker_after_the_commit(enqueue, broker):
    first = enqueue("any", holds=("a",))
    second = enqueue("any", holds=("a", "b"), wait=True)
    broker.taken()
    found = claims.claim(first.pk, holder="worker")
    with transaction.atomic():
        row = claims.lock(found)
        ending.finish(row, DONE)
        assert has(second) == {"a", "b"}
        assert broker.taken() == []
    assert broker.taken() == [second.pk]
    assert LogLine.objects.filter(operation=second).last().text == waiting.READY
    assert claims.claim(second.pk, holder="me") is not None


def test_an_end_that_is_not_committed_hands_nothing_over(enqueue, broker):
    first = enqueue("any", holds=("a",))
    second = enqueue("any", holds=("a",), wait=True)
    broker.taken()
    found = claims.claim(first.pk, holder="worker")
    with pytest.raises(RuntimeError), transaction.atomic():
        ending.finish(claims.lock(found), DONE)
        raise RuntimeError
    assert (has(first), has(second), broker.taken()) == ({"a"}, set(), [])


def test_all_is_taken_together_or_nothing(enqueue, broker):
    one, two = enqueue("any", holds=("a",)), enqueue("any", holds=("b",))
    both = enqueue("any", holds=("a", "b"), wait=True)
    end(one)
    assert has(both) == set()
    end(two)
    assert has(both) == {"a", "b"}


def test_nobody_overtakes_an_earlier_one_that_wants_the_same_and_others_are_not_held_up(enqueue, broker):
    holder = enqueue("any", holds=("a",))
    early = enqueue("any", holds=("a", "b"), wait=True)
    with pytest.raises(Busy, match=r"b is awaited since .* by operation .* Nothing was started") as refused:
        enqueue("any", holds=("b",))  # free, but early would wait for ever if such came again and again
    assert (refused.value.holder_id, refused.value.waits, refused.value.before) == (early.pk, True, 1)
    late = enqueue("any", holds=("b", "c"), wait=True)
    later = enqueue("any", holds=("c",), wait=True)
    other = enqueue("any", holds=("d",), wait=True)
    assert has(other) == {"d"}
    assert [waiting.turn_of(each).before for each in (early, late, later)] == [0, 1, 1]
    end(holder)
    assert [has(each) for each in (early, late, later)] == [{"a", "b"}, set(), set()]
    end(early)
    assert [has(each) for each in (late, later)] == [{"b", "c"}, set()]
    end(late)
    assert has(later) == {"c"}


def test_it_is_told_who_has_what_it_waits_for_and_who_comes_first(enqueue, broker):
    holder = enqueue("any", holds=("service:1",), targets=(Target("service:1", "www@node-a"),))
    early = enqueue("any", holds=("service:1", "service:2"), wait=True)
    late = enqueue("any", holds=("service:1", "service:2", "service:3"), wait=True)
    turn = waiting.turn_of(late)
    told = [(row.resource, row.label, row.operation.pk, row.waits) for row in turn.obstacles]
    assert told == [
        ("service:1", "www@node-a", holder.pk, False),
        ("service:2", "service:2", early.pk, True),
    ]
    assert (turn.obstacles[0].since, turn.before) == (Hold.objects.get().since, 1)
    assert waiting.turn_of(holder) is None


def test_an_application_says_what_a_resource_is_called(enqueue, broker, monkeypatch):
    monkeypatch.setitem(naming._names, "thing", lambda keys: {pk: "the seventh" for pk in keys if pk == 7})
    enqueue("any", holds=("thing:7", "thing:8"))
    with pytest.raises(Busy, match=r"^the seventh is in use"):
        enqueue("any", holds=("thing:7",))
    with pytest.raises(Busy, match=r"^thing:8 is in use"):
        enqueue("any", holds=("thing:8",))


def test_one_that_waits_is_cancelled_at_once_and_lets_those_behind_it_go(enqueue, bob, broker):
    enqueue("any", holds=("a",))
    early = enqueue("any", holds=("a", "b"), wait=True, targets=(Target("b", "www"),))
    late = enqueue("any", holds=("b",), wait=True)
    broker.taken()
    services.cancel(early, actor=bob)
    early.refresh_from_db()
    assert (early.state, early.message) == ("cancelled", "bob cancelled it. Nothing was changed.")
    assert not early.wishes.exists()
    assert early.targets.get().state == "cancelled"
    assert has(late) == {"b"}
    assert broker.taken() == [late.pk]


def test_a_parked_holder_keeps_what_others_wait_for(enqueue, kind, broker):
    parked = enqueue(kind(lambda context: context.park("waits for an approval", 3600)), holds=("a",))
    second = enqueue("any", holds=("a",), wait=True)
    runner.run(parked.pk)
    assert services.tick() == 0
    assert (has(parked), has(second)) == ({"a"}, set())


def test_the_tick_hands_over_what_was_freed_behind_everybodys_back(enqueue, broker):
    enqueue("any", holds=("a",))
    second = enqueue("any", holds=("a",), wait=True)
    broker.taken()
    services.tick()
    assert (has(second), broker.taken()) == (set(), [])
    Hold.objects.all().delete()  # as when a project is removed
    services.tick()
    assert has(second) == {"a"}
    assert broker.taken() == [second.pk]


def test_the_tick_does_not_announce_one_that_waits(enqueue, broker):
    enqueue("any", holds=("a",))
    second = enqueue("any", holds=("a",), wait=True)
    assert not Operation.objects.filter(pk=second.pk).claimable().exists()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks no rows: there one transaction is all")
def test_one_whose_row_is_locked_is_passed_by_and_served_later(enqueue, broker):
    first = enqueue("any", holds=("a",))
    second = enqueue("any", holds=("a",), wait=True)
    third = enqueue("any", holds=("a",), wait=True)
    locked, go = threading.Event(), threading.Event()

    def keep() -> None:
        try:
            with transaction.atomic():
                Operation.objects.select_for_update().get(pk=second.pk)
                locked.set()
                go.wait(10)
        finally:
            connections.close_all()

    thread = threading.Thread(target=keep)
    thread.start()
    assert locked.wait(10)
    end(first)  # would wait for ever if it waited for the row
    assert [has(each) for each in (second, third)] == [set(), set()]
    go.set()
    thread.join()
    services.tick()
    assert [has(each) for each in (second, third)] == [{"a"}, set()]


class Crowd:
    """Threads that are workers and operators at once, and what was wrong with what they were given."""

    def __init__(self, project: Project, bob: User) -> None:
        self.ask = functools.partial(
            services.enqueue, kind="any", project=project, actor=bob, title="any", params={}, targets=[], wait=True
        )
        self.owners: dict[str, int] = {}
        self.faults: list[object] = []
        self.guard = threading.Lock()

    def member(self, number: int, wishes: list[tuple[str, ...]]) -> None:
        chance = random.Random(number)
        try:
            for wanted in wishes:
                asked = self.ask(holds=wanted)
                if chance.random() < 0.2:
                    services.cancel(asked, actor=None)
                self.run_one()
        except Exception as error:
            self.faults.append(error)
        finally:
            connections.close_all()

    def run_one(self) -> bool:
        for pk in list(Operation.objects.claimable().order_by("?").values_list("pk", flat=True)):
            found = claims.claim(pk, holder=str(threading.get_ident()))
            if found is not None:
                self.use(list(Hold.objects.filter(operation_id=pk).values_list("resource", flat=True)))
                with transaction.atomic():
                    ending.finish(claims.lock(found), DONE)
                return True
        return False

    def use(self, held: list[str]) -> None:
        with self.guard:
            self.faults.extend(f"{each} twice" for each in held if each in self.owners)
            self.owners.update(dict.fromkeys(held, 1))
        time.sleep(0.002)
        with self.guard:
            for each in held:
                del self.owners[each]


def test_many_who_ask_end_and_cancel_at_once_all_come_to_an_end_and_none_shares_anything(bob, project, broker):
    chance = random.Random(7)
    crowd = Crowd(project, bob)
    wishes = [tuple(chance.sample("abcd", chance.randint(1, 3))) for _ in range(40)]
    threads = [threading.Thread(target=crowd.member, args=(part, wishes[part::4])) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    while crowd.run_one() or services.tick():
        pass
    assert crowd.faults == []
    assert not Operation.objects.active().exists()
    assert not Hold.objects.exists()
    assert not Wish.objects.exists()
