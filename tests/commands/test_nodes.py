"""``ffs node`` and ``ffs service``: nodes kept in order, and forgotten, without a browser."""

from __future__ import annotations

import sys
from io import StringIO

import pytest

from deployments.core.program import Program
from deployments.models import Node, Service, SigningKey
from deployments.nodekit.released import ffs_node_program
from ffsweb.accounts import tokens
from ffsweb.accounts.models import Role
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import LogLine, Operation
from tests.deployments.push_site import Site

from .conftest import Done, Ffs

WWW = ("node-a", "--name", "www")


class Terminal(StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, ffs: Ffs) -> object:
    """Calls a command on a terminal, at which a line is typed."""

    def called(line: str, *arguments: str) -> Done:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdin", Terminal(f"{line}\n"))
            patched.setattr(sys.stderr, "isatty", lambda: True, raising=False)
            patched.setenv("NO_COLOR", "1")
            return ffs(*arguments)

    return called


def test_a_node_is_cordoned_and_uncordoned(ffs: Ffs, site: Site) -> None:
    assert ffs("node", "cordon", "node-a").code == 64
    done = ffs("node", "cordon", "192.0.2.1", "--reason", "Its disk is replaced.")
    assert done.code == 0, done
    assert done.out.startswith("node-a is cordoned by alice since ") and "Its disk is replaced." in done.out
    assert "Its disk is replaced." in ffs("nodes").out
    again = ffs("node", "cordon", "node-a", "--reason", "x")
    assert (again.code, "was cordoned already. Nothing was changed." in again.err) == (1, True)
    assert ffs("node", "uncordon", "node-a", "--json").json["cordon"] == ""
    again = ffs("node", "uncordon", "node-a")
    assert (again.code, "was not cordoned" in again.err) == (1, True)


def test_what_is_started_on_a_node_is_followed_to_its_end(ffs: Ffs, site: Site, worker: None) -> None:
    done = ffs("node", "read", "node-a", "--wait")
    assert done.code == 0, done
    assert done.out.splitlines()[-1] == "node-a: succeeded"
    done = ffs("node", "prune", "node-a", "--wait", "--queue")
    assert done.code == 0, done
    assert len(done.out.splitlines()) == LogLine.objects.filter(operation__kind="prune").count() + 1
    done = ffs("node", "upgrade", "node-a", "--wait", "--json")
    assert (done.code, done.json["state"]) == (1, "failed"), done
    assert "No node knows a key of this installation yet" in done.err
    assert ffs("service", "restart", *WWW, "--wait").out.splitlines()[-1] == "www@node-a: succeeded"


def test_all_nodes_that_are_older_are_upgraded_at_once(ffs: Ffs, site: Site, worker: None) -> None:
    site.fleet.machine_file(site.row)  # makes the installation's key
    site.node.signers = set(SigningKey.objects.values_list("public_key", flat=True))
    site.node.program = Program(ffs_node_program().protocol - 1, "0.0.9", "0" * 64)
    site.fleet.read(site.row)
    for arguments in (("upgrade", "--all"), ("prune", "--all", "--project", "serbest"), ("upgrade",)):
        assert ffs("node", *arguments).code == 64
    done = ffs("node", "upgrade", "--all", "--project", "serbest", "--wait")
    assert done.code == 0, done
    assert done.out.splitlines()[-1] == "serbest: succeeded"
    assert site.node.program.version == ffs_node_program().version
    again = ffs("node", "upgrade", "--all", "--project", "serbest")
    assert (again.code, "No node has an older ffs-node. Nothing was started." in again.err) == (1, True)


def test_a_busy_node_is_refused_or_waited_for(ffs: Ffs, site: Site) -> None:
    assert ffs("node", "prune", "node-a").code == 0
    for arguments in (("node", "prune", "node-a"), ("node", "upgrade", "node-a"), ("service", "stop", *WWW)):
        done = ffs(*arguments)
        assert (done.code, "in use since" in done.err) == (1, True), done
        assert ffs(*arguments, "--queue").code == 0
    for arguments in (("node", "remove", "node-a", "--yes"), ("service", "remove", *WWW, "--yes")):
        done = ffs(*arguments)
        assert (done.code, "Nothing was removed" in done.err) == (1, True), done
    assert Operation.objects.filter(state="queued").count() == 4


def test_what_goes_is_named_once_more_or_yes_is_said(ffs: Ffs, typed: Ffs, site: Site) -> None:
    done = ffs("service", "remove", *WWW)
    assert (done.code, "--yes" in done.err) == (1, True), done
    done = typed("node-a", "service", "remove", *WWW)
    assert (done.code, "This is not www. Nothing was removed." in done.err) == (1, True), done
    assert Service.objects.count() == 1
    done = typed("www", "service", "remove", *WWW)
    assert (done.code, "has forgotten www@node-a." in done.out) == (0, True), done
    assert ffs("node", "remove", "node-a").code == 1
    assert ffs("node", "remove", "node-a", "--yes", "--json").json == {"removed": ["node-a"]}
    assert not Node.objects.exists()
    assert list(AuditEvent.objects.filter(action__endswith=".remove").values_list("action", flat=True)) == [
        "node.remove",
        "service.remove",
    ]
    assert "no node node-a" in ffs("node", "remove", "node-a", "--yes").err


def test_a_token_that_may_not_changes_nothing(ffs: Ffs, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for role, arguments in (
        (Role.VIEWER, ("node", "cordon", "node-a", "--reason", "x")),
        (Role.VIEWER, ("node", "prune", "node-a")),
        (Role.OPERATOR, ("node", "remove", "node-a", "--yes")),
    ):
        made = tokens.make(actor=site.fleet.alice, project=None, name="low", role=role, days=7)
        monkeypatch.setenv("FFSWEB_TOKEN", made.text)
        done = ffs(*arguments)
        assert (done.code, "Nothing was done" in done.err) == (1, True), done
    assert not Operation.objects.exclude(kind="import-image").exists() and Node.objects.get().cordon == ""


def test_an_address_of_two_nodes_is_none(ffs: Ffs, site: Site) -> None:
    site.fleet.node("node-b", "192.0.2.1")
    done = ffs("node", "prune", "192.0.2.1")
    assert (done.code, "node-a in serbest, node-b in serbest" in done.err) == (1, True), done
    assert ffs("node", "prune", "node-b", "--json").json["title"] == "Prune node-b"
    assert ffs("node", "enrol", "node-b", "--queue", "--json").json["title"] == "First contact with node-b"
