"""What is not exactly of the form expected is refused before anything is done."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.nodekit.conftest import Program

HEX = "0" * 64
HOSTILE = (
    "",
    " ",
    "www;id",
    "www id",
    "www\nid",
    "$(id)",
    "`id`",
    "../www",
    "www/..",
    "/etc",
    "-www",
    "--",
    "Www",
    "wwwé",
    "w" * 32,
    "www\t",
    "*",
    "www|id",
    "www\x01",
    "restore",
    "firewall",
    "op-1",
    "restore-www",
)

# Every verb that takes options, with one valid value for each.
VERBS = {
    "seal": {"fence": "1.1", "service": "www", "version": "v1"},
    "stage-image": {
        "fence": "1.1",
        "service": "www",
        "project": "p",
        "image-id": f"sha256:{HEX}",
        "from": HEX[:12],
    },
    "stage-files": {"fence": "1.1", "service": "www", "release": "1", "base": "1"},
    "stage-certificate": {"fence": "1.1", "service": "www", "fingerprint": HEX},
    "stage-supervisor": {"fence": "1.1", "service": "www", "sha256": HEX},
    "verify-certificate": {"service": "www", "fingerprint": HEX, "version": "v1"},
    "switch": {"fence": "1.1", "service": "www", "op": "o1", "deadline": "60"},
    "confirm": {"fence": "1.1", "service": "www", "op": "o1"},
    "rollback": {"fence": "1.1", "service": "www", "op": "o1"},
    "cancel": {"service": "www", "op": "o1"},
    "follow": {"service": "www", "op": "o1"},
    "run-switch": {"service": "www", "op": "o1"},
    "run-rollback": {"service": "www", "op": "o1"},
    "logs": {"service": "www", "lines": "10", "since": "1", "grep": "x"},
    "probe": {"service": "www", "kind": "https", "port": "443", "path": "/healthz"},
    "served": {"service": "www", "ports": "443,8443", "name": "www.example.org"},
    "prune": {"fence": "1.1", "service": "www", "keep": "1,2", "keep-images": f"sha256:{HEX}"},
    "reset-restarts": {"service": "www"},
    "remove": {"fence": "1.1", "service": "www"},
    "check-unit": {"service": "www"},
    "setup": {"fence": "1.1"},
    "upgrade": {"fence": "1.1"},
    "access": {"user": "core"},
    "access-add": {"fence": "1.1", "user": "core"},
    "access-remove": {"fence": "1.1", "user": "ffsweb"},
    "rekey-host": {"fence": "1.1", "activate": "SHA256:" + "A" * 43},
}
BAD = {
    "fence": ("1", "1.", ".1", "1.1.1", "-1.1", "1.-1", "01.1", "1.1 ", "a.b", "9" * 16 + ".1", "1.1\n", "0x1.1"),
    "service": HOSTILE,
    "user": ("root", "ffs", "", "core ", "core|ffsweb"),
    "project": ("P", "p/q", "p:q", "-p", "p" * 33, "p@q", ""),
    "image-id": (HEX, f"sha256:{HEX}0", "sha256:" + "A" * 64, f"sha512:{HEX}", ""),
    "release": ("0", "01", "-1", "1/2", "..", "1e3", "9" * 10, ""),
    "base": ("0", "../1", ""),
    "fingerprint": ("A" * 64, HEX[:-1], HEX + "/..", HEX + "-" + "a" * 17, ""),
    "sha256": ("A" * 64, HEX[:-1], HEX + "0"),
    "version": ("..", ".v", "-v", "v/1", "v" * 65, "v 1", "v\n1", ""),
    "op": ("-o", "o.1", "o/1", "o_1", "o" * 65, "o\n", ""),
    "deadline": ("0", "-1", "1.5", "100000", "", "010"),
    "lines": ("0", "-1", "+5", "all", "100000", ""),
    "since": ("-1", "yesterday", "@1", "1" * 11, ""),
    "grep": ("", "x\n", "x\x1b[0m", "x" * 201),
    "kind": ("", "ftp", "HTTP", "file", "https://", "tcp ", "http\n"),
    "port": ("", "0", "-1", "080", "65536", "99999", "443;id", "1e3", "443\n", "0x50", " 80"),
    "ports": ("", "0", "443,", ",443", "443,,80", "443;id", "65536", "1,2,3,4,5", "443 80", "443\n"),
    "name": ("", "-h", "a b", "a\n", "*.example.org", "a;id", ".a", "a.", "x" * 254, "é"),
    "path": (
        *("", "healthz", "//\n", "/a b", "/a\r\nHost: x", "/\x01", "/a#b", '/"', "/`id`", "/\\", "/{a}"),
        *("/é", "/a" + "b" * 200, "-o/etc/passwd"),
    ),
    "keep": ("", "1,", ",1", "1,,2", "1,../2", "all", ",".join(["1"] * 101)),
    "from": (HEX, HEX[:11], HEX[:12] + "0", "A" * 12, "*", "../../../etc/", ""),
    "keep-images": (HEX, "all", f"sha256:{HEX},"),
    "activate": ("SHA256:" + "A" * 42, "MD5:00", "SHA256:" + "A" * 44, ""),
}


OPTIONAL = {"base", "from", "lines", "since", "grep", "keep-images", "activate", "name"}


def argv(verb: str, options: dict[str, str]) -> list[str]:
    return [verb, *(word for name, value in options.items() for word in (f"--{name}", value))]


def refused(program: Program, verb: str, name: str, values: Iterable[str]) -> None:
    for value in values:
        said = program(*argv(verb, VERBS[verb] | {name: value}))
        assert said.code == "bad-argument", (name, value, said)


@pytest.mark.parametrize("name", BAD)
def test_every_malformed_value_is_refused(program: Program, name: str) -> None:
    refused(program, next(verb for verb in VERBS if name in VERBS[verb]), name, BAD[name])
    assert not (program.root / "var/lib/ffs").exists()
    assert not (program.root / "var/lib/ffs-node").exists()
    assert program.leftovers() == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_looks_at_all_of_its_values(program: Program, verb: str) -> None:
    for name in VERBS[verb]:
        refused(program, verb, name, [random.choice(BAD[name]), "$(id)"] if name != "grep" else ["", "x\n"])
    assert not (program.root / "var/lib/ffs-node").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_missing_repeated_and_unknown_options_are_refused(program: Program, verb: str) -> None:
    options = VERBS[verb]
    needed = [name for name in options if name not in OPTIONAL]
    for name in needed:
        said = program(*argv(verb, {key: value for key, value in options.items() if key != name}))
        assert said.code == "bad-argument", (name, said)
    name, value = next(iter(options.items()))
    assert program(*argv(verb, options), f"--{name}", value).code == "bad-argument"
    for extra in (("--root", "/"), ("-f",), ("x",), ("--service=www",), ("--",), ("--service",)):
        assert program(*argv(verb, options), *extra).code == "bad-argument", extra
    assert not (program.root / "var/lib/ffs-node").exists()


def test_there_are_no_other_verbs(program: Program) -> None:
    for verb in (
        "",
        "sh",
        "main",
        "begin",
        "fail",
        "store",
        "verb_facts",
        "--help",
        "-c",
        "facts;id",
        "facts\nid",
        "facts ",
    ):
        assert program(verb).code == "bad-argument", verb
    assert program().code == "bad-argument"


def test_control_and_handover_and_restore_are_as_strict(program: Program) -> None:
    control = ("control", "--fence", "1.1", "--service", "www")
    for action in ((), ("kill",), ("start", "stop"), ("start;id",), ("--start",), ("enable",)):
        assert program(*control, *action).code == "bad-argument", action
    for name in HOSTILE:
        assert program("handover", name).code == "bad-argument", name
    assert program("handover").code == program("handover", "www", "www").code == "bad-argument"
    assert program("restore").code == program("restore", "--due", "--due").code == "bad-argument"
    assert program("facts", "--service").code == program("facts", "--service", "../x").code == "bad-argument"


def test_bytes_that_are_no_text_are_refused_and_answered_as_json(program: Program) -> None:
    assert program("check-unit", "--service", b"w\xff\xfe").code == "bad-argument"
    assert program(b"\xff\xfe").code == "bad-argument"


def test_a_huge_argument_is_refused(program: Program) -> None:
    assert program("logs", "--service", "www", "--grep", "x" * 100_000).code == "bad-argument"
