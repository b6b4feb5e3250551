"""The request of ``stage-image``: what is not exactly of the form expected is refused before anything is done."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from deployments.core import node_commands
from deployments.core.transfer_request import Door, FetchBlob, fetch_line, pull_line
from deployments.oci.parcel import packed
from deployments.oci.zstd import zstd

if TYPE_CHECKING:
    from tests.nodekit.conftest import Program, Said

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")
TOKEN = "t" * 32
GOOD: dict[str, Any] = {"port": 2000, "token": TOKEN, "manifest": A, "way": "pull", "need": 0}
ZSTD: dict[str, Any] = {"digest": A, "size": 10, "form": "zstd", "diff_id": B, "diff_size": 20}
RAW: dict[str, Any] = {"digest": C, "size": 20, "form": "raw", "diff_id": C, "diff_size": 20}
DELTA = {**ZSTD, "form": "delta", "base": C}
CONFIG = json.dumps({"os": "linux", "rootfs": {"type": "layers", "diff_ids": [B, C]}}).encode()
IMAGE = f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"
FETCH = {**GOOD, "way": "fetch", "config": len(CONFIG), "sizes": [20, 20], "docker": False, "blobs": [ZSTD, RAW]}
NOT_PACKED = "comes with its configuration, packed"
needs_zstd = pytest.mark.skipif(shutil.which("zstd") is None, reason="the zstd program is not installed")


def ask(program: Program, stdin: bytes, against: str = "") -> Said:
    return program.command(node_commands.stage_image((1, 1), "www", "p", IMAGE, against), stdin)


def refused(program: Program, value: object) -> None:
    said = ask(program, json.dumps(value).encode() + b"\n")
    assert said.code == "bad-input", (value, said)
    assert NOT_PACKED not in said.text
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
    assert ask(program, b" " * 8_388_609 + line).code == "bad-input"
    assert ask(program, b"[" * 20_000).code == "bad-input"
    assert not (program.root / "var/lib/ffs-node").exists()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("config", (-1, 0.5, "10", None, [1])),
        ("sizes", (None, 20, [-1], ["20"], [0.5], [1] * 501)),
        ("docker", (None, 0, "no")),
        ("port", (None, 0, "2000")),
        ("token", (None, "short")),
        ("blobs", ([ZSTD | {"rides": "yes"}], [ZSTD | {"rides": False}], [ZSTD | {"rides": 1}])),
    ],
)
def test_a_fetch_with_a_wrong_value_is_refused(program: Program, name: str, values: tuple[object, ...]) -> None:
    for value in values:
        refused(program, FETCH | {name: value})


def test_a_port_may_be_lacking_only_where_everything_rides_along(program: Program) -> None:
    bare = {key: value for key, value in FETCH.items() if key not in ("port", "token")}
    refused(program, bare)
    refused(program, bare | {"blobs": [ZSTD | {"rides": True}, RAW]})
    refused(program, {key: value for key, value in GOOD.items() if key not in ("port", "token")})


def test_a_fetch_that_is_not_packed_is_refused(program: Program) -> None:
    said = ask(program, json.dumps(FETCH).encode() + b"\n" + CONFIG)
    assert said.code == "bad-input"
    said = ask(program, json.dumps(FETCH).encode() + b"\n")
    assert (said.code, NOT_PACKED in said.text) == ("bad-input", True)


def stale(program: Program) -> Program:
    """With a fence that every request is too old for: whatever is not refused before is refused by that."""
    fences = program.root / "var/lib/ffs-node/fences"
    fences.mkdir(parents=True)
    (fences / "service-www").write_text("2.0\n")
    return program


def fetch(*behind: bytes, config: bytes = CONFIG, **more: Any) -> tuple[bytes, ...]:
    return json.dumps(FETCH | {"config": len(config)} | more).encode() + b"\n", config, *behind


def test_a_stale_request_is_refused_before_podman_is_asked(as_root: Program) -> None:
    stale(as_root)
    door = Door(2000, TOKEN)
    blobs = [
        FetchBlob(A, 10, "zstd", B, 20, rides=True),
        FetchBlob(C, 5, "delta", C.replace("c", "d"), 20, C),
    ]
    line = fetch_line(door, need=10, config=len(CONFIG), sizes=[20, 20], docker=True, blobs=blobs)
    for request in (pull_line(door, manifest=A, need=0), packed((line, CONFIG, b"0123456789"))):
        assert ask(as_root, request).code == "stale"


@needs_zstd
def test_a_request_that_brings_more_or_less_than_it_announces_is_refused(as_root: Program) -> None:
    stale(as_root)
    riding = [ZSTD | {"rides": True}, RAW]
    assert ask(as_root, packed(fetch(b"0123456789", blobs=riding))).code == "stale"
    for parts in (
        fetch(b"x"),
        fetch(b"012345678", blobs=riding),
        fetch(b"0123456789x", blobs=riding),
        fetch(blobs=riding),
        (json.dumps(FETCH).encode() + b"\n",),
        (json.dumps(FETCH).encode(),),
        (b"\0" + json.dumps(FETCH).encode() + b"\n", CONFIG),
    ):
        assert ask(as_root, packed(parts)).code == "bad-input", parts
    assert ask(as_root, packed(fetch(config=CONFIG.replace(b"linux", b"winux")))).code == "verify"
    assert ask(as_root, packed((pull_line(Door(2000, TOKEN), manifest=A, need=0),))).code == "bad-input"
    assert as_root.leftovers() == []


@needs_zstd
def test_a_configuration_that_names_other_layers_than_the_request_is_refused(as_root: Program) -> None:
    stale(as_root)
    assert ask(as_root, packed(fetch(sizes=[20]))).code == "bad-input"
    for odd in (
        b"null",
        b"[]",
        b'"x"',
        b'{"rootfs": {"diff_ids": [1, 2]}}',
        b'{"rootfs": {"diff_ids": ["a/../b", "c"]}}',
    ):
        argv = node_commands.stage_image((1, 1), "www", "p", f"sha256:{hashlib.sha256(odd).hexdigest()}")
        assert as_root.command(argv, packed(fetch(config=odd))).code == "bad-input", odd


@needs_zstd
def test_a_request_that_is_damaged_or_far_too_large_is_refused(as_root: Program) -> None:
    stale(as_root)
    whole = packed(fetch())
    for damaged in (
        whole[:-1],
        whole[:40],
        whole[:4],
        whole + b"x",
        whole[:60] + bytes([whole[60] ^ 1]) + whole[61:],
    ):
        assert ask(as_root, damaged).code == "bad-input", damaged
    assert ask(as_root, zstd.compress(bytes(100_000_000))).code == "bad-input"
    assert ask(as_root, whole + bytes(8_388_608)).code == "bad-input"
    assert as_root.leftovers() == []


@needs_zstd
def test_a_request_is_unpacked_by_the_configuration_of_an_image_that_is_here(as_root: Program) -> None:
    stale(as_root)
    known = CONFIG.replace(b"linux", b"plan9")
    name = hashlib.sha256(known).hexdigest()
    request = packed(fetch(), known)
    assert len(request) < len(packed(fetch()))
    assert ask(as_root, request, f"sha256:{name}").code == "delta", "no such image"
    image = as_root.root / "var/lib/containers/storage/overlay-images" / name
    image.mkdir(parents=True)
    assert ask(as_root, request, f"sha256:{name}").code == "delta", "no configuration"
    (image / "=other").write_bytes(b"something else")
    (image / "=config").write_bytes(known)
    (image / "=config").chmod(0o600)
    assert ask(as_root, request, f"sha256:{name}").code == "stale"
    assert ask(as_root, packed(fetch(), CONFIG), f"sha256:{name}").code == "delta", "packed against another one"
    (image.parent / (name[:12] + "0" * 52)).mkdir()
    assert ask(as_root, request, f"sha256:{name}").code == "delta", "two images begin so"
    assert as_root.leftovers() == []


def test_zstd_opens_what_is_packed() -> None:
    if (program := shutil.which("zstd")) is None:
        pytest.skip("the zstd program is not installed")
    done = subprocess.run((program, "-q", "-d", "-c"), input=packed((b"a", b"b")), capture_output=True, check=True)
    assert done.stdout == b"ab"
