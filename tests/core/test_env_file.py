"""Reading a ``.env``: what it means, and which lines are bad."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.env_file import MAX_BYTES, EnvError, parse_env


def values(text: str) -> dict[str, str]:
    return {entry.name: entry.value for entry in parse_env(text)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("A=''", ""),
        ("  export A=b", "b"),
        ("A=b c  ", "b c"),
        ("A= b", "b"),
        ("A=b # comment", "b"),
        ("A=# comment", ""),
        ("A=b#c", "b#c"),
        ("A='b # c' # d", "b # c"),
        ('A="b # c"', "b # c"),
        ("A='a\\n$x'", "a\\n$x"),
        ('A="a\\nb\\t\\"\\\\\\$\\z"', 'a\nb\t"\\$\\z'),
        ("A=${B}", "${B}"),
        ("A=b=c", "b=c"),
        ("A=it's", "it's"),
        ('A="one\ntwo"', "one\ntwo"),
        ("A='one\n# two\n'", "one\n# two\n"),
        ("A=b\r", "b"),
        ("\ufeffA=b", "b"),
        ("A=ü", "ü"),
    ],
)
def test_a_value_is_read(text: str, value: str) -> None:
    assert values(f"{text}\n") == {"A": value}


def test_entries_keep_their_order_and_know_their_lines() -> None:
    found = parse_env('# first\n\nB="x\ny"\nexport A=1\r\n')
    assert [(entry.name, entry.value, entry.line) for entry in found] == [("B", "x\ny", 3), ("A", "1", 5)]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing", "  \t \n"])
def test_an_empty_file_has_no_entries(text: str) -> None:
    assert parse_env(text) == ()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("A=1\nB", 2, "no NAME="),
        ("A=1\n=x", 2, "a name is made of"),
        ("1A=x", 1, "a name is made of"),
        ("A-B=x", 1, "a name is made of"),
        ("A" * 129 + "=x", 1, "a name is made of"),
        ("A =x", 1, "space between A and"),
        ("A=1\nB=2\nA=3", 3, "given already, at line 1"),
        ("A='x", 1, "never closed"),
        ('A="x\\"', 1, "never closed"),
        ("A='x'y", 1, "after the closing quote"),
        ("A='x'#y", 1, "after the closing quote"),
        ("A=x\0y", 1, "control character"),
        ("A=x\x1by", 1, "control character"),
        ("A=x\ry", 1, "control character"),
        ("FFS_NODE=x", 1, "dashboard's own"),
        ("A=" + "x" * 70_000, 1, "longer than"),
        ("export", 1, "no NAME="),
    ],
)
def test_a_bad_line_is_named(text: str, line: int, message: str) -> None:
    with pytest.raises(EnvError) as caught:
        parse_env(text)
    assert [bad.line for bad in caught.value.bad] == [line]
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"Line {line}: ")


def test_every_bad_line_is_named_at_once() -> None:
    with pytest.raises(EnvError) as caught:
        parse_env("good=1\nbad\nA=2\n2=3\nB='open\nC=4\n")
    assert [bad.line for bad in caught.value.bad] == [2, 4, 5]


def test_no_message_repeats_a_value() -> None:
    for text in ("A=hunter2\x01", "A='hunter2'x", "hunter2", "A='hunter2", "A=hunter2\nA=hunter2"):
        with pytest.raises(EnvError) as caught:
            parse_env(text)
        assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(parse_env("A=hunter2"))


def test_too_much_is_refused_as_a_whole() -> None:
    with pytest.raises(EnvError, match="256 KiB"):
        parse_env("#" * (MAX_BYTES + 1))
    with pytest.raises(EnvError, match="1000 names"):
        parse_env("".join(f"A{n}=1\n" for n in range(1001)))


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    try:
        found = parse_env(text)
    except EnvError as error:
        assert all(bad.line <= text.count("\n") + 1 for bad in error.bad)
    else:
        assert len({entry.name for entry in found}) == len(found)


@given(st.dictionaries(st.from_regex(r"[A-EG-Z][A-Z0-9_]{0,8}", fullmatch=True), st.text(max_size=30), max_size=5))
def test_quoted_values_are_read_back(entries: dict[str, str]) -> None:
    clean = {name: value for name, value in entries.items() if value.isprintable()}
    escaped = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in clean.items()}
    assert values("".join(f'{name}="{value}"\n' for name, value in escaped.items())) == clean
