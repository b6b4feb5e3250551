"""Facts: read whole, or refused with the name of what is wrong. The node may be anyone's."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.facts import FactsError, facts_from, parse_facts
from deployments.core.node_events import Refused

ID = "sha256:" + "a1" * 32
SERVICE: dict[str, Any] = {
    "installed": True,
    "deployed": True,
    "unit_sha256": "b2" * 32,
    "project": "serbest",
    "release": 3,
    "image_id": ID,
    "certificate": "c3" * 32,
    "credentials": "v7",
    "operation": "op-17",
    "loaded": True,
    "active": "active",
    "sub": "running",
    "result": "success",
    "status_text": "healthy",
    "restarts": 2,
    "since": 1795480000,
    "main_pid": 42,
    "container": {
        "id": "d4" * 32,
        "image_id": ID,
        "running": True,
        "started": "2026-11-24T00:27:09.094Z",
        "health": None,
    },
    "heartbeats": {
        "version": 1,
        "at": 1795480090.0,
        "state": "healthy",
        "children": [{"name": "app", "state": "healthy", "heartbeat_age": 4.5, "pid": 7}],
    },
    "releases": [2, 3],
    "certs": ["c3" * 32],
    "credentials_held": ["v7"],
    "supervisors": ["e5" * 32],
    "pending": {"op": "op-17", "deadline": 1795480200},
    "disk_used": 4096,
}
FACTS: dict[str, Any] = {
    "protocol": 2,
    "version": "0.1.0",
    "program_sha256": "f6" * 32,
    "machine_id": "07" * 16,
    "boot_id": "93ae8a8e-176a-435c-974a-505f312e7a4a",
    "hostname": "node-a",
    "os": "Fedora CoreOS 44",
    "kernel": "6.18",
    "arch": "x86_64",
    "podman": "5.8.2",
    "systemd": "259",
    "time": 1795480100.25,
    "uptime": 100,
    "disk": {"images": {"free": 1, "total": 2}, "var": {"free": 3, "total": 4}},
    "reboot_pending": False,
    "host_keys": ["ssh-ed25519 " + "A" * 68],
    "images_held": {"ids": [ID], "diff_ids": [ID]},
    "services": {"www": SERVICE},
}


def changed(path: str, value: object) -> dict[str, Any]:
    facts = copy.deepcopy(FACTS)
    place: Any = facts
    *parents, name = path.split(".")
    for parent in parents:
        place = place[int(parent) if parent.isdigit() else parent]
    place[name] = value
    return facts


def test_facts_are_read_whole() -> None:
    facts = parse_facts(json.dumps({"event": "result", "ok": True} | FACTS) + "\n")
    assert (facts.hostname, facts.time, facts.disk_var.free) == ("node-a", 1795480100.25, 3)
    assert facts.image_ids == frozenset({ID})
    www = facts.service("www")
    assert www is not None
    assert (www.release, www.releases, www.active, www.image_id) == (3, (2, 3), "active", ID)
    assert www.pending is not None
    assert www.pending.op == "op-17"
    assert www.container is not None
    assert www.container.running
    assert (www.status_age, www.heartbeat_age) == (pytest.approx(10.25), pytest.approx(10.25 + 4.5))
    assert facts.service("api") is None


def test_what_a_service_does_not_have_is_none() -> None:
    names = (
        "unit_sha256",
        "release",
        "image_id",
        "certificate",
        "since",
        "container",
        "heartbeats",
        "pending",
        "disk_used",
    )
    facts = copy.deepcopy(FACTS)
    facts["services"]["www"] |= dict.fromkeys(names)
    www = facts_from(facts).service("www")
    assert www is not None
    assert [getattr(www, name) for name in names] == [None] * len(names)
    assert www.heartbeat_age is None


def test_a_refusal_keeps_its_code() -> None:
    with pytest.raises(Refused) as refused:
        parse_facts('{"event":"result","ok":false,"code":"not-root","text":"no"}\n')
    assert refused.value.code == "not-root"


@pytest.mark.parametrize(
    "text", ["", "x", "{}", "[]", '{"event":"result","ok":true}', '{"event":"result","ok":true,"services":[]}']
)
def test_what_are_no_facts_is_refused(text: str) -> None:
    with pytest.raises(FactsError):
        parse_facts(text)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("protocol", "1"),
        ("protocol", -1),
        ("protocol", True),
        ("protocol", 1.5),
        ("protocol", 2**64),
        ("time", float("nan")),
        ("time", float("inf")),
        ("time", "now"),
        ("machine_id", "07" * 15),
        ("machine_id", "07" * 16 + "\n"),
        ("hostname", None),
        ("disk", None),
        ("disk.images", {"free": 1}),
        ("host_keys", ["ssh-ed25519 <script>"]),
        ("host_keys", ["ssh-ed25519 " + "A" * 68] * 21),
        ("images_held.ids", ["sha256:x"]),
        ("images_held.diff_ids", [1]),
        ("services", []),
        ("services", {"../x": SERVICE}),
        ("services", {"www": None}),
        ("services.www.release", "3"),
        ("services.www.release", -3),
        ("services.www.image_id", "a1" * 32),
        ("services.www.active", "<b>"),
        ("services.www.operation", "x y"),
        ("services.www.releases", "3"),
        ("services.www.releases", [3, None]),
        ("services.www.pending", {"op": "x"}),
        ("services.www.pending", "x"),
        ("services.www.container", {"id": "x"}),
        ("services.www.installed", 1),
    ],
)
def test_a_field_of_another_form_is_refused_by_name(path: str, value: object) -> None:
    with pytest.raises(FactsError, match="have no proper") as error:
        facts_from(changed(path, value))
    assert path.split(".")[0] in str(error.value)


@pytest.mark.parametrize(
    "beats",
    [
        {},
        {"at": "x"},
        {"at": 1, "state": 2, "children": []},
        {"at": 1, "state": "x", "children": [1]},
        {"at": 1e30, "state": "x", "children": []},
    ],
)
def test_a_forged_status_file_costs_only_the_heartbeats(beats: object) -> None:
    www = facts_from(changed("services.www.heartbeats", beats)).service("www")
    assert www is not None
    assert (www.heartbeats, www.heartbeat_age, www.status_age) == (None, None, None)


def test_texts_are_cut_and_shown_without_control_characters() -> None:
    www = facts_from(changed("services.www.status_text", "a\x1b[31m\u202eb\nc" + "x" * 5000)).service("www")
    assert www is not None
    assert www.status_text.startswith("a?[31m?b?cx")
    assert len(www.status_text) == 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([*FACTS, *(f"services.www.{name}" for name in SERVICE), "disk.var", "images_held.ids"]), JSON)
def test_nothing_that_a_node_says_raises_anything_else(path: str, value: object) -> None:
    try:
        facts_from(changed(path, value))
    except FactsError:
        pass


def test_what_decides_about_a_push_is_read_where_the_node_tells_it() -> None:
    older = facts_from(FACTS)
    assert (older.tools, older.partial_pulls, older.cpus, older.fetched, older.chunked) == (
        frozenset(),
        False,
        0,
        {},
        frozenset(),
    )
    told = {"tools": ["curl", "zstd"], "partial_pulls": True, "cpus": 4, "fetched": {ID: 4096}}
    facts = facts_from(FACTS | told | {"images_held": FACTS["images_held"] | {"chunked": [ID]}})
    assert (facts.tools, facts.partial_pulls, facts.cpus) == (frozenset({"curl", "zstd"}), True, 4)
    assert facts.fetched == {ID: 4096}
    assert facts.chunked == {ID}


@pytest.mark.parametrize(
    "wrong",
    [
        {"tools": "curl"},
        {"tools": ["curl; id"]},
        {"tools": ["a"] * 21},
        {"partial_pulls": "true"},
        {"cpus": -1},
        {"fetched": [ID]},
        {"fetched": {"../x": 1}},
        {"fetched": {ID: -1}},
        {"fetched": {f"sha256:{at:064x}": 1 for at in range(1001)}},
        {"images_held": {"ids": [], "diff_ids": [], "chunked": ["x"]}},
        {"images_held": {"ids": [], "diff_ids": [], "chunked": [ID] * 50_001}},
    ],
)
def test_what_decides_about_a_push_is_bounded(wrong: dict[str, Any]) -> None:
    with pytest.raises(FactsError):
        facts_from(FACTS | wrong)
