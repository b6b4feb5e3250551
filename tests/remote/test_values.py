"""What goes in is checked before anything is sent."""

from __future__ import annotations

import io
import pickle
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffsweb.remote import Command, CommandFailed, Endpoint, Result
from ffsweb.remote.stdin import CHUNK, chunks
from ffsweb.remote.values import MAX_COMMAND
from ffsweb.sealed import Secret

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(TEXT, min_size=1, max_size=8))
def test_quoting_is_undone_by_a_shell(argv):
    assert shlex.split(Command(tuple(argv)).quoted().decode()) == argv


@pytest.mark.parametrize("argv", [(), "ls", ("a\0b",), ("\0",), ("x" * (MAX_COMMAND + 1),), ("'" * MAX_COMMAND,)])
def test_a_command_that_cannot_be_sent_is_refused(argv):
    with pytest.raises(ValueError, match=r"argument|NUL|too long"):
        Command(argv)


def test_an_argument_that_utf_8_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="surrogates"):
        Command(("echo", "\udc80"))


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_time_limit_is_positive(timeout):
    with pytest.raises(ValueError, match="time limit"):
        Command(("a",), timeout=timeout)


def test_a_command_does_not_show_its_stdin():
    assert "sentinel" not in repr(Command(("a",), stdin=b"sentinel"))


@pytest.mark.parametrize(
    "changes",
    [{"host": ""}, {"host": "  "}, {"host": "a\0"}, {"port": 0}, {"port": 65536}, {"user": ""}, {"user": "a\0"}],
)
def test_an_endpoint_is_checked(changes):
    with pytest.raises(ValueError, match=r"host|port|user"):
        Endpoint(**{"host": "a", "port": 22, "user": "u", "host_keys": (), **changes})


def test_an_endpoint_names_itself():
    assert str(Endpoint("fe80::1", 22, "u", ())) == "u@[fe80::1]:22"


@pytest.mark.parametrize(
    "make",
    [
        bytes,
        bytearray,
        memoryview,
        Secret,
        io.BytesIO,
        lambda data: [data],
        lambda data: iter([data[:5], b"", data[5:]]),
    ],
)
@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_stdin_of_every_kind_comes_in_bounded_pieces(make, size):
    data = bytes(range(256)) * (size // 256 + 1)
    pieces = list(chunks(make(data[:size])))
    assert b"".join(pieces) == data[:size]
    assert all(0 < len(piece) <= CHUNK for piece in pieces)


def test_no_stdin_is_no_pieces():
    assert list(chunks(None)) == []


@pytest.mark.parametrize("stdin", ["text", ["text"], io.StringIO("text"), [1]])
def test_text_for_stdin_is_refused(stdin):
    with pytest.raises(TypeError, match="made of bytes"):
        list(chunks(stdin))


def result(**changes) -> Result:
    values = {"argv": ("a", "b"), "exit_status": 0, "out": "", "err": "", "truncated": False, "seconds": 0.1}
    return Result(**{**values, **changes})


def test_check_passes_success_through():
    good = result()
    assert good.check() is good
    assert good.ok


def test_check_raises_with_the_end_of_what_was_said():
    with pytest.raises(CommandFailed, match=r"'a b'.*status 7.*no space") as caught:
        result(exit_status=7, err="x" * 5000 + "no space\n").check()
    assert caught.value.exit_status == 7
    assert caught.value.permanent
    assert len(str(caught.value)) < 2500
    with pytest.raises(CommandFailed, match="signal KILL and said nothing"):
        result(exit_status=137, signal="KILL").check()


def test_values_can_be_sent_between_processes_without_secrets():
    assert pickle.loads(pickle.dumps(result(out="x"))) == result(out="x")
