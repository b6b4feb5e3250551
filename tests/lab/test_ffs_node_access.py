"""The dashboard's user on a node from the product's machine file: one program by sudo, and what that stages."""

from __future__ import annotations

import hashlib
import tarfile
import time
from typing import TYPE_CHECKING

import pytest

from deployments.core import node_commands, node_input
from deployments.core.layout import PROTOCOL
from deployments.core.quadlet import Mode, UnitSpec, render
from deployments.core.transfer_request import Door, pull_line
from deployments.oci.archive import import_archive
from deployments.oci.store import Store
from ffsweb.remote import Command, Endpoint, HostKeyChanged, Identity, connect
from ffsweb.sealed import Secret
from tests.lab.ffs_node_machine import PASSPHRASE, SENTINEL, TOKEN, Pair, archive, boot, files_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from deployments.oci.store import ImportedImage
    from tests.lab.ffs_node_machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Iterator[Machine]:
    machine = boot(lab, "access")
    machine.do(node_commands.setup(machine.fence))
    yield machine
    machine.close()
    machine.node.remove()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def image(store: Store, sample_image: Callable[..., Path]) -> ImportedImage:
    return import_archive(sample_image("1.0"), store)


def test_the_dashboards_user_becomes_root_by_one_program_only(machine: Machine) -> None:
    program = "/usr/local/bin/ffs-node"
    refused = (
        ("sudo", "-n", "id"),
        ("sudo", "-n", "bash"),
        ("sudo", "-n", "/usr/bin/podman", "ps"),
        ("sudo", "-n", f"{program}.sh"),
        ("sudo", "-n", "-u", "ffs", program, "version"),
        ("sudo", "-n", "-e", "/etc/passwd"),
        ("sudo", "-n", "PATH=/tmp", program, "version"),
        ("sudo", "-n", "-E", program, "version"),
    )
    for argv in refused:
        result = machine.session.run(Command(argv))
        assert result.exit_status != 0, argv
        assert "root" not in result.out
        assert '"ok":true' not in result.out
    assert machine.session.run(Command((program, "version"))).exit_status != 0
    assert machine.session.run(Command(("cat", "/var/lib/ffs-node/fences/node"))).exit_status != 0
    assert machine.session.run(Command(("touch", program))).exit_status != 0
    assert machine.do(node_commands.version()).number("protocol") == PROTOCOL


def test_set_up_may_be_repeated_and_enables_the_restore_at_boot(machine: Machine) -> None:
    before = machine.root("sha256sum", "/etc/containers/storage.conf", "/etc/systemd/system/ffs-restore.service")
    machine.do(node_commands.setup(machine.fence))
    assert (
        machine.root("sha256sum", "/etc/containers/storage.conf", "/etc/systemd/system/ffs-restore.service") == before
    )
    assert machine.root("systemctl", "is-enabled", "ffs-restore.service") == "enabled\n"
    assert 'enable_partial_images = "true"' in machine.node.read_text("/etc/containers/storage.conf")


def test_an_image_comes_through_the_connection_once_and_has_its_name(
    machine: Machine, store: Store, image: ImportedImage
) -> None:
    answer = machine.stage_image(store, image).check()
    assert answer.string("name") == f"ffs.internal/serbest:sha256-{image.image_id[7:]}"
    facts = machine.facts()
    assert image.image_id in facts.image_ids
    assert {layer.diff_id for layer in image.layers} <= facts.diff_ids
    # Held already: nothing is asked for, so no forwarded port is needed.
    stdin = pull_line(Door(9, "x" * 20), manifest=image.manifest_digest, need=0)
    argv = node_commands.stage_image(machine.fence, "www", "serbest", image.image_id)
    assert machine.ask(argv, stdin).code == "bad-input"
    assert machine.do(argv, pull_line(Door(2000, "x" * 20), manifest=image.manifest_digest, need=0)).ok
    assert TOKEN not in machine.root("podman", "images", "--digests", "--format", "json")


def test_an_image_that_lost_its_name_or_a_layer_is_not_told_of_as_staged(
    machine: Machine, store: Store, image: ImportedImage
) -> None:
    machine.stage_image(store, image).check()
    assert machine.facts().has_staged("serbest", image.image_id)
    assert not machine.facts().has_staged("another", image.image_id)
    name = f"ffs.internal/serbest:sha256-{image.image_id[7:]}"
    machine.root("podman", "tag", image.image_id[7:], "localhost/by-hand")
    machine.root("podman", "untag", name, name)
    facts = machine.facts()
    assert image.image_id in facts.image_ids
    assert not facts.has_staged("serbest", image.image_id)
    assert machine.stage_image(store, image).check().string("name") == name
    assert machine.facts().has_staged("serbest", image.image_id)
    layer = machine.root("sh", "-c", "ls -d /var/lib/containers/storage/overlay/*/link | head -n 1").strip()
    machine.root("mv", layer, f"{layer}.away")
    try:
        assert not machine.facts().has_staged("serbest", image.image_id)
    finally:
        machine.root("mv", f"{layer}.away", layer)
    machine.root("podman", "untag", "localhost/by-hand", "localhost/by-hand")


