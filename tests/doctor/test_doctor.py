"""``ffs doctor`` as a process: on nothing, on an installation that is ready, and on one that is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from certificates.models import Certificate
from certificates.services.doctor import checks as of_certificates
from deployments.models import Node
from deployments.services.doctor import checks as of_fleet
from ffsweb.doctor.findings import Check, Finding, registered
from tests.certificates.material import issue
from tests.deployments.fleet import Fleet

KEYS_OF_ALL = {"clock and worker", "operations", "mail", "mail password", "accounts", "nodes", "programs", "webhooks"}


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return ffs("doctor", *arguments, **environment)


def ffs(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("FFSWEB_", "PYTEST_", "DATABASE_"))}
    return subprocess.run(
        [sys.executable, "-m", "ffsweb.cli", *arguments],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def found(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for check in json.loads(done.stdout)["checks"]:
        told.setdefault(check["check"], []).append(check["state"])
    return told


def tree(path: Path) -> dict[str, tuple[int, int, bytes]]:
    """Modes, moments and contents; without what SQLite has there as long as somebody reads."""
    there = [each for each in sorted(path.rglob("*")) if not each.name.endswith(("-wal", "-shm"))]
    return {
        str(each): (each.stat().st_mode, each.stat().st_mtime_ns, each.read_bytes())
        if each.is_file()
        else (0, 0, b"")
        for each in there
    }


def test_it_says_what_is_missing_and_makes_nothing_of_it(tmp_path: Path) -> None:
    places = {
        "FFSWEB_DATA": f"{tmp_path}/data",
        "FFSWEB_KEYS": f"{tmp_path}/keys",
        "FFSWEB_STATIC": f"{tmp_path}/static",
    }
    done = doctor("--json", **places)
    assert done.returncode == 1, done.stderr
    told = found(done)
    for name in ("settings", "data directory", "keys", "style sheets", "database", "broker", "address"):
        assert "fail" in told[name], name
    assert told["migrations"] == told["operations"] == told["nodes"] == ["skipped"]
    assert list(tmp_path.iterdir()) == []
    assert done.stderr == ""


def test_an_installation_that_is_ready_is_looked_through_and_left_as_it_was(tmp_path: Path) -> None:
    places = {
        "FFSWEB_DATA": f"{tmp_path}/data",
        "FFSWEB_KEYS": f"{tmp_path}/keys",
        "FFSWEB_STATIC": f"{tmp_path}/static",
        "FFSWEB_REDIS_URL": "redis://:a-password-of-redis@127.0.0.1:1/0",
    }
    assert ffs("migrate", "--verbosity", "0", **places).returncode == 0
    before = tree(tmp_path)
    done = doctor("--json", **places)
    told = found(done)
    assert done.stderr == ""
    assert tree(tmp_path) == before
    for name in ("keys", "database", "database server", "migrations", "database integrity"):
        assert set(told[name]) == {"ok"}, (name, done.stdout)
    assert told["operations"] == ["ok"]
    assert told["clock and worker"] == ["fail"]  # nothing runs
    assert told["accounts"][0] == "fail"  # nobody was made an administrator
    assert set(told) >= KEYS_OF_ALL
    secret = (tmp_path / "keys" / "secret_key").read_text().strip()
    text = doctor(**places)
    assert text.returncode == done.returncode == 1
    for printed in (done.stdout, text.stdout, text.stderr):
        assert secret not in printed
        assert "a-password-of-redis" not in printed
    assert text.stdout.splitlines()[-1].endswith("fine.")

    (tmp_path / "keys" / "worker").chmod(0o755)
    (tmp_path / "data" / "ffsweb.sqlite3").write_bytes(b"no database at all, and longer than a header")
    worse = found(doctor("--json", **places))
    assert "fail" in worse["settings"]
    assert worse["database"] == ["fail", "fail"]
    assert worse["operations"] == ["skipped"]


def test_settings_that_cannot_be_read_are_the_one_finding() -> None:
    done = doctor("--json", FFSWEB_ADDRESS="nowhere")
    assert done.returncode == 1
    assert found(done) == {"settings": ["fail"]}


def test_a_word_that_it_does_not_know_is_refused() -> None:
    assert doctor("--yaml").returncode == 2


@pytest.fixture
def fleet(db: None) -> Fleet:
    return Fleet()


def look(checks: tuple[Check, ...], name: str) -> list[Finding]:
    (check,) = [each for each in checks if each.name == name]
    answer = check.look()
    return [answer] if isinstance(answer, Finding) else list(answer)


def test_sealed_values_are_opened_on_trial_and_what_is_closed_is_named(fleet: Fleet) -> None:
    fleet.node()
    fleet.node("node-b")
    fleet.settings("PASSWORD=hunter2-of-the-test\n")
    fleet.certificate(issue("tls"))
    good = [*look(of_fleet(), "secrets of the fleet"), *look(of_certificates(), "keys of certificates")]
    assert {str(each.state) for each in good} == {"ok"}
    assert "2 looked at" in good[0].found
    Node.objects.filter(name="node-b").update(sealed_private_key=b"something else")
    Certificate.objects.update(sealed_passphrase=Certificate.objects.get().sealed_key)
    bad = [*look(of_fleet(), "secrets of the fleet"), *look(of_certificates(), "keys of certificates")]
    failed = {each.found for each in bad if each.state == "fail"}
    assert failed == {
        "SSH keys of nodes: 1 of 2 cannot be opened: node-b.",
        "Passphrases of certificates: 1 of 1 cannot be opened: tls.",
    }
    assert not any("hunter2" in each.found + each.advice for each in (*good, *bad))


def test_where_the_ring_of_the_worker_is_not_its_secrets_are_skipped(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.node()
    monkeypatch.setattr(settings, "KEYS", tmp_path)
    assert {str(each.state) for each in look(of_fleet(), "secrets of the fleet")} == {"skipped"}


def test_every_application_brings_its_checks_and_each_can_be_done(fleet: Fleet) -> None:
    fleet.service(fleet.node())
    names = [check.name for check in registered()]
    assert set(names) >= KEYS_OF_ALL
    for check in registered():
        answer: Any = check.look()
        for each in [answer] if isinstance(answer, Finding) else list(answer):
            assert each.found.endswith((".", ")")), each
