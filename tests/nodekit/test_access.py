"""The verbs for access keys: what sshd reads is what is told, added to and taken from, and nobody is locked out."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from deployments.core import access
from deployments.core.node_argv import Argv
from deployments.core.node_events import last_answer
from ffsweb.remote.keys import generate
from ffsweb.remote.signatures import sign
from tests.nodekit.conftest import Program, Said

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin")
FENCE = (1, 1)


def key(comment: str = "") -> str:
    return generate(comment)[1]


class Home:
    """A user of the node: ``sshd_config`` and the files of keys are real, the user is whoever runs the tests."""

    def __init__(self, program: Program, user: str) -> None:
        self.program, self.user = program, user
        self.home = program.root / "home" / user
        self.ssh = self.home / ".ssh"
        self.directory = self.ssh / "authorized_keys.d"
        self.directory.mkdir(parents=True)
        self.own = self.directory / "ffsweb"
        (program.root / "etc/ssh").mkdir(exist_ok=True)
        host_key = program.root / "etc/ssh/ssh_host_ed25519_key"
        if not host_key.exists():
            subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key), check=True)
        self.configure("AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys.d/*")
        self.signer, public = generate()
        signers = program.root / "etc/ffs/upgrade.signers"
        signers.write_text(f'ffs-node namespaces="ffs-node-upgrade" {public}\n')
        with (program.root / "etc/passwd").open("a") as file:
            file.write(f"{user}:x:{os.geteuid()}:{os.getegid()}::{self.home}:/bin/bash\n")

    def configure(self, lines: str) -> None:
        path = self.program.root / "etc/ssh/sshd_config"
        path.write_text(f"HostKey {self.program.root}/etc/ssh/ssh_host_ed25519_key\nUsePAM no\n{lines}\n")

    def write(self, path: Path, *lines: str, mode: int = 0o600) -> None:
        path.write_text("".join(f"{line}\n" for line in lines))
        path.chmod(mode)

    def listed(self) -> access.Held:
        said = self.program.command(access.list_keys(self.user))
        assert said.code == "ok", said.text
        return access.held(last_answer(json.dumps(said.result)))

    def add(self, line: str | bytes, *, break_glass: bool = False) -> Said:
        argv = access.add_key(FENCE, self.user, break_glass=break_glass)
        stdin = line if isinstance(line, bytes) else access.add_input(line, self.signature(argv, line))
        return self.program.command(argv, stdin)

    def remove(self, line: str, mine: str = "") -> Said:
        argv = access.remove_key(FENCE, self.user)
        stdin = access.remove_input(line, mine=mine, signature=self.signature(argv, line))
        return self.program.command(argv, stdin)

    def signature(self, argv: Argv, line: str) -> str:
        """Of what the node knows as the dashboard's worker; the keys of the dashboard's own user need none."""
        if self.user != "core":
            return ""
        return sign(self.signer, access.statement(argv, line, self.host_key), namespace="ffs-node-access")

    @property
    def host_key(self) -> str:
        """What the dashboard has pinned of this node."""
        return (self.program.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()


@pytest.fixture
def core(program: Program) -> Home:
    return _home(program, "core")


@pytest.fixture
def ffsweb(program: Program) -> Home:
    return _home(program, "ffsweb")


def _home(program: Program, user: str) -> Home:
    if SSHD is None:
        pytest.skip("no sshd on this machine (install openssh-server)")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation directory
    return Home(program, user)


def test_every_file_that_sshd_reads_is_told_of_and_no_other(core: Home) -> None:
    first, second, hidden, third = key("alice@example.org"), key("a b"), key(), key()
    core.write(
        core.ssh / "authorized_keys", "# a note", "", first, f'from="192.0.2.0/24",command="a \\"b c" {second}'
    )
    core.write(core.directory / ".ffs.12345678", hidden)
    core.write(core.directory / "ignition", f"  {third}\r", "no key at all")
    listed = core.listed()
    assert [(held.key, held.comment) for held in listed.keys] == [
        (access.bare(first), "alice@example.org"),
        (access.bare(second), "a b"),
        (access.bare(third), ""),
    ]
    assert listed.keys[1].options == 'from="192.0.2.0/24",command="a \\"b c"'
    assert listed.keys[2].file == "/home/core/.ssh/authorized_keys.d/ignition"
    assert listed.unread == 1
    assert all(held.heeded for held in listed.keys)


def test_the_effective_settings_of_sshd_count(core: Home) -> None:
    elsewhere = core.program.root / "etc/ssh/keys"
    elsewhere.mkdir()
    one, other = key(), key()
    core.write(elsewhere / "core", one)
    core.write(core.ssh / "authorized_keys", other)
    core.configure(
        f"AuthorizedKeysFile {elsewhere}/%u\nAuthorizedKeysCommand /usr/bin/true\nAuthorizedKeysCommandUser nobody"
    )
    listed = core.listed()
    assert [held.key for held in listed.keys] == [access.bare(one)]
    assert listed.other_ways == ("AuthorizedKeysCommand /usr/bin/true",)
    # What printed the keys on Fedora CoreOS before OpenSSH 10.
    core.write(core.directory / "ignition", other)
    core.configure(
        "AuthorizedKeysFile none\nAuthorizedKeysCommand /usr/libexec/ssh-key-dir %u\nAuthorizedKeysCommandUser root"
    )
    listed = core.listed()
    assert ([held.key for held in listed.keys], listed.other_ways) == ([access.bare(other)], ())


def test_a_file_that_others_may_write_to_does_not_count(core: Home) -> None:
    one = key()
    core.write(core.own, one, mode=0o666)
    assert not core.listed().holds(access.bare(one))
    said = core.add(one)
    assert said.code == "verify"
    assert "others may write" in said.text


def test_the_dashboards_key_is_added_once_and_with_its_limits(ffsweb: Home) -> None:
    old, new = key("ffsweb serbest node-a"), key("ffsweb serbest node-a")
    ffsweb.own.write_text(f"restrict,port-forwarding {old}")  # without an end of line
    ffsweb.own.chmod(0o640)
    assert ffsweb.add(new).result["added"] is True
    assert ffsweb.own.read_text() == f"restrict,port-forwarding {old}\nrestrict,port-forwarding {new}\n"
    assert stat.S_IMODE(ffsweb.own.stat().st_mode) == 0o640
    assert ffsweb.add(new).result["added"] is False
    assert ffsweb.own.read_text().count("\n") == 2
    assert ffsweb.program.leftovers() == []


def test_an_operators_key_goes_into_a_file_of_our_own_beside_that_of_ignition(core: Home) -> None:
    old, new = key(), key("bob (laptop)")
    core.write(core.directory / "ignition", old)
    assert core.add(new).code == "ok"
    assert (core.directory / "ignition").read_text() == f"{old}\n"
    assert core.own.read_text() == f"{access.bare(new)} bob _laptop_\n"
    assert stat.S_IMODE(core.own.stat().st_mode) == 0o600


def test_where_sshd_does_not_look_nothing_is_written(core: Home) -> None:
    core.configure("AuthorizedKeysFile .ssh/authorized_keys")
    shutil.rmtree(core.ssh)
    new = key()
    assert core.add(new).code == "ok"
    assert (core.ssh / "authorized_keys").read_text() == f"{new}\n"
    core.configure("AuthorizedKeysFile /etc/ssh/nowhere/%u")
    said = core.add(key())
    assert (said.code, "Nothing was changed" in said.text) == ("not-found", True)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"ssh-ed25519\n",
        b'command="id" ssh-ed25519 ' + b"A" * 68 + b"\n",
        b"ssh-ed25519 " + b"A" * 68 + b" a\tb\n",
        b"ssh-ed25519 " + b"A" * 68 + b' "quoted"\n',
        b"ssh-ed25519 " + b"A" * 68 + b"\n",  # base64, but no key
        b"ssh-ed25519 " + b"A" * 9000 + b"\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
    ],
)
def test_what_is_no_public_key_is_refused(core: Home, line: bytes) -> None:
    said = core.add(line)
    assert said.code == "bad-input"
    assert not core.own.exists()


def test_weak_keys_are_refused_by_name(core: Home, tmp_path: Path) -> None:
    subprocess.run(("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", tmp_path / "weak"), check=True)
    said = core.add((tmp_path / "weak.pub").read_text())
    assert (said.code, "2048 bits" in said.text) == ("weak-key", True)
    assert not core.own.exists()


def test_one_key_goes_from_every_file_and_every_other_line_stays(core: Home) -> None:
    gone, stays, other = key("gone"), key("stays"), key("other")
    comment = f"# {gone}"
    core.write(
        core.ssh / "authorized_keys", comment, gone, f'from="a b" {access.bare(gone)} again', "", stays, mode=0o640
    )
    core.write(core.directory / "ignition", other, f"{other} {access.bare(gone)}", access.bare(gone))
    said = core.remove(gone)
    assert (said.code, said.result.get("removed")) == ("ok", 3)
    assert (core.ssh / "authorized_keys").read_text() == f"{comment}\n\n{stays}\n"
    assert stat.S_IMODE((core.ssh / "authorized_keys").stat().st_mode) == 0o640
    assert (core.directory / "ignition").read_text() == f"{other}\n{other} {access.bare(gone)}\n"
    assert core.remove(gone).result["removed"] == 0
    assert core.program.leftovers() == []


def test_the_last_key_of_a_user_stays(core: Home) -> None:
    last = key()
    core.write(core.own, last, f"{last} twice")
    core.write(core.ssh / "authorized_keys", key(), mode=0o622)  # sshd takes no notice of it
    said = core.remove(last)
    assert said.code == "last-key"
    assert core.listed().holds(access.bare(last))


def short_rsa(directory: Path) -> str:
    subprocess.run(("ssh-keygen", "-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", directory / "short"), check=True)
    return (directory / "short.pub").read_text().strip()


@pytest.mark.parametrize(
    "other",
    [
        "cert-authority {key}",
        'no-pty,Cert-Authority,principals="a,b" {key}',
        'expiry-time="20200101" {key}',
        'expiry-time="202001010000Z",no-pty {key}',
        'restrict,command="/usr/bin/false" {key}',
        "ssh-dss AAAAB3NzaC1kc3M=",
        "ssh-ed25519 AAAA",
        "{short}",
    ],
)
def test_a_key_that_lets_nobody_in_is_no_other_one(core: Home, tmp_path: Path, other: str) -> None:
    last = key()
    core.write(core.own, last, other.format(key=key(), short=short_rsa(tmp_path)))
    assert core.remove(last).code == "last-key"
    core.write(core.own, last, f'expiry-time="29990101Z",from="192.0.2.1,a \\"b",no-pty {key()}')
    assert core.remove(last).code == "ok"


@pytest.mark.parametrize("limit", ["cert-authority", 'expiry-time="20200101"'])
def test_a_line_by_which_sshd_takes_no_key_does_not_hold_it(core: Home, limit: str) -> None:
    new = key()
    core.write(core.own, f"{limit} {new}", key())
    assert not core.listed().holds(access.bare(new))
    assert core.add(new).result["added"] is True
    assert core.listed().holds(access.bare(new))


def test_options_end_where_sshd_has_them_end(core: Home) -> None:
    """A backslash escapes a quote and nothing else, or a key could stand behind another one and be seen by nobody."""
    shown, real = access.bare(key()), access.bare(key())
    core.write(core.own, f'command="\\\\" {shown} x" {real}', f'environment="A=\\\\\\" {shown} x" {real}')
    assert [held.key for held in core.listed().keys] == [real, real]


def test_where_sshd_takes_no_notice_a_key_is_not_written_again_and_again(core: Home) -> None:
    new = key()
    core.write(core.own, key(), mode=0o666)
    assert [core.add(new).code for _ in range(3)] == ["verify"] * 3
    assert core.own.read_text().count(access.bare(new)) == 1


def test_a_session_does_not_remove_its_own_key(ffsweb: Home) -> None:
    mine, other, foreign = key(), key(), key()
    ffsweb.write(ffsweb.own, mine, other)
    before = ffsweb.own.read_text()
    assert ffsweb.remove(mine, mine).code == "own-key"
    assert ffsweb.remove(mine, foreign).code == "own-key"  # which is not there
    assert ffsweb.remove(mine).code == "bad-input"  # whose key this is has to be said
    assert ffsweb.own.read_text() == before
    assert ffsweb.remove(other, mine).result["removed"] == 1
    assert ffsweb.own.read_text() == f"{mine}\n"


def test_a_break_glass_key_is_never_removed_again(core: Home) -> None:
    glass, other = key("safe"), key()
    core.write(core.own, glass, other)
    assert core.add(glass, break_glass=True).result["added"] is False
    assert core.add(glass, break_glass=True).code == "ok"
    assert core.listed().break_glass == {access.bare(glass)}
    said = core.remove(glass)
    assert (said.code, "break-glass" in said.text) == ("break-glass", True)
    assert core.listed().holds(access.bare(glass))


def test_the_dashboard_has_no_break_glass_key(ffsweb: Home) -> None:
    assert ffsweb.add(key(), break_glass=True).code == "bad-argument"


def test_a_file_that_changes_into_something_else_is_not_waited_for(core: Home) -> None:
    one = key()
    core.write(core.own, one)
    os.mkfifo(core.directory / "pipe")
    (core.directory / "link").symlink_to(core.directory / "pipe")
    assert [held.key for held in core.listed().keys] == [access.bare(one)]


def test_files_and_lines_without_end_are_refused(core: Home) -> None:
    core.write(core.own, "x" * 300_000)
    said = core.program.command(access.list_keys("core"))
    assert (said.code, "larger than" in said.text) == ("bad-input", True)


def test_another_user_is_not_asked_for(program: Program) -> None:
    for user in ("root", "ffs", "core;id", ""):
        assert program("access", "--user", user).code == "bad-argument"


def test_cores_keys_change_only_by_what_the_worker_signed(core: Home) -> None:
    """Or whoever stole the dashboard's key of a node would be root there."""
    mine, other = key(), key()
    core.write(core.own, mine, other)
    before = core.own.read_text()
    add, new = access.add_key(FENCE, "core"), key()
    fresh = access.statement(add, new, core.host_key)
    for made in (
        "",
        sign(generate()[0], fresh, namespace="ffs-node-access"),
        sign(core.signer, fresh, namespace="file"),
        sign(core.signer, fresh, namespace="ffs-node-upgrade"),
        # for another node, where the thief has seen it
        sign(core.signer, access.statement(add, new, key()), namespace="ffs-node-access"),
        core.signature(add, mine),  # for another key
        core.signature(access.add_key((1, 2), "core"), new),  # for another operation
        core.signature(access.add_key(FENCE, "core", break_glass=True), new),
        core.signature(access.remove_key(FENCE, "core"), new),
    ):
        assert core.program.command(add, access.add_input(new, made)).code == "verify"
    remove = access.remove_key(FENCE, "core")
    for made in ("", core.signature(remove, other), core.signature(add, mine)):
        assert core.program.command(remove, access.remove_input(mine, signature=made)).code == "verify"
    assert core.own.read_text() == before
    assert core.add(new).code == "ok"
    core.write(core.own, mine, other)
    (core.program.root / "etc/ffs/upgrade.signers").unlink()
    assert core.add(new).code == "not-found"
    assert core.own.read_text() == before
