"""Where no lab can run, its tests say so by name and with the way out. Nothing here needs root."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import host, network
from tests.lab.fixtures import need_lab
from tests.lab.mounts import remove_tree
from tests.lab.run import LabError
from tests.lab.sessions import Owner
from tests.lab.waiting import until


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any of the packages (Ignition is found by its full path)."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(host, "PROGRAMS", (*host.PROGRAMS, host.Needs("/nonexistent/ignition", "ignition")))
    monkeypatch.delenv("FFSWEB_TEST_REQUIRE", raising=False)


@pytest.mark.usefixtures("bare")
def test_tests_are_skipped_with_the_packages_to_install() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"apt-get install .*buildah.*ignition.*mmdebstrap"):
        need_lab()


@pytest.mark.usefixtures("bare")
def test_the_skip_is_a_failure_where_the_lab_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFSWEB_TEST_REQUIRE", "browser,lab")
    with pytest.raises(pytest.fail.Exception, match=r"FFSWEB_TEST_REQUIRE names lab, but .*mmdebstrap"):
        need_lab()


def test_somebody_who_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "needs root" in host.missing()[0]


def test_the_network_chosen_overlaps_nothing_in_use() -> None:
    everything = list(network.RANGE.subnets(new_prefix=24))
    left = everything[7]
    used = [net for net in everything if net != left]
    assert network.free_network(used) == left
    wide = [ipaddress.IPv4Network("10.66.0.0/17"), ipaddress.IPv4Network("192.168.1.0/24")]
    assert not network.free_network(wide).overlaps(wide[0])
    with pytest.raises(LabError, match="every /24"):
        network.free_network([ipaddress.IPv4Network("10.0.0.0/8")])


def test_a_process_that_took_a_dead_owners_number_is_not_the_owner() -> None:
    me = Owner.of(os.getpid())
    assert me.alive
    assert not Owner(me.pid, me.started - 1, me.boot).alive
    assert not Owner(me.pid, me.started, "another boot").alive


def test_a_dead_owner_is_dead() -> None:
    child = subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE)
    owner = Owner.of(child.pid)
    assert owner.alive
    child.communicate(b"\n")
    assert not owner.alive


def test_waiting_ends_and_says_for_what() -> None:
    with pytest.raises(LabError, match=r"the moon: not within 0\.1 s"):
        until("the moon", lambda: None, 0.1)


def test_deleting_a_tree_stops_at_its_edge(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "ab").mkdir()
    remove_tree(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["ab"]


def test_the_command_line_explains_itself() -> None:
    done = subprocess.run((sys.executable, "-m", "tests.lab", "--help"), capture_output=True, text=True, check=True)
    for word in ("up", "stop", "start", "kill", "cut", "heal", "full", "rm", "ls", "deps", "base"):
        assert f"\n    {word} " in done.stdout, word
