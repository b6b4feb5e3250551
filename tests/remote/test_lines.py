"""Output of a node becomes bounded, clean lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ffsweb.remote.lines import MAX_LINE, LineSplitter, Tail, clean


def split(*pieces: bytes) -> list[str]:
    splitter = LineSplitter()
    return [line for piece in pieces for line in splitter.feed(piece)] + splitter.end()


def test_lines_come_without_their_ends_and_the_last_one_needs_none():
    assert split(b"a\nb\n\nc") == ["a", "b", "", "c"]
    assert split(b"a\r\nb\r\n") == ["a", "b"]
    assert split(b"") == []
    assert split(b"\n") == [""]


def test_a_line_comes_as_soon_as_it_is_whole():
    splitter = LineSplitter()
    assert splitter.feed(b"a") == []
    assert splitter.feed(b"b\nc") == ["ab"]
    assert splitter.end() == ["c"]
    assert splitter.end() == []


def test_control_characters_are_removed_but_tab_and_escape_stay():
    every = bytes(range(0x80)).replace(b"\n", b"") + "\x80\x85\x9b\x9f\u00a0é".encode()
    (line,) = split(every)
    assert line == "\t\x1b" + "".join(map(chr, range(0x20, 0x7F))) + "\u00a0é"


def test_bytes_that_are_no_utf_8_are_replaced():
    assert split(b"a\xff\xfeb\xc3\n\xe2\x82") == ["a\ufffd\ufffdb\ufffd", "\ufffd"]


def test_a_character_split_between_two_reads_stays_whole():
    assert split("€".encode()[:1], "€".encode()[1:2], "€".encode()[2:] + b"\n") == ["€"]


def test_a_line_of_just_the_limit_is_one_and_a_longer_one_is_split():
    assert split(b"x" * MAX_LINE + b"\n") == ["x" * MAX_LINE]
    assert split(b"x" * (MAX_LINE + 1) + b"\ny") == ["x" * MAX_LINE, "x", "y"]
    assert split(b"x" * (2 * MAX_LINE) + b"\n") == ["x" * MAX_LINE] * 2


def test_a_long_line_is_cut_between_characters():
    for shift in range(4):
        text = "x" * shift + "😀" * MAX_LINE
        lines = split(text.encode())
        assert "".join(lines) == text
        assert all(len(line.encode()) <= MAX_LINE for line in lines)


def test_a_long_line_of_continuation_bytes_is_cut_too():
    assert sum(map(len, split(b"\x80" * (3 * MAX_LINE + 5)))) == 3 * MAX_LINE + 5


def test_a_line_without_end_is_passed_on_in_pieces_and_not_kept():
    splitter = LineSplitter()
    count = sum(len(splitter.feed(b"x" * 100_000)) for _ in range(100))
    assert count == 10_000_000 // MAX_LINE
    assert len(splitter._rest) <= MAX_LINE


@given(st.lists(st.binary(max_size=50)))
def test_how_the_bytes_arrive_changes_nothing(pieces):
    assert split(*pieces) == split(b"".join(pieces))


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)))
def test_printable_text_passes_unchanged(lines):
    assert split(*(f"{line}\n".encode() for line in lines)) == lines


@given(st.binary())
def test_whatever_comes_no_control_character_passes(data):
    allowed = set("\t\n\x1b")
    assert all(
        character in allowed or ord(character) >= 0xA0 or 0x20 <= ord(character) < 0x7F for character in clean(data)
    )


@given(st.lists(st.binary(max_size=40)), st.integers(0, 100))
def test_a_tail_keeps_the_end_and_says_when_it_dropped_something(pieces, keep):
    tail = Tail(keep)
    for piece in pieces:
        tail.feed(piece)
        assert len(tail._data) <= 2 * keep + 40
    whole = b"".join(pieces)
    text = tail.text()
    assert tail.truncated == (len(whole) > keep)
    if not tail.truncated:
        assert text == clean(whole)
    else:
        kept = whole[len(whole) - keep :]
        assert text in (clean(kept), clean(kept.partition(b"\n")[2]))


def test_a_tail_begins_at_a_line_when_something_was_dropped():
    tail = Tail(10)
    tail.feed(b"first line\nsecond\nend\n")
    assert tail.text() == "end\n"