def test_another_image_than_the_one_announced_does_not_stay(
    machine: Machine, store: Store, image: ImportedImage
) -> None:
    wrong = "sha256:" + hashlib.sha256(b"another").hexdigest()
    stdin = pull_line(Door(2000, TOKEN), manifest=image.manifest_digest, need=0)
    answer = machine.ask(node_commands.stage_image(machine.fence, "www", "serbest", wrong), stdin)
    assert answer.code == "podman"
    assert TOKEN not in answer.text
    assert machine.root("find", "/var/lib/ffs-node/tmp", "-mindepth", "1") == ""


def test_credentials_are_sealed_whole_and_under_a_version_that_never_changes(machine: Machine) -> None:
    assert machine.seal("v1", env__SECRET=SENTINEL, cert_pass=PASSPHRASE).number("credentials") == 2
    assert machine.seal("v1", env__SECRET=SENTINEL, cert_pass=PASSPHRASE).flag("already")
    assert machine.seal("v1", env__SECRET="another", cert_pass=PASSPHRASE).code == "exists"
    assert machine.seal("v1", cert_pass=PASSPHRASE).code == "exists"
    listing = machine.root("find", "/var/lib/ffs/www/credentials/v1", "-printf", "%P %m %u\\n").splitlines()
    assert set(listing) == {" 700 root", "env.SECRET.cred 400 root", "cert_pass.cred 400 root"}
    assert machine.root("stat", "-c", "%a", "/var/lib/ffs/www/credentials") == "700\n"
    opened = machine.root(
        "systemd-creds", "decrypt", "--name=env.SECRET", "/var/lib/ffs/www/credentials/v1/env.SECRET.cred", "-"
    )
    assert opened == SENTINEL


def test_credentials_cut_short_count_for_nothing(machine: Machine) -> None:
    whole = node_input.seal_input({"env.A": Secret("1"), "env.B": Secret("2")}).reveal()
    argv = node_commands.seal(machine.fence, "www", "cut")
    for end in (0, 5, whole.index(b"\n") + 1, len(whole) - 12):
        assert machine.ask(argv, whole[:end]).code == "bad-input", end
    for bad in (
        b'{"name":"PATH","value_base64":""}\n',
        b'{"name":"env.A","value_base64":"*"}\n',
        b"x\n",
        b'{"end":0}\nx\n',
    ):
        assert machine.ask(argv, bad + b'{"end":1}\n').code == "bad-input", bad
    assert machine.ask(argv, b"x" * 200_000).code == "bad-input"
    assert "cut" not in machine.facts().services["www"].credentials_held
    assert machine.root("find", "/var/lib/ffs/www/credentials", "-name", ".ffs*") == ""


def test_credentials_lost_with_the_machines_key_are_sealed_anew(machine: Machine) -> None:
    machine.seal("lost", env__SECRET=SENTINEL).check()
    machine.root("mv", "/var/lib/systemd/credential.secret", "/var/lib/systemd/credential.kept")
    try:
        assert not machine.seal("lost", env__SECRET=SENTINEL).check().flag("already")
    finally:
        machine.root("mv", "/var/lib/systemd/credential.kept", "/var/lib/systemd/credential.secret")
    assert not machine.seal("lost", env__SECRET=SENTINEL).check().flag("already")
    assert machine.root("find", "/var/lib/ffs/www/credentials", "-name", ".ffs*") == ""


