"""Quoting for Quadlet files, by the rules of systemd.syntax(7), systemd.service(5) and podman-systemd.unit(5).

A word of ``Environment=`` or ``Exec=`` in a ``.container`` file is read twice: Quadlet unquotes it and writes it,
quoted anew, into ``ExecStart=``, where systemd expands ``%`` and ``$``. So both are doubled, in ``Environment=`` too.
"""

from __future__ import annotations

import re

_BARE = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_REFUSED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffd\ud800-\udfff]")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "%": "%%", "$": "$$"}


def word_problem(word: str) -> str | None:
    """Why ``word`` cannot be passed through Quadlet unharmed, or None."""
    if not word:
        return "it is empty, and Quadlet drops an empty word and all that follow it"
    if word == ";":
        return "it is a lone semicolon, which systemd reads as the end of the command"
    bad = _REFUSED.search(word)
    return f"it holds the character U+{ord(bad[0]):04X}" if bad else None


def quote_word(word: str) -> str:
    """One word for ``Environment=`` or ``Exec=``; line breaks and tabs as escapes. Ask ``word_problem`` first."""
    escaped = "".join(_ESCAPES.get(character, character) for character in word)
    return escaped if _BARE.fullmatch(word) else f'"{escaped}"'


def plain_text(text: str) -> str:
    """Text for ``Description=`` and the like, where only ``%`` is special."""
    return text.replace("%", "%%")
