"""Commands to ffs-node: exact arguments, and values that no node would take refused here already."""

from __future__ import annotations

import base64
import json

import pytest

from deployments.core import node_commands, node_input
from deployments.core.node_argv import RESERVED_SERVICES
from deployments.core.node_events import (
    LINE_LIMIT,
    Answer,
    BadAnswer,
    Line,
    Log,
    Progress,
    Refused,
    last_answer,
    parse_event,
)
from ffsweb.sealed import Secret

HEX = "0a" * 32
SUDO = ("sudo", "-n", "/usr/local/bin/ffs-node")
F = (3, 14)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (node_commands.facts(), "facts"),
        (node_commands.facts(["www", "api"]), "facts --service www --service api"),
        (node_commands.version(), "version"),
        (node_commands.setup(F), "setup --fence 3.14"),
        (node_commands.prepare_host_key(F), "rekey-host --fence 3.14"),
        (
            node_commands.stage_image(F, "www", "p", f"sha256:{HEX}"),
            f"stage-image --fence 3.14 --service www --project p --image-id sha256:{HEX}",
        ),
        (
            node_commands.stage_image(F, "www", "p", f"sha256:{HEX}", f"sha256:{HEX}"),
            f"stage-image --fence 3.14 --service www --project p --image-id sha256:{HEX} --from {HEX[:12]}",
        ),
        (node_commands.stage_files(F, "www", 4), "stage-files --fence 3.14 --service www --release 4"),
        (node_commands.stage_files(F, "www", 4, 3), "stage-files --fence 3.14 --service www --release 4 --base 3"),
        (node_commands.seal(F, "www", "v1"), "seal --fence 3.14 --service www --version v1"),
        (node_commands.switch(F, "www", "o1", 90), "switch --fence 3.14 --service www --op o1 --deadline 90"),
        (node_commands.cancel("www", "o1"), "cancel --service www --op o1"),
        (node_commands.follow_rollback("www", "o1"), "follow --service www --op o1 --rollback"),
        (node_commands.control(F, "www", "stop"), "control --fence 3.14 --service www stop"),
        (node_commands.logs("www", lines=5, follow=True), "logs --service www --lines 5 --follow"),
        (node_commands.prune(F, "www", [1, 2]), "prune --fence 3.14 --service www --keep 1,2"),
        (
            node_commands.prune(F, "www", [1], credentials=["v1"], images=[f"sha256:{HEX}"]),
            f"prune --fence 3.14 --service www --keep 1 --keep-credentials v1 --keep-images sha256:{HEX}",
        ),
        (node_commands.served("www", [443, 8443]), "served --service www --ports 443,8443"),
        (node_commands.served("www", [443], "a.example"), "served --service www --ports 443 --name a.example"),
        (node_commands.remove(F, "www", with_data=True), "remove --fence 3.14 --service www --with-data"),
    ],
)
def test_a_command_is_the_program_by_sudo_and_checked_words(argv: tuple[str, ...], words: str) -> None:
    assert argv == (*SUDO, *words.split())


def test_a_text_to_look_for_stays_one_argument() -> None:
    assert node_commands.logs("www", grep="a b; c")[-1] == "a b; c"


def test_values_that_no_node_takes_are_the_callers_mistake() -> None:
    for wrong in ("", "-www", "www/..", "www;id", "www\n", "W", "w" * 32):
        with pytest.raises(ValueError, match="--service"):
            node_commands.facts([wrong])
    with pytest.raises(ValueError, match="fence"):
        node_commands.setup((-1, 0))
    with pytest.raises(ValueError, match="--release"):
        node_commands.stage_files(F, "www", 0)
    with pytest.raises(ValueError, match="--deadline"):
        node_commands.switch(F, "www", "o1", 5)
    with pytest.raises(ValueError, match="not empty"):
        node_commands.prune(F, "www", [])
    with pytest.raises(ValueError, match="--grep"):
        node_commands.logs("www", grep="a\nb")


def test_names_of_ffs_nodes_own_units_are_known() -> None:
    assert all(RESERVED_SERVICES.fullmatch(name) for name in ("restore", "op-1", "restore-www", "node"))
    assert not any(RESERVED_SERVICES.fullmatch(name) for name in ("www", "restored", "operator"))


