"""Fences, locks and the smaller staging verbs."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from deployments.core import node_commands
from deployments.core.layout import PROTOCOL
from deployments.core.node_input import stage_certificate_input, upgrade_input
from deployments.nodekit.assemble import assemble
from deployments.nodekit.released import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nodekit.conftest import Program, Said

CODE = b"print('supervisor')\n"


def stage(program: Program, fence: tuple[int, int], code: bytes = CODE, service: str = "www") -> Said:
    argv = node_commands.stage_supervisor(fence, service, hashlib.sha256(code).hexdigest())
    return program.command(argv, code)


def test_a_lower_fence_is_stale_and_an_equal_one_is_fine(as_root: Program) -> None:
    assert stage(as_root, (2, 5)).code == "ok"
    assert stage(as_root, (2, 5)).code == "ok"
    for fence in ((2, 4), (1, 99), (0, 0)):
        assert stage(as_root, fence, b"stale").code == "stale", fence
    assert [path.name for path in (as_root.service / "supervisor").iterdir()] == [
        f"{hashlib.sha256(CODE).hexdigest()}.py"
    ]
    assert stage(as_root, (3, 0)).code == "ok"
    assert stage(as_root, (2, 99)).code == "stale"


def test_fences_count_as_numbers_and_for_each_service(as_root: Program) -> None:
    assert stage(as_root, (9, 9)).code == "ok"
    assert stage(as_root, (10, 1)).code == "ok"
    assert stage(as_root, (10, 10)).code == "ok"
    assert stage(as_root, (10, 9)).code == "stale"
    assert stage(as_root, (1, 1), service="api").code == "ok"


def test_a_damaged_fence_is_no_reason_to_go_on(as_root: Program) -> None:
    assert stage(as_root, (1, 1)).code == "ok"
    (as_root.root / "var/lib/ffs-node/fences/service-www").write_text("")
    assert stage(as_root, (9, 9)).code == "internal"


def test_what_another_one_works_on_is_busy(as_root: Program) -> None:
    locks = as_root.root / "run/ffs-node/locks"
    locks.mkdir(parents=True)
    # A lock that is free at once would end the wait; ten seconds is how long the program waits.
    with (locks / "stage-www").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert stage(as_root, (1, 1)).code == "busy"
    assert not as_root.service.exists()
    assert stage(as_root, (1, 1)).code == "ok"


def test_a_supervisor_with_another_hash_is_refused(as_root: Program) -> None:
    argv = node_commands.stage_supervisor((1, 1), "www", "0" * 64)
    assert as_root.command(argv, CODE).code == "verify"
    assert as_root.command(argv, b"x" * 600_000).code == "bad-input"
    assert not as_root.service.exists()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pair")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    for argv in (
        ("req", "-x509", *curve, "-nodes", "-days", "2", "-subj", "/CN=www", "-keyout", "key", "-out", "crt"),
        ("x509", "-in", "crt", "-outform", "DER", "-out", "der"),
        ("enc", "-aes-256-cbc", "-pbkdf2", "-in", "key", "-out", "enc", "-pass", "pass:x"),
    ):
        subprocess.run(("openssl", *argv), cwd=directory, check=True, capture_output=True)
    return directory


def certificate(program: Program, fingerprint: str, chain: str, key: bytes) -> Said:
    return program.command(
        node_commands.stage_certificate((1, 1), "www", fingerprint), stage_certificate_input(chain, key)
    )


def test_a_certificate_is_put_where_its_fingerprint_says(as_root: Program, pair: Path) -> None:
    fingerprint = hashlib.sha256((pair / "der").read_bytes()).hexdigest()
    chain, key = (pair / "crt").read_text(), (pair / "enc").read_bytes()
    assert certificate(as_root, "0" * 64, chain, key).code == "verify"
    assert certificate(as_root, fingerprint, chain, key).result["already"] is False
    place = as_root.service / "certs" / fingerprint
    assert (place / "server.crt").read_text() == chain
    assert (place / "server.key.enc").read_bytes() == key
    assert (place / "server.key.enc").stat().st_gid == 1600
    assert certificate(as_root, fingerprint, chain, b"Salted__another").result["already"] is True
    assert (place / "server.key.enc").read_bytes() == key
    assert certificate(as_root, f"{fingerprint}-2", chain, b"Salted__another").code == "ok"
    assert as_root.leftovers() == []


def test_what_is_no_certificate_or_no_encrypted_key_is_refused(as_root: Program, pair: Path) -> None:
    fingerprint = hashlib.sha256((pair / "der").read_bytes()).hexdigest()
    chain, key = (pair / "crt").read_text(), (pair / "enc").read_bytes()
    for bad in ("", "x", chain + (pair / "key").read_text(), chain * 11, "# comment\n" + chain):
        assert certificate(as_root, fingerprint, bad, key).code == "bad-input", bad
    for other in (b"", (pair / "key").read_bytes(), b"x" * 400_000):
        assert certificate(as_root, fingerprint, chain, other).code == "bad-input"
    assert not as_root.service.exists()


@pytest.fixture
def signer(as_root: Program, tmp_path: Path) -> Path:
    for name in ("signer", "stranger"):
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name), check=True)
    public = (tmp_path / "signer.pub").read_text()
    (as_root.root / "etc/ffs/upgrade.signers").write_text(f'ffs-node namespaces="ffs-node-upgrade" {public}')
    return tmp_path / "signer"


def upgrade(
    program: Program, key: Path, script: bytes, *, namespace: str = "ffs-node-upgrade", signed: bytes | None = None
) -> Said:
    done = subprocess.run(
        ("ssh-keygen", "-Y", "sign", "-n", namespace, "-f", key, "-"),
        input=script if signed is None else signed,
        capture_output=True,
        check=True,
    )
    return program.command(node_commands.upgrade((1, 1)), upgrade_input(script, done.stdout.decode()))


def newer(program: Program, version: str) -> bytes:
    return (
        assemble(root=str(program.root))
        .replace(f"readonly version={VERSION}\n", f"readonly version={version}\n")
        .encode()
    )


def test_a_signed_newer_program_replaces_this_one(as_root: Program, signer: Path) -> None:
    said = upgrade(as_root, signer, newer(as_root, "99.1"))
    assert (said.code, said.result["version"]) == ("ok", "99.1")
    assert said.result["program_sha256"] == hashlib.sha256(as_root.path.read_bytes()).hexdigest()
    assert as_root("version").result["version"] == "99.1"
    assert as_root.path.stat().st_mode & 0o777 == 0o755


def test_no_other_program_does(as_root: Program, signer: Path) -> None:
    before = as_root.path.read_bytes()
    good = newer(as_root, "99.1")
    assert upgrade(as_root, signer.with_name("stranger"), good).code == "verify"
    assert upgrade(as_root, signer, good, namespace="file").code == "verify"
    assert upgrade(as_root, signer, good + b"\n", signed=good).code == "verify"
    assert upgrade(as_root, signer, newer(as_root, "0.0.9")).code == "stale"
    lower = good.replace(f"protocol={PROTOCOL}\n".encode(), f"protocol={PROTOCOL - 1}\n".encode())
    lower = lower.replace(b"version=99.1\n", f"version={VERSION}\n".encode())
    assert upgrade(as_root, signer, lower).code == "stale"
    assert upgrade(as_root, signer, b"#!/bin/sh\nif\n").code == "verify"
    assert upgrade(as_root, signer, b"#!/bin/sh\n").code == "verify"
    assert upgrade(as_root, signer, b"readonly version=99.1\nreadonly protocol=2\nexit 1\n").code == "verify"
    assert as_root.command(node_commands.upgrade((1, 1)), b"{}").code == "bad-input"
    (as_root.root / "etc/ffs/upgrade.signers").unlink()
    assert upgrade(as_root, signer, good).code == "not-found"
    assert as_root.path.read_bytes() == before
    assert as_root.leftovers() == []
    assert [path.name for path in as_root.path.parent.iterdir()] == ["ffs-node"]


def test_a_first_host_key_waits_beside_the_old_one(as_root: Program) -> None:
    ssh = as_root.root / "etc/ssh"
    ssh.mkdir()
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh / "ssh_host_ed25519_key"), check=True)
    old = (ssh / "ssh_host_ed25519_key").read_bytes()
    first = as_root.command(node_commands.prepare_host_key((1, 1)))
    again = as_root.command(node_commands.prepare_host_key((1, 2)))
    assert first.result == again.result
    assert (ssh / "ssh_host_ed25519_key").read_bytes() == old
    assert (ssh / "ssh_host_ed25519_key.ffs-new").stat().st_mode & 0o777 == 0o600
    wrong = "SHA256:" + "A" * 43
    assert as_root.command(node_commands.activate_host_key((1, 3), wrong)).code == "not-found"
    assert as_root.command(node_commands.confirm_host_key((1, 3), first.result["fingerprint"])).code == "not-found"
    assert (ssh / "ssh_host_ed25519_key").read_bytes() == old
