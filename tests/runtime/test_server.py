"""``ffs server``: the file of a machine that is an ffsweb server, and the program that makes its passwords."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deployments.core.ignition import data_url_bytes
from ffsweb.runtime import server
from tests.support.requirements import lacking

HERE = Path(__file__).parents[2] / "docs" / "server"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@example.org"


def machine(capsys: pytest.CaptureFixture[str], tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """The Ignition file of a machine."""
    file = tmp_path / "key.pub"
    file.write_text(f"# mine\n{KEY}\n")
    assert server.run(["--domain", "ffs.example.com", "--ssh-key", str(file), "--ignition", *arguments]) == 0
    return dict(json.loads(capsys.readouterr().out))


def text(config: dict[str, Any], path: str) -> str:
    """What a file of it holds."""
    (source,) = (file["contents"]["source"] for file in config["storage"]["files"] if file["path"] == path)
    return data_url_bytes(source).decode()


def test_the_butane_file_is_the_one_that_is_made_from_the_files_beside_it(capsys):
    assert server.run([]) == 0
    assert capsys.readouterr().out == (HERE / "server.bu").read_text(), "run: ffs server > docs/server/server.bu"


@pytest.mark.ignition
def test_ignitions_own_validator_accepts_the_machine(capsys, tmp_path):
    program = shutil.which("ignition-validate") or lacking("ignition", "needs Debian's package ignition")
    written = json.dumps(machine(capsys, tmp_path))
    done = subprocess.run([program, "-"], input=written, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_asked_for_is_in_the_machine_and_nothing_comes_from_elsewhere(capsys, tmp_path):
    config = machine(capsys, tmp_path, "--image", "registry.example.com/ffsweb:1", "--ssh-from", "192.0.2.0/24")
    told = text(config, "/etc/ffsweb/server.env")
    assert "\nDOMAIN=ffs.example.com\n" in told
    assert "\nFFSWEB_IMAGE=registry.example.com/ffsweb:1\n" in told
    assert "ip saddr { 192.0.2.0/24 } tcp dport 22" in text(config, "/etc/ffs/firewall.nft")
    assert config["passwd"]["users"] == [{"name": "core", "sshAuthorizedKeys": [KEY]}]
    assert {file["contents"]["source"][:5] for file in config["storage"]["files"]} == {"data:"}
    assert set(config) == {"ignition", "passwd", "storage", "systemd"}
    modes = {file["path"]: file["mode"] for file in config["storage"]["files"]}
    assert modes["/etc/ffsweb/settings.env"] == 0o600
    assert not [path for path in modes if "/secrets/" in path]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--ignition"], "--ssh-key"),
        (["--domain", "ffs"], "no name of a server"),
        (["--domain", "ffs.example.com\nX=1"], "no name of a server"),
        (["--image", "ffsweb"], "no full name"),
        (["--image", "a.example/b\nX=1"], "no full name"),
        (["--ssh-from", "everybody"], "no IP address"),
        (["--ssh-key", "/nowhere/key.pub"], "could not be read"),
    ],
)
def test_what_cannot_be_is_refused_in_words(capsys, arguments, word):
    with pytest.raises(SystemExit) as ended:
        server.run(arguments)
    assert ended.value.code == 78
    said = capsys.readouterr()
    assert word in said.err
    assert not said.out


def test_a_private_key_is_refused(capsys, tmp_path):
    file = tmp_path / "key"
    file.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n")
    with pytest.raises(SystemExit):
        server.run(["--ssh-key", str(file)])
    assert "private key" in capsys.readouterr().err


def test_keys_may_come_by_standard_input(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{KEY}\n"))
    assert server.run(["--ssh-key", "-"]) == 0
    assert f'        - "{KEY}"\n' in capsys.readouterr().out


def made(place: Path) -> dict[str, str]:
    return {str(file.relative_to(place)): file.read_text() for file in place.rglob("*") if file.is_file()}


def test_the_passwords_are_made_once_private_and_never_written_again(tmp_path):
    # A user may give away no file: what chown does is shown where machines boot.
    (tmp_path / "chown").symlink_to("/bin/true")
    command = (shutil.which("bash") or "bash", str(HERE / "ffsweb-secrets"), str(tmp_path / "secrets"))
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(command, env=path, check=True, timeout=30, stdout=subprocess.DEVNULL)
    first = made(tmp_path / "secrets")
    database, broker = first["database_password"].strip(), first["broker_password"].strip()
    assert len({database, broker}) == 2
    assert re.fullmatch(r"[0-9a-f]{64}", database)
    assert first["ffsweb/database_url"] == f"postgres://ffsweb:{database}@postgres/ffsweb\n"
    assert f"requirepass {broker}\n" in first["valkey/valkey.conf"]
    for file in (tmp_path / "secrets").rglob("*"):
        assert file.stat().st_mode & 0o777 == (0o700 if file.is_dir() else 0o600)
    (tmp_path / "secrets" / "ffsweb" / "redis_url").unlink()
    (tmp_path / "secrets" / "postgres" / "password.new").write_text("half")
    done = subprocess.run(command, env=path, check=True, timeout=30, capture_output=True, text=True)
    assert done.stdout == f"made {tmp_path}/secrets/ffsweb/redis_url\n"
    assert made(tmp_path / "secrets") == {**first, "postgres/password.new": "half"}
