"""``ffs backup`` and ``ffs restore`` as an operator types them: from one machine to another, and back."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from ffsweb.sealed import create_ring
from tests.deployments.push_site import Site

FFS = (sys.executable, "-m", "ffsweb.cli")


class Machine:
    """A machine with directories of its own, and a database of the same kind as the tests'."""

    def __init__(self, root: Path, url: str = "") -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("FFSWEB_", "PYTEST_", "DATABASE_"))}
        self.data, self.keys = root / "data", root / "keys"
        self.environment = clean | {"FFSWEB_DATA": str(self.data), "FFSWEB_KEYS": str(self.keys)}
        if url:
            self.environment["DATABASE_URL"] = url

    def ffs(self, *arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        words = [str(word) for word in (*FFS, *arguments)]
        return subprocess.run(words, env=self.environment, input=stdin, capture_output=True, check=False, timeout=100)


def url_of(name: str) -> str:
    """The DATABASE_URL of another database on the tests' server."""
    parts = connection.settings_dict
    return f"postgres://{parts['USER']}:{parts['PASSWORD']}@{parts['HOST']}:{parts['PORT']}/{name}"


@pytest.fixture
def here(site: Site, data: Path, tmp_path: Path) -> Machine:
    """The machine of this test's own database: the one that will be lost."""
    url = url_of(connection.settings_dict["NAME"]) if connection.vendor == "postgresql" else ""
    machine = Machine(tmp_path, url or f"sqlite:///{connection.settings_dict['NAME']}")
    shutil.copytree(settings.KEYS, machine.keys)
    assert machine.ffs("prepare").returncode == 0
    return machine


@pytest.fixture
def there(transactional_db: None, tmp_path: Path) -> Iterator[Machine]:
    """Another one, empty."""
    root = tmp_path / "there"
    root.mkdir(mode=0o700)
    if connection.vendor == "sqlite":
        yield Machine(root)
        return
    name = f"restore_{secrets.token_hex(4)}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    yield Machine(root, url_of(name))
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")


def files(machine: Machine) -> list[Path]:
    return [path for place in (machine.data, machine.keys) for path in place.rglob("*") if path.is_file()]


def test_from_a_lost_machine_onto_an_empty_one(here: Machine, there: Machine, tmp_path: Path) -> None:
    backup, copy, passphrase = tmp_path / "one.backup", tmp_path / "keys.copy", tmp_path / "passphrase"
    passphrase.write_text("correct horse battery\n")
    made = here.ffs("backup", backup, "--json")
    assert made.returncode == 0, made.stderr.decode()
    assert json.loads(made.stdout)["counts"]["nodes"] == 1
    done = here.ffs("backup", "--keys", copy, "--passphrase-file", passphrase)
    assert done.returncode == 0, done.stderr.decode()
    assert backup.stat().st_mode & 0o777 == copy.stat().st_mode & 0o777 == 0o600
    with_copy = ("--keys", copy, "--passphrase-file", passphrase)

    looked = there.ffs("restore", backup, "--dry-run", *with_copy)
    assert looked.returncode == 0, looked.stderr.decode()
    assert b"1 nodes" in looked.stdout
    assert b"This installation is empty" in looked.stdout
    assert files(there) == []
    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase\n")
    refused = there.ffs("restore", backup, "--keys", copy, "--passphrase-file", wrong)
    assert (refused.returncode, files(there)) == (1, [])
    assert b"The passphrase is another one" in refused.stderr

    for ring in ("web", "worker"):
        create_ring(tmp_path / "others", ring)
    there.environment["FFSWEB_KEYS"] = str(tmp_path / "others")
    refused = there.ffs("restore", backup, "--dry-run")
    assert refused.returncode == 1
    assert b"No key that is here opens this backup" in refused.stderr
    there.environment["FFSWEB_KEYS"] = str(there.keys)

    restored = there.ffs("restore", "-", *with_copy, stdin=backup.read_bytes())
    assert restored.returncode == 0, restored.stderr.decode()
    assert b"until an administrator says that the old dashboard" in restored.stdout
    asked = (
        "from ffsweb.operations.restored import waits; from deployments.models import Node; from ffsweb.backup import "
        "sealing; from ffsweb.web import keys; print(waits(), Node.objects.get().name, "
        "sealing.closed({'worker': keys.worker_opener(), 'web': keys.web_opener()}))"
    )
    assert there.ffs("manage", "shell", "-v", "0", "-c", asked).stdout.strip() == b"True node-a []"
    assert b"is whole" in there.ffs("audit", "verify").stdout
    again = there.ffs("restore", backup)
    assert again.returncode == 1
    assert b"This installation is not empty" in again.stderr
    # Its own first backup can be read on the spot.
    stream = there.ffs("backup", "-")
    assert stream.returncode == 0, stream.stderr.decode()
    checked = there.ffs("backup", "--check", "-", stdin=stream.stdout)
    assert b"can be decrypted, it is whole" in checked.stdout


def test_a_command_without_sense_says_how_it_is_meant(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    for words in (("backup",), ("backup", "one", "--check", "two"), ("backup", "one", "--keys", "two"), ("restore",)):
        assert machine.ffs(*words).returncode == 2
    assert not machine.data.exists()
