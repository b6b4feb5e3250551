"""Whether a restore would do is looked at by the clock, and told when that changes."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from ffsweb.accounts.models import User
from ffsweb.backup import keyfile, selftest
from ffsweb.backup.making import make
from ffsweb.backup.models import Backup, KeysCopy, Watch
from ffsweb.notify.models import Message
from ffsweb.sealed import create_ring, rotate_ring
from tests.deployments.fleet import Fleet


@pytest.fixture
def root(fleet: Fleet) -> User:
    return User.objects.create_user("root", email="root@example.org", is_administrator=True)


@pytest.fixture
def keys(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rings of this test's own."""
    directory = tmp_path / "keys"
    for ring in ("web", "worker"):
        create_ring(directory, ring)
    monkeypatch.setattr(django_settings, "KEYS", directory)
    return directory


def copied(keys: Path) -> None:
    names = sorted(f"{ring}/{key}" for ring, found in keyfile.private_names(keys).items() for key in found)
    KeysCopy.objects.create(made_at=timezone.now(), keys=names)


def told() -> list[str]:
    return list(Message.objects.order_by("pk").values_list("subject", flat=True))


def test_nothing_is_told_where_no_backup_was_ever_made(root: User, keys: Path) -> None:
    selftest.look(timezone.now())
    assert told() == []
    assert not Watch.objects.exists()


def test_a_good_backup_is_tested_once_a_day_and_a_newer_one_at_once(root: User, keys: Path, tmp_path: Path) -> None:
    copied(keys)
    make(tmp_path / "one")
    now = timezone.now()
    selftest.look(now)
    row = Backup.objects.get()
    assert (row.tested_at, row.problem) == (now, "")
    selftest.look(now + timedelta(hours=23))
    assert Backup.objects.get().tested_at == now
    selftest.look(now + timedelta(hours=25))
    assert Backup.objects.get().tested_at == now + timedelta(hours=25)
    make(tmp_path / "two")
    selftest.look(now + timedelta(hours=26))
    newest = Backup.objects.first()
    assert newest is not None
    assert newest.tested_at == now + timedelta(hours=26)
    assert told() == []


def test_what_is_wrong_is_told_once_and_that_it_is_well_again(root: User, keys: Path, tmp_path: Path) -> None:
    copied(keys)
    file = tmp_path / "one"
    make(file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    now = timezone.now()
    selftest.look(now)
    selftest.look(now + timedelta(hours=2))
    assert told() == ["A restore of this dashboard would fail"]
    assert "A piece of it does not" in Backup.objects.get().problem or "was cut" in Backup.objects.get().problem
    assert Watch.objects.get().since == now
    assert Message.objects.get().address == "root@example.org"
    file.write_bytes(whole)
    selftest.look(now + timedelta(hours=2, minutes=30))
    assert len(told()) == 1
    selftest.look(now + timedelta(hours=4))
    assert told()[1:] == ["A restore of this dashboard would do again"]
    assert Watch.objects.get().trouble == ""


@pytest.mark.parametrize("what", ["gone", "old", "never copied", "rotated", "another ring"])
def test_each_thing_that_would_make_a_restore_fail_is_found(
    what: str, root: User, keys: Path, tmp_path: Path, fleet: Fleet
) -> None:
    fleet.settings("PASSWORD=secret\n")
    if what != "never copied":
        copied(keys)
    make(tmp_path / "one")
    now = timezone.now()
    if what == "gone":
        (tmp_path / "one").unlink()
    if what == "old":
        now += timedelta(days=django_settings.BACKUP_DAYS)
    if what == "rotated":
        rotate_ring(keys, "web")
    if what == "another ring":
        shutil.rmtree(keys / "worker")
        create_ring(keys, "worker")
    selftest.look(now)
    words = {
        "gone": "cannot be read by the worker: No such file",
        "old": "The newest backup is 7 days old.",
        "never copied": "The keys were never copied",
        "rotated": "A ring was rotated after the keys were copied",
        "another ring": "The keys do not open a setting",
    }
    assert words[what] in Watch.objects.get().trouble
    assert len(told()) == 1


def test_of_a_backup_that_went_down_a_pipe_the_keys_alone_are_tested(root: User, keys: Path) -> None:
    copied(keys)
    at = datetime(2026, 11, 30, tzinfo=UTC)
    Backup.objects.create(made_at=at, size=1, images=True)
    selftest.look(at + timedelta(hours=1))
    assert Watch.objects.get().trouble == ""
    selftest.look(at + timedelta(days=8))
    assert "8 days old" in Watch.objects.get().trouble
