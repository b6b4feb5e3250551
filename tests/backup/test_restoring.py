"""The way back: onto an empty installation, whole or not at all; and nothing is run before somebody says so."""

from __future__ import annotations

import io
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone

from deployments.execution import deploy_target, way_back
from deployments.models import Image, Service
from deployments.models.image_store import store
from deployments.services import requests
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from ffsweb.audit.services import verify
from ffsweb.backup import models, parts, sqlite
from ffsweb.backup.errors import BackupError, Damaged, NotRestored, WrongKey
from ffsweb.backup.gathering import gathered
from ffsweb.backup.restoring import restore
from ffsweb.operations import restored, services
from ffsweb.operations.errors import NotPossible
from ffsweb.operations.models import Fence, Operation
from ffsweb.operations.tasks import tick
from ffsweb.sealed import create_ring
from ffsweb.web.keys import worker_opener, worker_sealer
from tests.deployments.fleet import Fleet, log_of, run
from tests.deployments.push_site import Site

from .losing import backup, lose_everything, restore_it


def left() -> list[str]:
    return sorted(str(path.relative_to(settings.DATA)) for path in settings.DATA.rglob("*") if path.is_file())


def test_everything_comes_back_and_is_marked(site: Site) -> None:
    Session.objects.create(session_key="x", session_data="x", expire_date=timezone.now() + timedelta(days=1))
    events = AuditEvent.objects.count()
    blobs = sorted(store().blobs.digests())
    file = backup()
    lose_everything()
    done = restore_it(file)
    assert done.closed == []
    assert restored.restored() is not None
    assert User.objects.get().check_password("alice-long-password")
    assert Service.objects.get().live_release == site.first
    assert sorted(store().blobs.digests()) == blobs
    assert {image.digest for image in store().images()} == set(
        Image.objects.values_list("manifest_digest", flat=True)
    )
    for digest in blobs:
        store().blobs.verify(digest)
    assert not Session.objects.exists()
    assert not models.Backup.objects.exists()
    assert verify().intact
    assert AuditEvent.objects.count() == events + 1
    assert Project.objects.create(name="next").pk > site.fleet.project.pk  # sequences go on


def test_nothing_is_run_before_an_administrator_says_so_and_then_everything_goes_on(site: Site) -> None:
    operation = requests.request_reading(node=site.row, actor=site.fleet.alice)
    before = Fence.objects.get().epoch
    file = backup()
    lose_everything()
    restore_it(file)
    assert run(operation).state == "queued"
    Operation.objects.update(sent_at=timezone.now() - timedelta(hours=1))
    assert services.tick() == 0
    assert tick.apply().state == "IGNORED"
    waiting = restored.restored()
    assert waiting is not None
    with pytest.raises(NotPossible):
        restored.confirm(waiting.at - timedelta(seconds=1), actor=None)
    pair = restored.confirm(waiting.at, actor=site.fleet.alice)
    assert pair.epoch > before
    with pytest.raises(NotPossible):
        restored.confirm(waiting.at, actor=None)
    assert AuditEvent.objects.order_by("-sequence").values_list("action", "actor_name").first() == (
        "system.restored",
        "alice",
    )
    assert run(operation).state == "succeeded"


