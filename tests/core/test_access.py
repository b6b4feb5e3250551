"""Access keys, pure: what a node says of them is read without trust, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.core import access
from deployments.core.access import Held, HeldKey
from deployments.core.access_ledger import Wanted, Work, expect, settle, work
from deployments.core.node_events import Answer, BadAnswer, Refused

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
HOST = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
ROW: dict[str, Any] = {"file": "/home/core/.ssh/a", "key": KEY, "options": "", "comment": "x", "heeded": True}


def answer(**fields: Any) -> Answer:
    return Answer(ok=True, fields={"keys": [ROW], "other_ways": [], "unread": 0, "break_glass": [], **fields})


def held(*keys: str, heeded: bool = True, break_glass: tuple[str, ...] = ()) -> Held:
    rows = tuple(HeldKey("/home/core/.ssh/a", key, "", "", heeded) for key in keys)
    return Held(rows, (), 0, frozenset(break_glass))


def test_an_answer_is_read_and_its_texts_are_made_harmless() -> None:
    found = access.held(answer(keys=[{**ROW, "comment": "a\x1b[31m\u202eb" + "c" * 400}], other_ways=["X y\n"]))
    (key,) = found.keys
    assert key.comment.startswith("a?[31m?bc")
    assert len(key.comment) == 300
    assert found.other_ways == ("X y?",)
    assert found.holds(KEY)


@pytest.mark.parametrize(
    "fields",
    [
        {"keys": None},
        {"keys": "x"},
        {"keys": [ROW] * 1001},
        {"keys": [1]},
        {"keys": [{**ROW, "key": "ssh-ed25519"}]},
        {"keys": [{**ROW, "key": "ssh-ed25519 AAAA\nssh-rsa BBBB"}]},
        {"keys": [{**ROW, "key": None}]},
        {"keys": [{**ROW, "heeded": "yes"}]},
        {"keys": [{**ROW, "file": 7}]},
        {"other_ways": [1]},
        {"unread": -1},
        {"unread": True},
        {"break_glass": {}},
    ],
)
def test_an_answer_of_another_form_is_none(fields: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        access.held(answer(**fields))


def test_what_is_not_base64_is_counted_and_no_key() -> None:
    found = access.held(answer(keys=[ROW, {**ROW, "key": "ssh-ed25519 AAAAA"}], unread=2))
    assert ([key.key for key in found.keys], found.unread) == ([KEY], 3)


def test_of_a_comment_stays_what_a_node_takes() -> None:
    assert access.add_input(f"{KEY} bob (laptop) é\n") == f"{KEY} bob _laptop_ _\n".encode()
    assert access.add_input(KEY) == f"{KEY}\n".encode()
    assert len(access.add_input(f"{KEY} {'x' * 500}")) == len(KEY) + 101
    assert access.remove_input(f"{KEY} x", mine=f"{KEY[:-1]}g y") == f"{KEY}\n{KEY[:-1]}g\n".encode()


def test_a_signature_is_bound_to_verb_node_fence_user_and_key() -> None:
    host = access.fingerprint(HOST)
    assert host.startswith("SHA256:")
    add, glass = access.add_key((3, 14), "core"), access.add_key((3, 14), "core", break_glass=True)
    plain = f"ffs-node access-add\n{host}\n3.14\ncore\n{KEY}\n".encode()
    assert access.statement(add, f"{KEY} x", f"{HOST} node-a") == plain
    assert access.statement(glass, KEY, HOST) == plain.replace(b"-add", b"-add --break-glass")
    removed = access.statement(access.remove_key((3, 15), "core"), KEY, HOST)
    assert removed.startswith(f"ffs-node access-remove\n{host}\n3.15\n".encode())


def test_an_ffs_node_without_the_verbs_is_known_by_its_words() -> None:
    assert access.too_old(Refused("bad-argument", "ffs-node has no such verb."))
    assert not access.too_old(Refused("bad-argument", "The option --user is missing."))


# The ledger.


def test_each_key_has_one_state() -> None:
    wanted = Wanted(frozenset({"in", "out"}), frozenset({"going", "gone"}), frozenset({"described"}))
    before = {"gone": "owed_remove", "old": "foreign", "in": "owed_add"}
    assert settle(wanted, held("in", "going", "described", "who"), before) == {
        "in": "present",
        "out": "owed_add",
        "going": "owed_remove",
        "described": "present",
        "who": "foreign",
        "gone": "removed",
        "old": "removed",
    }


def test_a_removed_key_that_the_node_never_removes_is_owed_no_more() -> None:
    wanted = Wanted(frozenset({"in"}), frozenset({"glass", "going"}))
    seen = held("in", "glass", "going", break_glass=("glass",))
    assert settle(wanted, seen, {"glass": "owed_remove"}) == {
        "in": "present",
        "glass": "present",
        "going": "owed_remove",
    }


def test_a_break_glass_key_that_the_node_has_not_noted_is_given_to_it_once_more() -> None:
    wanted = Wanted(frozenset({"in", "glass", "noted"}), break_glass=frozenset({"glass", "noted"}))
    assert work(wanted, held("in", "glass", "noted", break_glass=("noted",))) == Work(("glass",), ())


def test_a_key_in_a_file_that_sshd_does_not_heed_is_not_there_but_has_to_go() -> None:
    wanted = Wanted(frozenset({"in"}), frozenset({"going"}))
    unheeded = held("in", "going", heeded=False)
    assert settle(wanted, unheeded, {}) == {"in": "owed_add", "going": "owed_remove"}
    assert work(wanted, unheeded) == Work(("in",), ("going",))


def test_nothing_foreign_and_no_break_glass_key_is_ever_removed() -> None:
    wanted = Wanted(frozenset({"in"}), frozenset({"going", "glass", "in"}))
    assert work(wanted, held("in", "going", "glass", "who", break_glass=("glass",))) == Work((), ("going",))


def test_a_wish_alone_makes_what_is_missing_owed() -> None:
    wanted = Wanted(frozenset({"new", "there", "again"}), frozenset({"old", "never", "gone"}))
    before = {"there": "present", "old": "present", "gone": "removed", "again": "removed"}
    assert expect(wanted, before) == {"new": "owed_add", "again": "owed_add", "old": "owed_remove"}
