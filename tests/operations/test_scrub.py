"""A sentinel secret in every form that a program could print: none of them comes through."""

from __future__ import annotations

import base64
import json
import shlex
import textwrap
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffsweb.operations.scrub import SURE, Scrubber, forms
from ffsweb.sealed import MASK, Secret

SENTINEL = "Sentinel+Värde/\"7&\\x' end"
BYTES = bytes(range(1, 60))


@pytest.fixture
def scrubber() -> Scrubber:
    scrubber = Scrubber()
    scrubber.protect(Secret(SENTINEL))
    return scrubber


FORMS = {
    "itself": SENTINEL,
    "base64": base64.b64encode(SENTINEL.encode()).decode(),
    "base64 for addresses": base64.urlsafe_b64encode(SENTINEL.encode()).decode(),
    "percent": quote(SENTINEL, safe=""),
    "percent, slashes kept": quote(SENTINEL),
    "form": quote_plus(SENTINEL),
    "json": json.dumps(SENTINEL),
    "json, not ascii": json.dumps(SENTINEL, ensure_ascii=False),
    "shell": shlex.quote(SENTINEL),
    "repr": repr(SENTINEL),
    "hex": SENTINEL.encode().hex(),
    "HEX": SENTINEL.encode().hex().upper(),
}


@pytest.mark.parametrize("name", FORMS)
def test_no_form_of_a_secret_comes_through(scrubber, name):
    form = FORMS[name]
    line = scrubber.line(f"DEBUG value={form} end")
    assert form not in line
    assert MASK in line
    assert line.startswith("DEBUG value=")
    assert line.endswith("end")


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("after", ["", "z", "yz"])
def test_a_secret_inside_of_something_that_is_base64_as_a_whole_is_hidden(before, after):
    scrubber = Scrubber()
    scrubber.protect("a-long-enough-secret")
    encoded = base64.b64encode(f"{before}a-long-enough-secret{after}".encode()).decode()
    shown = scrubber.line(encoded)
    assert MASK in shown
    # What is left holds at most the bits that the neighbours share.
    assert max(len(part) for part in shown.split(MASK)) <= 8


def test_wrapped_base64_is_hidden_on_every_line(scrubber):
    scrubber.protect(BYTES * 5)
    wrapped = base64.encodebytes(b"xy" + BYTES * 5).decode().splitlines()
    assert len(wrapped) > 3
    for line in wrapped:
        shown = scrubber.line(line)
        assert MASK in shown
        assert len(shown.replace(MASK, "")) < SURE


def test_a_secret_cut_in_two_by_a_line_end_is_hidden_on_both_sides():
    secret = "correct-horse-battery-staple-and-more"
    for cut in range(len(secret)):
        scrubber = Scrubber()
        scrubber.protect(secret)
        first, second = scrubber.line(f"value is {secret[:cut]}"), scrubber.line(f"{secret[cut:]} is the value")
        shown = f"{first}{second}".replace("value is ", "").replace(" is the value", "").replace(MASK, "")
        assert len(shown) < SURE


def test_each_line_of_a_secret_of_several_lines_is_hidden(scrubber):
    scrubber.protect("first part of it\nsecond part of it\r\nthird")
    assert scrubber.line("x second part of it y") == f"x {MASK} y"
    assert scrubber.line("third") == MASK


def test_colours_inside_a_secret_do_not_hide_it_from_the_search(scrubber):
    scrubber.protect("rainbow-secret")
    assert scrubber.line("\x1b[1mx rain\x1b[31mbow-sec\x1b[0mret y") == f"x {MASK} y"
    assert scrubber.line("\x1b[1mnothing\x1b[0m here") == "\x1b[1mnothing\x1b[0m here"


def test_short_values_are_hidden_as_words_only_and_the_shortest_not_at_all():
    scrubber = Scrubber()
    scrubber.protect("hush")
    scrubber.protect("1")
    scrubber.protect("")
    assert scrubber.line("hush hushed 1 key=hush") == f"{MASK} hushed 1 key={MASK}"
    assert list(forms("abc")) == []


KEY = textwrap.dedent("""\
    -----BEGIN OPENSSH PRIVATE KEY-----
    b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
    QyNTUxOQAAACDv
    -----END OPENSSH PRIVATE KEY-----""")


def test_a_private_key_that_nobody_protected_is_hidden_over_its_lines():
    scrubber = Scrubber()
    shown = [scrubber.line(line, "node-a") for line in ["before", *KEY.split("\n"), "after"]]
    assert shown[0] == "before"
    assert shown[-1] == "after"
    assert set(shown[1:-1]) == {MASK}


def test_the_keys_of_two_nodes_are_followed_apart():
    scrubber = Scrubber()
    lines = KEY.split("\n")
    assert scrubber.line(lines[0], "node-a") == MASK
    assert scrubber.line("node-b says hello", "node-b") == "node-b says hello"
    assert scrubber.line(lines[1], "node-a") == MASK
    assert scrubber.line(lines[3], "node-a") == MASK
    assert scrubber.line("hello", "node-a") == "hello"


def test_a_private_key_in_one_line_of_json_is_hidden_and_the_rest_is_not():
    scrubber = Scrubber()
    shown = scrubber.line(json.dumps({"a": 1, "key": KEY, "z": 2}))
    assert shown == f'{{"a": 1, "key": "{MASK}", "z": 2}}'
    assert scrubber.line("next line") == "next line"


def test_a_key_that_never_ends_does_not_hide_the_log_for_ever():
    scrubber = Scrubber()
    scrubber.line("-----BEGIN RSA PRIVATE KEY-----", 1)
    shown = [scrubber.line(f"line {number}", 1) for number in range(500)]
    assert shown[0] == MASK
    assert shown[-1] == "line 499"


def test_evidence_is_scrubbed_to_its_depth(scrubber):
    scrubber.protect("deep-secret-value")
    found = {"a": ["x deep-secret-value", {"deep-secret-value": 1}], "n": 3, "ok": True, "none": None}
    assert scrubber.value(found) == {"a": [f"x {MASK}", {MASK: 1}], "n": 3, "ok": True, "none": None}


@settings(max_examples=200)
@given(st.text(min_size=SURE, max_size=40).filter(lambda text: len(text.strip()) >= SURE), st.text(max_size=20))
def test_whatever_the_secret_is_it_does_not_come_through(secret, around):
    scrubber = Scrubber()
    scrubber.protect(secret.encode(errors="replace"))
    held = secret.encode(errors="replace").decode()
    assert held not in scrubber.line(f"{around} {held} {around}") or held in MASK
