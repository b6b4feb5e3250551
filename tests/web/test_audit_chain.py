"""The chain of the audit log: what was done to a row is found and named, and writers cannot fork it."""

from __future__ import annotations

import datetime as dt
import threading
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction

from ffsweb.accounts.models import Project, User
from ffsweb.audit.chain import GENESIS, Break, Damage, Entry, canonical
from ffsweb.audit.models import AppendOnly, AuditEvent, AuditHead
from ffsweb.audit.services import record, verify
from ffsweb.sealed import Secret


@pytest.fixture
def five(db: None) -> None:
    for number in range(1, 6):
        record(actor=None, action="test.write", target=f"row {number}", detail={"number": number})


def _sql(text: str, *arguments: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text, arguments)


def _broken() -> Break:
    broken = verify().broken
    assert broken is not None
    return broken


def _rehash(sequence: int, **changes: object) -> None:
    """What somebody does who knows how the hash is made."""
    event = AuditEvent.objects.get(sequence=sequence)
    says = {
        "sequence": event.sequence,
        "at": event.at,
        "actor": event.actor_name,
        "action": event.action,
        "project": event.project_name,
        "target": event.target,
        "detail": event.detail_json,
        "source": event.source,
        "previous": event.previous_hash,
    }
    entry = Entry(**{**says, **changes})  # type: ignore[arg-type]
    _sql(
        "UPDATE audit_auditevent SET target = %s, previous_hash = %s, hash = %s WHERE sequence = %s",
        entry.target,
        entry.previous,
        entry.digest(),
        sequence,
    )


@pytest.mark.django_db
def test_an_empty_log_is_whole() -> None:
    assert verify().intact


@pytest.mark.usefixtures("five")
def test_an_untouched_log_is_whole() -> None:
    verdict = verify()
    assert (verdict.intact, verdict.checked) == (True, 5)
    assert AuditEvent.objects.get(sequence=1).previous_hash == GENESIS


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("target", "another row"),
        ("actor_name", "somebody else"),
        ("action", "test.read"),
        ("detail_json", '{"number":9}'),
        ("source", "203.0.113.9"),
        ("project_name", "other"),
        ("at", dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
        ("hash", "f" * 64),
    ],
)
def test_a_changed_row_is_named(column: str, value: object) -> None:
    _sql(f"UPDATE audit_auditevent SET {column} = %s WHERE sequence = 3", value)
    assert (_broken().sequence, _broken().damage) == (3, Damage.CHANGED)
    assert verify().checked == 2


@pytest.mark.usefixtures("five")
def test_a_removed_row_is_named() -> None:
    _sql("DELETE FROM audit_auditevent WHERE sequence = 3")
    assert (_broken().sequence, _broken().damage) == (3, Damage.REMOVED)


@pytest.mark.usefixtures("five")
def test_a_removed_row_is_named_even_when_the_later_ones_were_renumbered() -> None:
    _sql("DELETE FROM audit_auditevent WHERE sequence = 3")
    for number in (4, 5):
        _sql("UPDATE audit_auditevent SET sequence = %s WHERE sequence = %s", number - 1, number)
    assert (_broken().sequence, _broken().damage) == (3, Damage.REMOVED)


@pytest.mark.usefixtures("five")
def test_rows_cut_off_at_the_end_are_named() -> None:
    _sql("DELETE FROM audit_auditevent WHERE sequence > 3")
    assert (_broken().sequence, _broken().damage) == (4, Damage.REMOVED)


@pytest.mark.usefixtures("five")
def test_a_log_that_was_emptied_is_not_whole() -> None:
    _sql("DELETE FROM audit_auditevent")
    assert (_broken().sequence, _broken().damage) == (1, Damage.REMOVED)


@pytest.mark.usefixtures("five")
def test_reordered_rows_are_named() -> None:
    for old, new in ((3, 99), (4, 3), (99, 4)):
        _sql("UPDATE audit_auditevent SET sequence = %s WHERE sequence = %s", new, old)
    assert (_broken().sequence, _broken().damage) == (3, Damage.REORDERED)


@pytest.mark.usefixtures("five")
def test_an_inserted_row_is_named() -> None:
    for number in (5, 4, 3):
        _sql("UPDATE audit_auditevent SET sequence = %s WHERE sequence = %s", number + 1, number)
    before = AuditEvent.objects.get(sequence=2)
    entry = Entry(3, before.at, "alice", "test.forge", "", "slipped in", "{}", "", before.hash)
    AuditEvent(
        sequence=3,
        at=entry.at,
        actor_name=entry.actor,
        action=entry.action,
        target=entry.target,
        previous_hash=entry.previous,
        hash=entry.digest(),
    ).save()
    assert (_broken().sequence, _broken().damage) == (3, Damage.INSERTED)


