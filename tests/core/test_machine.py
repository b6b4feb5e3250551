"""Machine files: complete, deterministic, and safe against hostile values."""

from __future__ import annotations

import json
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path
from shutil import which
from urllib.parse import unquote_to_bytes

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deployments.core import firewall, zincati
from deployments.core.butane import translate
from deployments.core.butane_write import Block, quoted, write
from deployments.core.ignition import data_url_bytes
from deployments.core.machine import MachineError, MachineService, MachineSpec, butane
from deployments.core.quadlet import Port, parse_header
from tests.core.example_machine import EXAMPLE, PRIVATE_KEY, SMALLEST, public_key

GOLDEN = Path(__file__).parent / "golden"


def files_of(spec: MachineSpec) -> dict[str, tuple[int, str, str]]:
    """Path to mode, owner and text, read from the Ignition file."""
    storage = json.loads(translate(butane(spec)))["storage"]
    found = {}
    for file in storage["files"]:
        data = data_url_bytes(file["contents"]["source"])
        assert data is not None
        found[file["path"]] = (file["mode"], file["user"]["name"], data.decode())
    return found


@pytest.mark.parametrize(("name", "spec"), [("machine", EXAMPLE), ("machine-smallest", SMALLEST)])
def test_a_machine_file_is_the_golden_one(name: str, spec: MachineSpec) -> None:
    assert butane(spec) == (GOLDEN / f"{name}.bu").read_text()


def test_break_glass_keys_are_noted_where_ffs_node_looks_and_are_keys_of_core() -> None:
    assert "/etc/ffs/break-glass" not in files_of(EXAMPLE)
    noted = files_of(replace(EXAMPLE, break_glass=EXAMPLE.operator_keys[:1]))["/etc/ffs/break-glass"]
    assert noted == (0o644, "root", f"{public_key(1)}\n")
    with pytest.raises(MachineError, match="none of the operators'"):
        butane(replace(EXAMPLE, break_glass=(public_key(7),)))


def test_the_same_spec_gives_the_same_file() -> None:
    assert butane(EXAMPLE) == butane(replace(EXAMPLE))


def test_every_text_in_the_yaml_is_quoted() -> None:
    tree = yaml.compose(butane(EXAMPLE), Loader=yaml.SafeLoader)
    nodes, seen = [tree], 0
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            nodes += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif node.style is None:
            assert node.tag in {"tag:yaml.org,2002:int", "tag:yaml.org,2002:bool"}, node.value
        else:
            seen += 1
    assert seen > 50


def test_the_three_users_have_their_numbers_and_no_password() -> None:
    users = {user["name"]: user for user in json.loads(translate(butane(EXAMPLE)))["passwd"]["users"]}
    assert users.keys() == {"core", "ffs", "ffsweb"}
    assert users["core"] == {"name": "core", "sshAuthorizedKeys": list(EXAMPLE.operator_keys)}
    assert (users["ffs"]["uid"], users["ffs"]["shell"], users["ffs"]["noCreateHome"]) == (
        1600,
        "/usr/sbin/nologin",
        True,
    )
    assert users["ffsweb"]["uid"] == 1601
    assert not [user for user in users.values() if "passwordHash" in user or "groups" in user]


def test_the_dashboards_key_is_restricted_and_every_directory_above_it_is_its_own() -> None:
    files = files_of(EXAMPLE)
    path = "/home/ffsweb/.ssh/authorized_keys.d/ffsweb"
    assert files[path] == (0o600, "ffsweb", f"restrict,port-forwarding {EXAMPLE.dashboard_key}\n")
    storage = json.loads(translate(butane(EXAMPLE)))["storage"]
    owners = {
        each["path"]: (each["user"]["name"], each["group"]["name"], each["mode"]) for each in storage["directories"]
    }
    for parent in ("/home/ffsweb", "/home/ffsweb/.ssh", "/home/ffsweb/.ssh/authorized_keys.d"):
        assert owners[parent] == ("ffsweb", "ffsweb", 0o700)
    assert owners["/var/lib/ffs/www/data"] == ("ffs", "ffs", 0o750)
    assert owners["/var/lib/ffs-node"] == ("root", "root", 0o700)
    assert owners["/var/lib/ffs/www/credentials"] == ("root", "root", 0o700)


