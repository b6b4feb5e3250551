"""Commands on a real SSH server."""

from __future__ import annotations

import io
import os
import subprocess
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ffsweb.remote import (
    Command,
    CommandFailed,
    Line,
)
from ffsweb.sealed import Secret
from tests.remote.commands import sh

pytestmark = pytest.mark.sshd

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


def test_lines_of_both_streams_come_numbered_and_the_status_is_a_result(session):
    lines = []
    result = session.run(sh("echo one; echo two >&2; sleep 0.1; printf three; exit 3"), on_line=lines.append)
    assert [line.number for line in lines] == [1, 2, 3]
    assert sorted((line.stream, line.text) for line in lines) == [("err", "two"), ("out", "one"), ("out", "three")]
    assert lines[-1] == Line(3, "out", "three")
    assert (result.exit_status, result.out, result.err) == (3, "one\nthree", "two\n")
    assert not result.ok
    assert not result.truncated
    assert 0.1 <= result.seconds < 5
    with pytest.raises(CommandFailed, match="status 3: two"):
        result.check()


def test_lines_come_as_they_are_written(session):
    at = []
    session.run(sh("echo a; sleep 0.5; echo b"), on_line=lambda line: at.append(time.monotonic()))
    assert 0.3 < at[1] - at[0] < 3


def test_a_command_without_stdin_reads_the_end_at_once(session):
    assert session.run(Command(("cat",), timeout=5)).out == ""


@pytest.mark.parametrize(
    "make", [bytes, Secret, io.BytesIO, lambda data: (data[i : i + 1000] for i in range(0, len(data), 1000))]
)
def test_stdin_of_every_kind_arrives(session, make):
    data = os.urandom(300_000)
    result = session.run(Command(("sha256sum",), stdin=make(data)))
    expected = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout.decode()
    assert result.check().out == expected


def test_20_mb_of_stdin_are_echoed_back_while_they_are_sent(session):
    data = os.urandom(15_000_000).hex().encode()[:20_000_000]
    seen = 0

    def count(line):
        nonlocal seen
        seen += len(line.text)

    result = session.run(Command(("cat",), stdin=data, timeout=60), on_line=count, keep=30_000_000)
    assert seen == len(data)
    assert result.out.encode() == data


def test_a_command_that_does_not_read_its_stdin_ends_anyway(session):
    result = session.run(sh("exit 4", stdin=(b"x" * 65536 for _ in range(1000)), timeout=20))
    assert result.exit_status == 4


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXT, min_size=1, max_size=5))
def test_any_arguments_are_received_byte_for_byte(session, arguments):
    script = 'for a in "$@"; do printf %s "$a" | od -An -v -tx1 | tr -d " \\n"; echo; done'
    result = session.run(Command(("sh", "-c", script, "sh", *arguments))).check()
    assert [bytes.fromhex(line) for line in result.out.split("\n")[:-1]] == [text.encode() for text in arguments]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT)
def test_any_program_name_is_one_word_to_the_shell(session, name):
    result = session.run(Command(("env", "--", "printf", "%s", name)))
    printable = "".join(c for c in name if c in "\t\n\x1b" or c >= "\xa0" or " " <= c <= "~")
    assert result.out == printable


@pytest.mark.parametrize(
    "text",
    [
        "$(touch /x)",
        "`id`",
        "; id",
        "| id",
        "&& id",
        "'",
        '"',
        "\\",
        "!!",
        "*",
        "~",
        "$HOME",
        "-n",
        "\n",
        "a b",
        "",
        "#",
        "ü€😀",
    ],
)
def test_nothing_in_an_argument_is_interpreted(session, text):
    assert session.run(Command(("printf", "%s", text))).check().out == text


def test_a_signal_that_ended_the_command_is_named(session):
    result = session.run(sh("kill -KILL $$"))
    assert (result.signal, result.exit_status) == ("KILL", 137)
    with pytest.raises(CommandFailed, match="signal KILL"):
        result.check()


def test_text_for_stdin_is_a_type_error(session):
    with pytest.raises(TypeError, match="made of bytes"):
        session.run(Command(("cat",), stdin="text"))
    assert session.run(Command(("true",))).ok


def test_output_over_the_limit_keeps_its_end(session):
    result = session.run(sh("seq 1 100000"), keep=1000)
    assert result.truncated
    assert result.out.endswith("99999\n100000\n")
    assert 990 <= len(result.out) <= 1000
    assert all(len(line) >= 5 for line in result.out.splitlines())


def test_hostile_output_is_cleaned(session):
    lines = []
    session.run(sh(r"printf 'a\000b\007c\033[31md\t\r\n\377\302\233e\n'"), on_line=lines.append)
    assert [line.text for line in lines] == ["abc\x1b[31md\t", "\ufffde"]


def test_a_line_without_end_comes_in_pieces(session):
    lines = []
    session.run(sh("head -c 50000 /dev/zero | tr '\\0' x"), on_line=lines.append)
    assert [len(line.text) for line in lines] == [16384, 16384, 16384, 848]