def test_a_certificate_is_verified_by_the_sealed_passphrase(machine: Machine, tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    machine.seal("good", cert_pass=PASSPHRASE).check()
    machine.seal("bad", cert_pass="another").check()
    machine.seal("without", env__SECRET=SENTINEL).check()
    stage = node_commands.stage_certificate(machine.fence, "www", pair.fingerprint)
    machine.do(stage, node_input.stage_certificate_input(pair.chain, pair.key_enc()))
    machine.do(node_commands.verify_certificate("www", pair.fingerprint, "good"))
    assert machine.ask(node_commands.verify_certificate("www", pair.fingerprint, "bad")).code == "verify"
    assert machine.ask(node_commands.verify_certificate("www", pair.fingerprint, "without")).code == "not-found"
    other = Pair(tmp_path / "other")
    other.directory.mkdir()
    stage = node_commands.stage_certificate(machine.fence, "www", other.fingerprint)
    machine.do(stage, node_input.stage_certificate_input(other.chain, pair.key_enc()))
    assert machine.ask(node_commands.verify_certificate("www", other.fingerprint, "good")).code == "verify"


def test_files_are_unpacked_without_rights_and_a_hostile_archive_leaves_nothing(machine: Machine) -> None:
    machine.stage_files(1, {"version": b"1", "same": b"same"}).check()
    machine.stage_files(2, {"version": b"2", "same": b"same"}, sent=["version"], base=1).check()
    assert machine.root("cat", "/var/lib/ffs/www/releases/2/version") == "2"
    link = tarfile.TarInfo("version")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
    head = files_head({"version": b"3"}, ["version"])
    argv = node_commands.stage_files(machine.fence, "www", 3)
    assert machine.ask(argv, head + archive({}, link)).code == "bad-input"
    assert machine.facts().services["www"].releases == (1, 2)
    assert machine.root("find", "/var/lib/ffs/www/releases", "-name", ".ffs*") == ""


def test_a_stale_writer_is_refused_everywhere(machine: Machine) -> None:
    high, low = (50, 1), (49, 999)
    machine.do(node_commands.stage_supervisor(high, "stale", hashlib.sha256(b"x").hexdigest()), b"x")
    for argv, stdin in (
        (node_commands.stage_supervisor(low, "stale", hashlib.sha256(b"x").hexdigest()), b"x"),
        (node_commands.stage_files(low, "stale", 1), files_head({}, [])),
        (node_commands.seal(low, "stale", "v1"), b'{"end":0}\n'),
        (node_commands.switch(low, "stale", "op-1", 60), unit_of("stale")),
        (node_commands.control(low, "stale", "start"), b""),
        (node_commands.prune(low, "stale", [1]), b""),
        (node_commands.remove(low, "stale"), b""),
    ):
        assert machine.ask(argv, stdin).code == "stale", argv
    assert machine.facts().services["stale"].releases == ()


def unit_of(service: str) -> bytes:
    """A unit that may be switched to, were it not for the fence."""
    spec = UnitSpec(
        project="serbest",
        service=service,
        node="node-a",
        release=1,
        image_id=f"sha256:{'0' * 64}",
        mode=Mode.NONE,
        operation="op-1",
    )
    return render(spec).encode()


def test_nothing_secret_reached_the_disk_or_the_journal(machine: Machine) -> None:
    for place in machine.node.written():
        for file in place.rglob("*"):
            if file.is_file() and not file.is_symlink() and file.stat().st_size < 50_000_000:
                data = file.read_bytes()
                assert SENTINEL.encode() not in data, file
                assert PASSPHRASE.encode() not in data, file
    journal = machine.node.journal()
    assert SENTINEL not in journal
    assert PASSPHRASE not in journal


def test_facts_are_quick(machine: Machine) -> None:
    for name in ("a", "b", "c", "d"):
        machine.do(node_commands.stage_supervisor(machine.fence, name, hashlib.sha256(b"x").hexdigest()), b"x")
    took = []
    for _ in range(5):
        began = time.monotonic()
        assert len(machine.facts().services) >= 5
        took.append(time.monotonic() - began)
    assert min(took) < 0.7, took


def test_the_host_key_is_replaced_without_a_moment_of_doubt(lab: Lab) -> None:
    machine = boot(lab, "rekey")
    try:
        fresh = machine.do(node_commands.prepare_host_key(machine.fence))
        key, fingerprint = fresh.string("public_key"), fresh.string("fingerprint")
        assert machine.do(node_commands.prepare_host_key(machine.fence)).string("public_key") == key
        machine.close()
        assert machine.do(node_commands.activate_host_key(machine.fence, fingerprint)).string("public_key") == key
        assert machine.do(node_commands.activate_host_key(machine.fence, fingerprint)).string("public_key") == key
        with pytest.raises(HostKeyChanged):
            machine.connect()
        endpoint = Endpoint(machine.node.address, 22, "ffsweb", (machine.host_key, key))
        connect(endpoint, Identity(machine.private_key), timeout=10).close()
        machine.close()
        machine.host_key = key
        machine.do(node_commands.confirm_host_key(machine.fence, fingerprint))
        assert machine.root("find", "/etc/ssh", "-name", "*.ffs-*") == ""
        assert key in machine.facts().host_keys
    finally:
        machine.close()
        machine.node.remove()