@pytest.mark.parametrize("old", ["went on to its end", "was cut off"])
def test_a_backup_from_the_middle_of_a_deploy_ends_on_one_release_and_the_old_dashboard_is_refused(
    site: Site, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (deploy_target, way_back):
        monkeypatch.setattr(module, "INSIST", 1.0)
    taken: list[bytes] = []

    def in_the_middle() -> None:
        if not taken:
            taken.append(backup())
            if old == "was cut off":
                site.node.vanish()

    site.node.after["switch"] = in_the_middle
    site.deploy()
    site.node.after.clear()
    if old == "was cut off":
        site.node.pass_deadline()
        site.node.fake.accept()
        assert site.node.release() == 1
    ran_with = Fence.objects.get()
    lose_everything()
    restore_it(taken[0])
    operation = Operation.objects.get(kind="deploy")
    assert operation.state == "running"
    waiting = restored.restored()
    assert waiting is not None
    restored.confirm(waiting.at, actor=site.fleet.alice)
    Operation.objects.filter(pk=operation.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    ended = run(operation)
    assert ended.takeovers == 1
    live = Service.objects.get().live_release
    assert live is not None
    assert site.node.release() == live.number, log_of(ended)
    assert site.node.pending == {}
    assert ended.state == "succeeded" if old == "went on to its end" else ended.finished, log_of(ended)
    # The old dashboard comes back: it has the higher counter of the lower epoch.
    site.node.stale.clear()
    Fence.objects.update(epoch=ran_with.epoch, counter=ran_with.counter + 100)
    late = site.deploy(site.first.image)
    assert late.state == "failed", log_of(late)
    assert site.node.stale
    assert site.node.release() == live.number


def test_an_installation_that_holds_anything_is_left_as_it_is(fleet: Fleet, tmp_path: Path) -> None:
    file = backup()
    with pytest.raises(NotRestored, match="rows in accounts_"):
        restore_it(file)
    call_command("flush", verbosity=0, interactive=False)
    (settings.DATA / "uploads").mkdir()
    (settings.DATA / "uploads" / "half").write_text("x")
    with pytest.raises(NotRestored, match="holds uploads/half"):
        restore_it(file)
    assert not User.objects.exists()
    shutil.rmtree(settings.DATA / "uploads")
    with pytest.raises(NotRestored, match="FFSWEB_KEYS"):
        restore(io.BytesIO(file), worker_opener(), settings.KEYS, copy_keys=True)
    restore_it(file)


def test_keys_that_are_not_those_of_the_backup_restore_nothing(fleet: Fleet, tmp_path: Path) -> None:
    fleet.settings("PASSWORD=secret\n")
    file = backup()
    lose_everything()
    for ring in ("web", "worker"):
        create_ring(tmp_path / "others", ring)
    with pytest.raises(WrongKey, match="are not here"):
        restore(io.BytesIO(file), worker_opener(), tmp_path / "others", copy_keys=False)
    assert left() == []


def test_a_backup_that_was_cut_leaves_nothing_at_any_place(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    file = backup()
    lose_everything()
    for size in (0, 10, 100, len(file) // 2, len(file) - 1):
        with pytest.raises(BackupError):
            restore_it(file[:size])
        assert left() == []
        assert not User.objects.exists()
    restore_it(file)


def test_what_fails_at_the_last_step_is_taken_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    file = backup()
    lose_everything()

    def fails(_: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(restored, "mark", fails)
        with pytest.raises(OSError, match="No space left"):
            restore_it(file)
    assert left() == []
    assert not User.objects.exists()
    restore_it(file)
    assert User.objects.exists()


def test_a_newer_backup_and_one_of_another_database_are_refused(fleet: Fleet) -> None:
    with gathered(images=True) as found:
        newer = replace(found.manifest, migrations={**found.manifest.migrations, "backup": "0999_later"})
        files = []
        for manifest in (newer, replace(found.manifest, database="x")):
            stream = io.BytesIO()
            parts.write(stream, worker_sealer(), manifest, found.content)
            files.append(stream.getvalue())
    lose_everything()
    with pytest.raises(NotRestored, match=r"newer than this one: it has backup\.0999_later"):
        restore_it(files[0])
    with pytest.raises(Damaged):
        restore_it(files[1])
    assert left() == []


def test_a_forged_database_that_would_run_something_is_refused(tmp_path: Path) -> None:
    """Whoever has the public key can make a backup that authenticates."""
    file = tmp_path / "forged"
    for statement in (
        "CREATE TRIGGER t AFTER INSERT ON x BEGIN DELETE FROM x; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE f USING fts5(a)",
    ):
        file.unlink(missing_ok=True)
        with closing(sqlite3.connect(file)) as database:
            database.execute("CREATE TABLE x (a)")
            database.execute(statement)
            database.commit()
        with pytest.raises(NotRestored, match="triggers or views"):
            sqlite.inspect(file)
    file.write_bytes(b"SQLite format 3\0" + bytes(5000))
    with pytest.raises(NotRestored, match="damaged"):
        sqlite.inspect(file)
