"""The request of ``stage-image``: what is not exactly of the form expected is refused before anything is done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from deployments.core import node_commands
from deployments.core.transfer_request import FetchBlob, image_request

if TYPE_CHECKING:
    from tests.nodekit.conftest import Program, Said

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")
TOKEN = "t" * 32
GOOD: dict[str, Any] = {"port": 2000, "token": TOKEN, "manifest": A, "way": "pull", "need": 0}
ZSTD: dict[str, Any] = {"digest": A, "size": 10, "form": "zstd", "diff_id": B, "diff_size": 20}
RAW: dict[str, Any] = {"digest": C, "size": 20, "form": "raw", "diff_id": C, "diff_size": 20}
DELTA = {**ZSTD, "form": "delta", "base": C}
FETCH = {**GOOD, "way": "fetch", "blobs": [ZSTD, RAW]}


def ask(program: Program, stdin: bytes) -> Said:
    return program.command(node_commands.stage_image((1, 1), "www", "p", A), stdin)


def refused(program: Program, value: object) -> None:
    said = ask(program, json.dumps(value).encode() + b"\n")
    assert said.code == "bad-input", (value, said)
    assert TOKEN not in json.dumps(said.events)
    assert not (program.root / "var/lib/ffs-node").exists()
    assert program.leftovers() == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("port", (0, 22, 1023, 65536, -1, 2000.5, "2000", None, True, [2000], 1e300)),
        ("token", ("", "short", "t" * 129, "t" * 31 + "/", "t" * 20 + "\n", f"{TOKEN}\n{TOKEN}", "té" * 20, 5, None)),
        ("token", ("../../../../etc/pas", 't"t\\ttttttttttttttt', "$(id)$(id)$(id)$(id)", "t t t t t t t t t t t")),
        ("manifest", ("", "a" * 64, f"{A}0", f"{A}\n", "sha256:" + "A" * 64, "sha512:" + "a" * 64, "latest", 1)),
        ("way", ("", "push", "PULL", 1, ["pull"], {"pull": 1}, "pull\n")),
        ("need", (-1, 0.5, "0", [0], 10**15, 1e300)),
        ("blobs", ([ZSTD], {}, "x", 1, [[]])),
    ],
)
def test_a_request_with_a_wrong_value_is_refused(program: Program, name: str, values: tuple[object, ...]) -> None:
    for value in values:
        refused(program, GOOD | {name: value})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("digest", ("", "a" * 64, f"{A}\n", f"{A}/../{A}", 1, None)),
        ("diff_id", ("", "b" * 64, f"{B} {B}", 1, None)),
        ("size", (-1, 0.5, "10", None, 10**15, [1])),
        ("diff_size", (-1, 0.5, "10", None, 10**15)),
        ("form", ("", "gzip", "chunked", 1, None, "zstd\n")),
        ("base", (C, "", None)),
    ],
)
def test_a_blob_with_a_wrong_value_is_refused(program: Program, name: str, values: tuple[object, ...]) -> None:
    for value in values:
        refused(program, FETCH | {"blobs": [RAW, ZSTD | {name: value}]})


def test_blobs_that_contradict_themselves_or_each_other_are_refused(program: Program) -> None:
    for blobs in (
        [RAW | {"digest": A}],
        [RAW | {"size": 21}],
        [DELTA | {"base": B}],
        [DELTA | {"base": "x"}],
        [{key: value for key, value in DELTA.items() if key != "base"}],
        [ZSTD, ZSTD],
        [ZSTD, RAW | {"digest": A, "diff_id": A}],
        [ZSTD, ZSTD | {"digest": C}],
        [ZSTD, None],
        [ZSTD, "x"],
        [ZSTD | {"digest": f"sha256:{at:064x}", "diff_id": f"sha256:{at + 1000:064x}"} for at in range(201)],
    ):
        refused(program, FETCH | {"blobs": blobs})


def test_what_is_no_request_at_all_is_refused(program: Program) -> None:
    line = json.dumps(GOOD).encode()
    for stdin in (
        b"",
        b"\n",
        b"x",
        b"[]",
        b"null",
        b"{}",
        line + line,
        line + b"x",
        line[:-1],
        b"\xff" + line,
        b"\0",
    ):
        assert ask(program, stdin).code == "bad-input", stdin
    assert ask(program, b" " * 1_048_577 + line).code == "bad-input"
    assert ask(program, b"[" * 20_000).code == "bad-input"
    assert not (program.root / "var/lib/ffs-node").exists()


def test_a_stale_request_is_refused_before_podman_is_asked(as_root: Program) -> None:
    requests = (
        image_request(port=2000, token=TOKEN, manifest=A, way="pull", need=0),
        image_request(
            port=2000,
            token=TOKEN,
            manifest=A,
            way="fetch",
            need=10,
            blobs=[FetchBlob(A, 10, "zstd", B, 20), FetchBlob(C, 5, "delta", C.replace("c", "d"), 20, C)],
        ),
    )
    fences = as_root.root / "var/lib/ffs-node/fences"
    fences.mkdir(parents=True)
    (fences / "service-www").write_text("2.0\n")
    for request in requests:
        said = as_root.command(node_commands.stage_image((1, 1), "www", "p", A), request.reveal())
        assert said.code == "stale"
