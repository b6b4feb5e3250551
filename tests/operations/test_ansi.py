"""Colours of a terminal as HTML: nothing of the text becomes mark-up, and nothing of it is lost."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ffsweb.operations.ansi import to_html
from ffsweb.operations.linetext import LINE_CHARACTERS, clean, lines, pieces, plain

CLASS = re.compile(r"ansi-(?:bold|dim|italic|underline|inverse|strike|(?:fg|bg)-(?:bright-)?[a-z]+)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("<script>alert('1')</script>&", "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&amp;"),
        ("\x1b[31mred\x1b[0m not", '<span class="ansi-fg-red">red</span> not'),
        ("\x1b[1;4;97;44mx", '<span class="ansi-bold ansi-underline ansi-fg-bright-white ansi-bg-blue">x</span>'),
        ("\x1b[1mb\x1b[22mn", '<span class="ansi-bold">b</span>n'),
        ("\x1b[38;5;9mbright\x1b[39m", '<span class="ansi-fg-bright-red">bright</span>'),
        ("\x1b[38;2;1;2;3mtrue\x1b[48;5;200mcolour", "truecolour"),
        ("\x1b[38;5mcut\x1b[38mshort\x1b[48;2;1m", "cutshort"),
        ("\x1b[mreset\x1b[;;m", "reset"),
        ("\x1b[2J\x1b[1;1Hhome\x1b[K", "home"),
        ("\x1b]0;title\x07text\x1b]8;;http://evil\x1b\\link", "textlink"),
        ("\x1bPdevice\x1b\\after", "after"),
        ("bell\x07 back\x08 nul\x00", "bell back nul"),
        ("10 %\r20 %\r30 %", "30 %"),
        ("safe\u202egnp.exe\u2066", "safegnp.exe"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("\x1b[31\x1b[32mg", '<span class="ansi-fg-green">g</span>'),
        ("\x1b[" + "9" * 63 + "mx", "x"),
        ("\x1b[" + "9" * 99 + "mx", "x"),
        ("end\x1b", "end"),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_it_shows_what_a_terminal_would_and_nothing_else(text, expected):
    assert to_html(text) == expected


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.depth = "", [], 0

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))
        self.depth += 1

    def handle_endtag(self, tag):
        self.depth -= 1

    def handle_data(self, data):
        self.text += data


hostile = st.text(
    st.one_of(
        st.sampled_from("\x1b[]mM;:0123456789<>&\"'=/ \r\n\t\x00\x07\x9b\\PX^_JHK\u202e\ud800"),
        st.characters(),
    ),
    max_size=200,
)


@given(hostile)
@example('\x1b[0m"><img src=x onerror=alert(1)>\x1b[31m')
def test_no_text_becomes_a_tag_an_attribute_or_a_class(text):
    reader = _Reader()
    reader.feed(to_html(text))
    reader.close()
    assert reader.depth == 0
    for tag, attributes in reader.tags:
        assert tag == "span"
        assert [name for name, _ in attributes] == ["class"]
        assert all(CLASS.fullmatch(name) for name in attributes[0][1].split())
    assert reader.text == plain(clean(text))


@given(hostile)
def test_what_is_kept_fits_into_a_database_and_a_line(text):
    for line in lines(text):
        line.encode()
        assert not set(plain(line)) & {chr(code) for code in (*range(9), *range(10, 32), *range(127, 160))}
        assert clean(line) == line or "\x1b" in line


def test_a_long_line_is_cut_into_pieces_and_nothing_is_lost():
    text = "x" * (2 * LINE_CHARACTERS + 1)
    assert [len(piece) for piece in pieces(text)] == [LINE_CHARACTERS, LINE_CHARACTERS, 1]
    assert "".join(pieces(text)) == text
    assert list(lines("a\n\nb\n")) == ["a", "", "b"]
    assert list(lines("")) == [""]
    assert html.unescape(to_html("a & b")) == "a & b"