def test_sudo_allows_one_program_and_nothing_else() -> None:
    mode, owner, text = files_of(EXAMPLE)["/etc/sudoers.d/50-ffsweb"]
    assert (mode, owner, text) == (0o440, "root", "ffsweb ALL=(root) NOPASSWD: /usr/local/bin/ffs-node\n")
    visudo = which("visudo")
    if visudo:
        result = subprocess.run(
            [visudo, "-cf", "-"], input=text, capture_output=True, text=True, check=False, timeout=10
        )
        assert result.returncode == 0, result.stderr


def test_the_host_key_is_there_and_is_the_only_private_thing() -> None:
    files = files_of(EXAMPLE)
    assert files["/etc/ssh/ssh_host_ed25519_key"] == (0o600, "root", PRIVATE_KEY)
    assert files["/etc/ssh/ssh_host_ed25519_key.pub"] == (0o644, "root", EXAMPLE.host_key_public + "\n")
    assert [path for path, (_, _, text) in files.items() if "PRIVATE KEY" in text] == [
        "/etc/ssh/ssh_host_ed25519_key"
    ]
    assert "PRIVATE KEY" not in repr(EXAMPLE)


def test_each_service_has_a_placeholder_and_no_systemd_unit() -> None:
    files = files_of(EXAMPLE)
    for service in EXAMPLE.services:
        header = parse_header(files[f"/etc/containers/systemd/ffs-{service.name}.container"][2])
        assert (header.service, header.release) == (service.name, 0)
    units = {unit["name"]: unit for unit in json.loads(translate(butane(EXAMPLE)))["systemd"]["units"]}
    assert units.keys() == {"ffs-firewall.service", "ffs-restore.service", "docker.service", "docker.socket"}
    assert "nftables.service" not in units


def test_the_program_is_executable_and_unchanged() -> None:
    assert files_of(EXAMPLE)["/usr/local/bin/ffs-node"] == (0o755, "root", EXAMPLE.ffs_node)


def test_the_host_name_replaces_the_one_that_is_there() -> None:
    storage = json.loads(translate(butane(EXAMPLE)))["storage"]
    hostname = next(file for file in storage["files"] if file["path"] == "/etc/hostname")
    assert hostname["overwrite"] is True
    assert unquote_to_bytes(hostname["contents"]["source"]) == b"data:,node-a\n"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("node", "Node"),
        ("node", 'a"\nb'),
        ("project", "a b"),
        ("timezone", "../../etc/shadow"),
        ("update_slot", 3),
        ("update_slot", -1),
        ("services", (MachineService("a b"),)),
        ("services", (MachineService("a"), MachineService("a"))),
        ("services", (MachineService("a", (Port(80, 80),)), MachineService("b", (Port(80, 81),)))),
        ("services", (MachineService("a", (Port(22, 22),)),)),
        ("services", (MachineService("a", (Port(70000, 22),)),)),
        ("dashboard_addresses", ("10.0.0.0/8; drop",)),
        ("dashboard_addresses", ("fe80::1%eth0",)),
        ("dashboard_addresses", ("",)),
        ("operator_keys", ("",)),
        ("operator_keys", ("ssh-ed25519",)),
        ("operator_keys", ("ssh-ed25519 AAAA",)),
        ("operator_keys", (f'command="x" {public_key(1)}',)),
        ("operator_keys", (public_key(1) + "\nssh-rsa x",)),
        ("operator_keys", (public_key(1), public_key(1))),
        ("operator_keys", ("-----BEGIN OPENSSH PRIVATE KEY-----",)),
        ("operator_keys", (public_key(1) + " " + "x" * 9000,)),
        ("dashboard_key", public_key(1).replace("ssh-ed25519", "ssh-rsa")),
        ("host_key_public", "x"),
        ("host_key_private", "x"),
        ("host_key_private", PRIVATE_KEY + "more"),
        ("ffs_node", "echo"),
        ("ffs_node", "#!/bin/sh\n\0"),
        ("restore_unit", "[Unit]\nA=b\n"),
        ("restore_unit", "nothing"),
        ("upgrade_signers", "a\x1bb"),
    ],
)
def test_it_refuses_hostile_values_and_names_the_field(field: str, value: object) -> None:
    with pytest.raises(MachineError) as caught:
        butane(replace(EXAMPLE, **{field: value}))
    assert caught.value.field == field
    assert "PRIVATE KEY-----\n" not in str(caught.value)