def test_files_come_after_a_manifest_of_known_length() -> None:
    head = node_input.stage_files_head([node_input.StagedFile("ü.txt", 0o644, 5, HEX)], ["ü.txt"])
    first, _, manifest = head.partition(b"\n")
    assert json.loads(first) == {"manifest_bytes": len(manifest)}
    assert json.loads(manifest) == {
        "files": [{"path": "ü.txt", "mode": 0o644, "size": 5, "sha256": HEX}],
        "sent": ["ü.txt"],
    }


def test_secrets_travel_on_standard_input_and_end_with_their_number() -> None:
    secret = node_input.seal_input({"env.B": Secret("two\nlines"), "cert_pass": Secret(b"\x00\xff")})
    assert "two" not in repr(secret)
    lines = [json.loads(line) for line in secret.reveal().splitlines()]
    assert [line.get("name") for line in lines] == ["cert_pass", "env.B", None]
    assert base64.b64decode(lines[1]["value_base64"]) == b"two\nlines"
    assert lines[-1] == {"end": 2}


def test_events_are_read() -> None:
    assert parse_event('{"event":"log","text":"x"}') == Log("x")
    assert parse_event('{"event":"progress","done":1,"total":2}') == Progress(1, 2)
    assert parse_event('{"event":"line","at":1.5,"text":"x"}') == Line(1.5, "x")
    assert parse_event('{"event":"alive"}') is None
    assert parse_event('{"event":"result","ok":true,"n":1}') == Answer(ok=True, fields={"n": 1})
    assert parse_event('{"event":"result","ok":false,"code":"busy","text":"x"}') == Answer(
        ok=False, code="busy", text="x"
    )


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        "[]",
        "null",
        "1",
        "{",
        "[" * 100_000,
        '{"event":1}',
        "{}",
        '{"event":"log"}',
        '{"event":"log","text":1}',
        '{"event":"progress","done":-1,"total":2}',
        '{"event":"progress","done":true,"total":2}',
        '{"event":"progress","done":1}',
        '{"event":"line","at":NaN,"text":"x"}',
        '{"event":"line","at":1e999,"text":"x"}',
        '{"event":"line","at":"1","text":"x"}',
        '{"event":"line","at":-1,"text":"x"}',
        '{"event":"result"}',
        '{"event":"result","ok":"true"}',
        '{"event":"result","ok":1}',
        '{"event":"result","ok":false}',
        '{"event":"result","ok":false,"code":"<b>","text":"x"}',
        '{"event":"result","ok":false,"code":"busy"}',
        '{"event":"progress","done":' + "9" * 5000 + ',"total":1}',
    ],
)
def test_what_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(BadAnswer):
        parse_event(line)


def test_what_a_node_says_is_bounded() -> None:
    assert len(parse_event(json.dumps({"event": "log", "text": "x" * 100_000})).text) == 16_384  # type: ignore[union-attr]
    with pytest.raises(BadAnswer, match="more than"):
        parse_event('{"event":"log","text":"' + "x" * LINE_LIMIT + '"}')
    surrogate = parse_event('{"event":"log","text":"\\ud800"}')
    assert isinstance(surrogate, Log)
    assert surrogate.text == "?"


def test_the_last_line_is_the_answer() -> None:
    assert last_answer('{"event":"log","text":"x"}\n{"event":"result","ok":true}\n').ok
    for output in (
        "",
        "\n",
        '{"event":"log","text":"x"}\n',
        "sudo: a password is required\n",
        '{"event":"result","ok":tr',
    ):
        with pytest.raises(BadAnswer):
            last_answer(output)


def test_a_refusal_is_raised_when_asked() -> None:
    with pytest.raises(Refused, match="try again") as refused:
        last_answer('{"event":"result","ok":false,"code":"busy","text":"try again"}').check()
    assert refused.value.code == "busy"
    answer = Answer(ok=True, fields={"text": "x", "number": 3, "flag": True})
    assert (answer.string("text"), answer.number("number"), answer.flag("flag")) == ("x", 3, True)
    for name in ("number", "missing", "flag"):
        with pytest.raises(BadAnswer):
            answer.string(name)
    for name in ("text", "missing", "flag"):
        with pytest.raises(BadAnswer):
            answer.number(name)
