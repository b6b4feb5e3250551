"""Rotation of the dashboard's key on a real node, with the worker killed at each of its steps."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.core import access
from deployments.core.access import bare
from deployments.execution.connection import NodeLogin
from deployments.models import DashboardKey, KeyOnNode, Node, OwedRotation
from deployments.models.node import node_key_context
from deployments.services import requests
from deployments.services.access_keys import add_key, request_apply
from deployments.services.access_rotation import request_rotation
from ffsweb.operations.models import Operation
from ffsweb.remote import Command
from ffsweb.remote.keys import generate
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_opener
from tests.deployments.fleet import Fleet, log_of, run
from tests.lab.deployed import Site
from tests.lab.killing import go_on, killed_at
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

FILE = "/home/ffsweb/.ssh/authorized_keys.d/ffsweb"
SSHD = "/etc/ssh/sshd_config.d/10-rotations.conf"
STEPS = 7


@pytest.fixture
def site(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Site]:
    site = Site(Fleet(), lab, "rotate-ssh", sample_image)
    ended = run(requests.request_enrolment(node=site.row, actor=site.fleet.alice))
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    # Each rotation has the node refuse a key on purpose. So many in a minute look like an attack to OpenSSH 10.
    site.node.exec(("sh", "-c", f"echo 'PerSourcePenalties no' >{SSHD} && systemctl reload sshd")).check()
    yield site
    site.node.remove()


def row(site: Site) -> Node:
    return Node.objects.select_related("project").prefetch_related("services").get(pk=site.row.pk)


def request(site: Site) -> Operation:
    return request_rotation(project=site.fleet.project, nodes=[row(site)], actor=site.fleet.alice)


def plain_ssh(site: Site, place: Path, private: Secret, who: str = "ffsweb") -> subprocess.CompletedProcess[str]:
    """OpenSSH's own client, with this key alone, asks for sudo."""
    file, known = place / "key", place / "known_hosts"
    file.unlink(missing_ok=True)
    file.write_bytes(private.reveal())
    file.chmod(0o600)
    pins = site.row.host_keys.filter(kind="pinned").values_list("public_key", flat=True)
    known.write_text("".join(f"{site.node.address} {pin}\n" for pin in pins))
    options = (
        *("-F", "none", "-i", str(file), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"),
        *("-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"),
    )
    command = ("ssh", *options, f"{who}@{site.node.address}", "sudo -n /usr/local/bin/ffs-node version")
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def private_half(key: Node | DashboardKey) -> Secret:
    return worker_opener().open(bytes(key.sealed_private_key), node_key_context(key.public_key))


def is_in(done: subprocess.CompletedProcess[str]) -> bool:
    return done.returncode == 0 and '"ok":true' in done.stdout


def is_refused(done: subprocess.CompletedProcess[str]) -> bool:
    return done.returncode == 255 and "Permission denied (publickey)" in done.stderr


def gets_in(site: Site, place: Path) -> bool:
    """By the key that the node's row names."""
    return is_in(plain_ssh(site, place, private_half(row(site))))


def held(site: Site) -> list[str]:
    return [bare(line.partition(" ")[2]) for line in site.node.read_text(FILE).splitlines()]


def test_the_key_is_replaced_and_a_worker_that_is_killed_at_any_step_locks_nobody_out(
    site: Site, tmp_path: Path
) -> None:
    foreign = f"# somebody's note\nrestrict,port-forwarding {row(site).public_key}\n"
    site.node.exec(("sh", "-c", f"cat >{FILE}"), stdin=foreign.encode()).check()
    first = row(site).public_key
    ended = run(request(site))
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    note, line = site.node.read_text(FILE).splitlines()
    assert (note, bare(line.partition(" ")[2])) == ("# somebody's note", bare(row(site).public_key))
    assert line.startswith("restrict,port-forwarding ssh-ed25519 ")
    assert site.node.exec(("stat", "--format=%U:%G %a", FILE)).check().out == "ffsweb:ffsweb 600\n"
    assert gets_in(site, tmp_path)
    old = DashboardKey.objects.get(public_key=first)
    assert is_refused(plain_ssh(site, tmp_path, private_half(old)))
    site.node.exec(("sed", "-i", "/^#/d", FILE)).check()

    write, killed = 0, True
    while killed:
        write += 1
        before = row(site).public_key
        operation = request(site)
        killed = killed_at(operation, write)
        assert gets_in(site, tmp_path), f"killed at step write {write}"
        ended = go_on(operation)
        assert ended.state == "succeeded", f"killed at step write {write}: {ended.message}\n{log_of(ended)}"
        assert ended.takeovers == int(killed)
        after = row(site).public_key
        assert after != before
        assert held(site) == [bare(after)]
        assert gets_in(site, tmp_path)
    assert write == 2 * STEPS + 1
    assert not DashboardKey.objects.filter(refused_at=None).exists()
    assert not OwedRotation.objects.exists()


def test_operators_keys_are_brought_and_replaced_and_a_session_does_not_remove_its_own_key(
    site: Site, tmp_path: Path
) -> None:
    fleet = site.fleet
    foreign, (old_half, old), (new_half, new) = generate("foreign")[1], generate("old"), generate("new")
    directory = "/home/core/.ssh/authorized_keys.d"
    make = f"install -d -o core -g core -m 0700 /home/core/.ssh {directory} && cat >{directory}/afterburn"
    site.node.exec(
        ("sh", "-c", f"{make} && chown core:core {directory}/afterburn"), stdin=f"{foreign}\n".encode()
    ).check()

    first = add_key(project=fleet.project, actor=fleet.alice, line=old)
    ended = run(request_apply(project=fleet.project, nodes=[row(site)], actor=fleet.alice))
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert is_in(plain_ssh(site, tmp_path, old_half, "core"))
    assert site.node.exec(("stat", "--format=%U:%G %a", f"{directory}/ffsweb")).check().out == "core:core 600\n"

    add_key(project=fleet.project, actor=fleet.alice, line=new, instead_of=first)
    ended = run(request_apply(project=fleet.project, nodes=[row(site)], actor=fleet.alice))
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert is_in(plain_ssh(site, tmp_path, new_half, "core"))
    assert is_refused(plain_ssh(site, tmp_path, old_half, "core"))
    states = dict(KeyOnNode.objects.filter(user="core").values_list("public_key", "state"))
    assert states == {bare(old): "removed", bare(new): "present", bare(foreign): "foreign"}

    # What sshd wrote of this session counts, not what the caller says of it.
    with NodeLogin(row(site)).connect() as session:
        epoch, _, counter = site.node.read_text("/var/lib/ffs-node/fences/node").strip().partition(".")
        fence = int(epoch), int(counter)
        session.run(Command(access.add_key(fence, "ffsweb"), stdin=access.add_input(new))).check()
        mine = access.remove_input(row(site).public_key, mine=new)
        said = session.run(Command(access.remove_key(fence, "ffsweb"), stdin=mine))
    assert "This session was logged in with SHA256:" in said.out
    assert gets_in(site, tmp_path)