def test_ports_come_as_the_service_row_has_them() -> None:
    service = MachineService.of(
        "www", [{"host": 443, "container": 8443, "protocol": "udp"}, {"host": 1, "container": 2}]
    )
    assert service.ports == (Port(443, 8443, "udp"), Port(1, 2))
    for bad in ({}, {"host": "443", "container": 1}, {"host": 1, "container": 1, "protocol": 6}):
        with pytest.raises(MachineError):
            MachineService.of("www", [bad])


COMMENTS = st.text(st.characters(codec="utf-8"), max_size=40)


@given(COMMENTS, COMMENTS)
def test_no_comment_of_a_key_and_no_program_text_breaks_the_yaml(comment: str, program: str) -> None:
    spec = replace(SMALLEST, operator_keys=(f"{public_key(1)} x{comment}x",), ffs_node="#!/bin/sh\n" + program)
    try:
        text = butane(spec)
    except MachineError:
        return
    machine = json.loads(translate(text))
    assert machine["passwd"]["users"][0]["sshAuthorizedKeys"] == [spec.operator_keys[0].strip()]
    assert machine["passwd"].keys() == {"groups", "users"}
    assert len(machine["passwd"]["users"]) == 3
    assert files_of(spec)["/usr/local/bin/ffs-node"][2] == spec.ffs_node


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_any_text_survives_the_writing_of_yaml(text: str) -> None:
    wrapped = Block((("variant", "fcos"), ("gecos", text), ("keys", [text, text]), ("after", "x")))
    read = yaml.safe_load(write(wrapped))
    assert read == {"variant": "fcos", "gecos": text, "keys": [text, text], "after": "x"}


@given(
    st.lists(st.sampled_from(["a", " ", "\t", "#", "- x", "k: v", "é", "---", '"', "\\"]), max_size=8).map("\n".join)
)
def test_texts_of_many_lines_survive_too(text: str) -> None:
    assert yaml.safe_load(write(Block((("gecos", text + "\n"),)))) == {"gecos": text + "\n"}


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        quoted("\ud800")


def test_without_addresses_ssh_is_open_and_with_them_it_is_not() -> None:
    assert "tcp dport 22 accept" in firewall.rules([])
    rules = firewall.rules([], ["192.0.2.1", "2001:db8::1", "192.0.2.0/24"])
    assert 'ip saddr { 192.0.2.0/24 } tcp dport 22 accept comment "dashboard"' in rules
    assert 'ip6 saddr { 2001:db8::1 } tcp dport 22 accept comment "dashboard"' in rules
    assert "\t\ttcp dport 22" not in rules


def test_the_firewall_touches_its_own_table_only() -> None:
    lines = [line for line in firewall.rules([Port(80, 80)]).splitlines() if not line.lstrip().startswith("#")]
    text = "\n".join(lines)
    assert "flush" not in text
    assert "forward" not in text
    assert [line for line in lines if "table" in line] == [
        "table inet ffs",
        "delete table inet ffs",
        "table inet ffs {",
    ]
    assert "nftables.service" not in firewall.UNIT.split("[Unit]")[1]


def test_nobody_shares_a_window_until_there_are_more_nodes_than_nights_hold() -> None:
    for count in (1, 7, 42, 84):
        windows = [zincati.window(index, count) for index in range(count)]
        assert len({(each.day, each.start) for each in windows}) == count
        assert all("00:00" <= each.start <= "05:30" for each in windows)
    assert {zincati.window(index, 42).minutes for index in range(42)} == {60}
    assert {zincati.window(index, 43).minutes for index in range(43)} == {30}
    assert len({zincati.window(index, 7).day for index in range(7)}) == 7
    assert zincati.window(100, 200) == zincati.window(16, 200)


@pytest.mark.parametrize(("index", "count"), [(-1, 1), (1, 1), (0, 0)])
def test_there_is_no_window_for_a_node_that_is_not_there(index: int, count: int) -> None:
    with pytest.raises(ValueError, match="there is no node"):
        zincati.window(index, count)


def test_the_strategy_is_toml_that_zincati_reads() -> None:
    read = tomllib.loads(zincati.strategy(zincati.window(0, 1)))
    window = {"days": ["Tue"], "start_time": "02:00", "length_minutes": 60}
    assert read == {"updates": {"strategy": "periodic", "periodic": {"time_zone": "UTC", "window": [window]}}}