@pytest.mark.usefixtures("five")
def test_a_row_put_at_the_end_behind_the_log_is_named() -> None:
    last = AuditEvent.objects.get(sequence=5)
    entry = Entry(6, last.at, "alice", "test.forge", "", "", "{}", "", last.hash)
    AuditEvent(
        sequence=6, at=entry.at, actor_name="alice", action="test.forge", previous_hash=last.hash, hash=entry.digest()
    ).save()
    assert (_broken().sequence, _broken().damage) == (6, Damage.INSERTED)


@pytest.mark.usefixtures("five")
def test_a_row_changed_together_with_its_hash_is_named() -> None:
    _rehash(3, target="another row")
    assert (_broken().sequence, _broken().damage) == (3, Damage.CHANGED)
    assert verify().checked == 2


@pytest.mark.usefixtures("five")
def test_the_last_but_one_changed_together_with_its_hash_is_named() -> None:
    _rehash(4, target="another row")
    assert (_broken().sequence, _broken().damage) == (4, Damage.CHANGED)


@pytest.mark.usefixtures("five")
def test_the_last_row_changed_together_with_its_hash_is_named_by_the_head() -> None:
    _rehash(5, target="another row")
    assert (_broken().sequence, _broken().damage) == (5, Damage.CHANGED)


@pytest.mark.django_db
def test_a_row_filed_under_another_project_is_named(project: Project) -> None:
    record(actor=None, action="test.write", project=project)
    other = Project.objects.create(name="other")
    _sql("UPDATE audit_auditevent SET project_id = %s", other.pk)
    assert (_broken().sequence, _broken().damage) == (1, Damage.CHANGED)


@pytest.mark.django_db
def test_the_log_survives_its_project_and_its_people(project: Project, alice: User) -> None:
    record(actor=alice, action="test.write", project=project)
    project.delete()
    alice.delete()
    assert verify().intact
    event = AuditEvent.objects.get()
    assert (event.actor_name, event.project_name, event.project, event.actor) == ("alice", "serbest", None, None)


@pytest.mark.usefixtures("five")
def test_the_log_can_only_be_added_to() -> None:
    event = AuditEvent.objects.get(sequence=1)
    event.target = "changed"
    for change in (event.save, event.delete, AuditEvent.objects.all().delete):
        with pytest.raises(AppendOnly):
            change()
    with pytest.raises(AppendOnly):
        AuditEvent.objects.update(target="changed")
    assert verify().intact


@pytest.mark.django_db
def test_what_json_cannot_say_exactly_is_refused_and_nothing_is_written() -> None:
    for value in (float("nan"), Secret("hush"), object()):
        with pytest.raises((TypeError, ValueError)):
            record(actor=None, action="test.write", detail={"value": value})
    assert AuditEvent.objects.count() == 0


@pytest.mark.django_db
def test_hostile_text_is_kept_and_stays_whole() -> None:
    hostile = "a\0b\ud800c\u2028=1+1<script>" + "x" * 400
    event = record(actor=hostile, action="test.write", target=hostile, detail={"text": hostile})
    event.refresh_from_db()
    assert len(event.target) == 255
    assert "\0" not in event.target
    assert verify().intact


@pytest.mark.django_db
def test_an_action_that_fails_leaves_no_event() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        record(actor=None, action="test.write")
        raise RuntimeError
    assert AuditEvent.objects.count() == 0
    record(actor=None, action="test.write")
    assert verify().intact


@pytest.mark.usefixtures("five")
def test_the_command_says_whether_the_log_is_whole() -> None:
    out, err = StringIO(), StringIO()
    call_command("verify_audit", stdout=out)
    head = AuditHead.objects.get().hash
    assert out.getvalue() == f"The audit log is whole: 5 events. The last one's hash: {head}\n"
    _sql("UPDATE audit_auditevent SET target = 'x' WHERE sequence = 2")
    with pytest.raises(SystemExit) as ended:
        call_command("verify_audit", stderr=err)
    assert ended.value.code == 1
    assert "Event 2 was changed" in err.getvalue()


@pytest.mark.django_db(transaction=True)
def test_writers_at_the_same_time_make_one_chain() -> None:
    start, failures = threading.Barrier(6), []

    def write(writer: int) -> None:
        try:
            start.wait(10)
            for number in range(10):
                with transaction.atomic():
                    record(actor=f"writer {writer}", action="test.write", target=str(number))
        except Exception as problem:
            failures.append(problem)
        finally:
            connections.close_all()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert not failures
    assert verify().checked == 60
    assert verify().intact
    assert AuditHead.objects.get().sequence == 60


def test_canonical_json_has_one_form() -> None:
    assert canonical({"b": 1, "a": "é"}) == '{"a":"\\u00e9","b":1}'
