"""What the checks of ``ffs doctor`` make of what they find; no machine is needed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployments.services import doctor as fleet
from ffsweb import env
from ffsweb.accounts import doctor as accounts
from ffsweb.backup import doctor as backup
from ffsweb.doctor import broker, database, disk, machine, setup, site
from ffsweb.doctor.findings import Finding, some
from ffsweb.notify import doctor as mail
from ffsweb.operations import doctor as engine

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLACE = disk.Place(
    Path("/data"), exists=True, owner=7, mode=0o700, writable=True, size=10**12, free=10**11, kind="ext4"
)
BASE = {"FFSWEB_PROCESS": "command"}
PRODUCTION = {
    "FFSWEB_ENVIRONMENT": "production",
    "FFSWEB_PUBLIC_URL": "https://ffs.example.org",
    "FFSWEB_TRUSTED_PROXIES": "127.0.0.1",
}


def states(found: Any) -> list[str]:
    return [str(each.state) for each in ([found] if isinstance(found, Finding) else found)]


def settings(**variables: str) -> env.Environment:
    return env.read({**BASE, **variables}, base=Path("/opt/ffsweb"), uid=7, pid=1)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (machine.judge_python((3, 11), "3.11.4"), "ok"),
        (machine.judge_python((3, 10), "3.10.2"), "fail"),
        (machine.judge_packages({"django": "5.2"}), "ok"),
        (machine.judge_packages({"django": "5.2", "celery": None}), "fail"),
        (machine.judge_open_files(1024), "warn"),
        (machine.judge_open_files(65536), "ok"),
        (machine.judge_open_files(-1), "ok"),
        (machine.judge_memory(None), "skipped"),
        (machine.judge_memory(32 * 1024**2), "fail"),
        (machine.judge_memory(128 * 1024**2), "warn"),
        (machine.judge_memory(4 * 1024**3), "ok"),
        (machine.judge_clock(None), "skipped"),
        (machine.judge_clock(0), "ok"),
        (machine.judge_clock(machine.TIME_ERROR), "warn"),
        (setup.judge_static("/static", None, []), "fail"),
        (setup.judge_static("/static", 9, ["a.css"]), "fail"),
        (setup.judge_static("/static", 9, []), "ok"),
        (database.judge_speed("SQLite", 0.001), "ok"),
        (database.judge_speed("PostgreSQL", 0.5), "warn"),
        (database.judge_integrity(["ok"], "wal"), "ok"),
        (database.judge_integrity(["ok"], "delete"), "fail"),
        (database.judge_integrity(["row 3 missing from index"], "wal"), "fail"),
        (fleet.judge_programs(skopeo=None), "warn"),
        (fleet.judge_programs(skopeo="/usr/bin/skopeo"), "ok"),
        (accounts.judge(0), "fail"),
        (accounts.judge(2), "ok"),
    ],
)
def test_one_finding(found: Finding, expected: str) -> None:
    assert states(found) == [expected]
    assert bool(found.advice) == (expected in {"warn", "fail"}), "what is not well has advice, and nothing else has"


@pytest.mark.parametrize(
    ("place", "uid", "sqlite", "expected"),
    [
        (PLACE, 7, True, ["ok"]),
        (disk.Place(Path("/data"), exists=False), 7, True, ["fail"]),
        (PLACE, 0, True, ["warn", "ok"]),
        (PLACE, 8, True, ["fail", "ok"]),
        (replace(PLACE, writable=False), 7, True, ["fail", "ok"]),
        (replace(PLACE, mode=0o755), 7, True, ["warn", "ok"]),
        (replace(PLACE, elsewhere=("oci",)), 7, True, ["fail", "ok"]),
        (replace(PLACE, kind="nfs4"), 7, True, ["fail", "ok"]),
        (replace(PLACE, kind="nfs4"), 7, False, ["warn", "ok"]),
        (replace(PLACE, kind="tmpfs"), 7, True, ["warn", "ok"]),
        (replace(PLACE, free=5 * 10**9), 7, True, ["warn"]),
        (replace(PLACE, free=10**8), 7, True, ["fail"]),
    ],
)
def test_the_data_directory(place: disk.Place, uid: int, sqlite: bool, expected: list[str]) -> None:
    assert states(disk.judge(place, uid=uid, sqlite=sqlite)) == expected


def test_the_file_system_is_that_of_the_nearest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 0:40 / /srv/my\\040data rw - nfs4 server:/x rw\n"
        "31 22 0:41 / /srv/my\\040data/fast rw - xfs /dev/sdb rw\n"
        "a line that is none\n"
    )
    for path, kind in (
        ("/srv", "ext4"),
        ("/srv/my data/x", "nfs4"),
        ("/srv/my data/fast", "xfs"),
        ("/srv/my data2", "ext4"),
    ):
        assert disk.kind_of(Path(path), mounts) == kind
    assert disk.kind_of(Path("/srv"), tmp_path / "nowhere") == ""


@pytest.mark.parametrize(
    ("head", "state"),
    [
        (b"SQLite format 3\0" + bytes([16, 0, 2, 2]), None),
        (b"SQLite format 3\0" + bytes([16, 0, 1, 1]), "warn"),
        (b"-- a dump, as text --", "fail"),
        (b"", None),
    ],
)
def test_the_file_of_the_database_before_it_is_opened(tmp_path: Path, head: bytes, state: str | None) -> None:
    file = tmp_path / "ffsweb.sqlite3"
    missing = database.judge_file(file)
    assert missing is not None
    assert missing.state == "fail"
    file.write_bytes(head)
    found = database.judge_file(file)
    assert (found and str(found.state)) == state


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (database.Server(170002, "17.2", 0.01, "on"), ["ok"]),
        (database.Server(130009, "13.9", 0.01, "on"), ["fail"]),
        (database.Server(170002, "17.2", -90.0, "on"), ["ok", "fail"]),
        (database.Server(170002, "17.2", 0.01, "off"), ["ok", "warn"]),
    ],
)
def test_a_postgres(server: database.Server, expected: list[str]) -> None:
    assert states(database.judge_server(server)) == expected


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (broker.Server("Valkey", "8.1.0", "noeviction", 0.001), ["ok"]),
        (broker.Server("Redis", "6.2.7", "noeviction", 0.001), ["warn"]),
        (broker.Server("Redis", "7.4.1", "allkeys-lru", 0.001), ["ok", "warn"]),
        (broker.Server("Redis", "7.4.1", "", 0.4), ["warn"]),
        (broker.Server("Redis", "of an unknown version", "", 0.0), ["ok"]),
    ],
)
def test_a_broker(server: broker.Server, expected: list[str]) -> None:
    assert states(broker.judge(server)) == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, []),
        (PRODUCTION, []),
        ({**PRODUCTION, "FFSWEB_TRUSTED_PROXIES": ""}, ["warn"]),
        ({**PRODUCTION, "FFSWEB_TRUSTED_PROXIES": "0.0.0.0/0"}, ["fail"]),
        ({**PRODUCTION, "FFSWEB_METRICS_ADDRESSES": "192.0.2.1,::/0"}, ["fail"]),
        ({**PRODUCTION, "FFSWEB_LOG_LEVEL": "DEBUG"}, ["warn"]),
        ({**PRODUCTION, "FFSWEB_REDIS_URL": "redis://broker/0"}, ["warn"]),
        ({**PRODUCTION, "FFSWEB_REDIS_URL": "redis://broker/0", "DATABASE_URL": "postgres://u:p@db/x"}, []),
        ({"FFSWEB_DATTA": "/x"}, ["warn"]),
        ({"FFSWEB_ADDRESS": "0.0.0.0:8000"}, ["warn"]),
        ({"FFSWEB_ADDRESS": "[::1]:8000"}, []),
        ({"FFSWEB_PUBLIC_URL": "https://ffs.example.org", "FFSWEB_TRUSTED_PROXIES": "127.0.0.1"}, ["warn"]),
    ],
)
def test_settings_that_no_start_refuses(variables: dict[str, str], expected: list[str]) -> None:
    assert states(setup.judge(settings(**variables))) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (site.Answer(200, "mark", "alive 1.2\n"), "ok"),
        (site.Answer(200, "mark", "alive 1.1\n"), "warn"),
        (site.Answer(200, "other", "alive 1.2\n"), "fail"),
        (site.Answer(200, "", "It works!"), "fail"),
        (site.Answer(502), "fail"),
        (site.Answer(trouble="Connection refused"), "fail"),
    ],
)
def test_the_address(answer: site.Answer, expected: str) -> None:
    assert states(site.judge("https://ffs.example.org", answer, mark="mark", version="1.2")) == [expected]


def test_which_of_clock_broker_and_worker_is_gone_is_told_by_what_is_left() -> None:
    for last, messages, state, word in (
        (NOW - timedelta(seconds=10), None, "ok", "10 s ago"),
        (NOW - HOUR, 12, "fail", "The worker is gone"),
        (NOW - HOUR, 0, "fail", "The clock (beat) is gone"),
        (None, 0, "fail", "The clock (beat) is gone"),
        (NOW - HOUR, None, "fail", "The broker does not answer"),
    ):
        found = engine.judge_pulse(engine.Pulse(NOW, last, messages))
        assert str(found.state) == state
        assert word in found.found + found.advice


def test_operations_that_are_stuck() -> None:
    quiet = engine.Engine(
        NOW, claimable=3, claimable_since=NOW - timedelta(seconds=5), asked=1, asked_since=NOW - HOUR
    )
    assert states(engine.judge_engine(quiet)) == ["ok"]
    for change, state in (
        ({"lost": 1}, "fail"),
        ({"claimable_since": NOW - HOUR}, "fail"),
        ({"long_runs": ("Deploy (4)",)}, "warn"),
        ({"asked_since": NOW - 30 * HOUR}, "warn"),
    ):
        assert states(engine.judge_engine(replace(quiet, **change))) == [state]


def test_mail_that_does_not_leave() -> None:
    good = mail.Outbox(NOW, "mail.example.org:587", waiting=1, since=NOW - timedelta(minutes=1))
    assert states(mail.judge(good)) == ["ok"]
    for change, state in (
        ({"name": ""}, "warn"),
        ({"since": NOW - 2 * HOUR, "error": "454 later"}, "fail"),
        ({"given_up": 3}, "warn"),
    ):
        assert states(mail.judge(replace(good, **change))) == [state]


def test_backups() -> None:
    good = backup.State(NOW, last=NOW - 20 * HOUR, looked=NOW - 3 * HOUR)
    assert states(backup.judge(good)) == ["ok"]
    for change, expected in (
        ({"last": None}, ["warn"]),
        ({"last": NOW - 72 * HOUR}, ["warn"]),
        ({"looked": NOW - 96 * HOUR}, ["warn"]),
        ({"trouble": "The newest backup cannot be read."}, ["fail"]),
    ):
        assert states(backup.judge(replace(good, **change))) == expected


def test_nodes_that_are_not_as_they_should_be() -> None:
    assert states(fleet.judge(fleet.Fleet(3))) == ["ok"]
    names = tuple(f"node-{letter}" for letter in "abcdefg")
    for field in ("without_keys", "never_read", "unread", "silent", "other_protocol", "older"):
        (found,) = fleet.judge(replace(fleet.Fleet(9), **{field: names}))
        assert str(found.state) == "warn"
        assert "7 nodes" in found.found
        assert "node-e and 2 more" in found.found


def test_long_lists_are_cut() -> None:
    assert some([]) == ""
    assert some("abc") == "a, b, c"
    assert some("abcdefg", 2) == "a, b and 5 more"
