"""Takes secrets out of text before it is kept. Pure but for its own memory of what to hide.

A value is looked for as it is and in the forms that programs print: base64 (both alphabets, at each of the three
offsets it can have inside a longer text), percent-encoding, JSON and shell quoting, hexadecimal. A secret of several
lines is also hidden line by line. Where a value was cut by the ends of lines, as base64 is wrapped, its parts are
hidden too, if they are long enough to be told from chance. PEM private keys are hidden always, known or not.

Values shorter than :data:`SHORTEST` are not looked for: hiding every ``1`` hides the log. Those shorter than
:data:`SURE` are hidden only where they stand as a whole word.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus

from ffsweb.sealed import MASK, Secret

from .linetext import clean, plain

SHORTEST: Final = 4
SURE: Final = 8
PEM_LINES: Final = 400
"""A private key block that does not end within so many lines is taken to have ended."""

_PEM_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_PEM_WHOLE = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|$)", re.DOTALL
)


class Scrubber:
    """Remembers what to hide. Thread-safe. A line costs about a microsecond for each form of each value."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()
        self._in_key: dict[Hashable, int] = {}

    def protect(self, value: Secret | str | bytes) -> None:
        """Hide ``value`` from now on."""
        found = tuple(forms(value))
        with self._lock:
            # Longest first: of two forms that begin alike, the whole one has to be hidden.
            self._forms = tuple(sorted({*self._forms, *found}, key=len, reverse=True))

    def line(self, text: str, source: Hashable = None) -> str:
        """``text`` without secrets. ``source``: whose line it is, so that a key block is followed over its lines."""
        return self.text(self._without_keys(text, source))

    def text(self, text: str) -> str:
        """``text`` without protected values and without private key blocks."""
        scrubbed = self._scrub(_PEM_WHOLE.sub(MASK, text) if "-----BEGIN" in text else text)
        if "\x1b" in scrubbed:
            # A colour code inside a secret would hide it from the search, not from the reader.
            bare = plain(scrubbed)
            again = self._scrub(bare)
            if again != bare:
                return again
        return scrubbed

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it scrubbed, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value if isinstance(value, int | float | bool | None) else self.text(str(value))

    def _scrub(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK) if len(form) >= SURE else _word(form).sub(MASK, text)
            if len(form) >= 2 * SURE:
                text = _without_parts(text, form)
        return text

    def _without_keys(self, text: str, source: Hashable) -> str:
        with self._lock:
            left = self._in_key.get(source, 0)
            if left:
                end = _PEM_END.search(text)
                if end:
                    self._in_key.pop(source)
                    rest = text[end.end() :]
                    return MASK + rest if not _PEM_BEGIN.search(rest) else MASK
                self._in_key[source] = left - 1
                if left == 1:
                    self._in_key.pop(source)
                return MASK
            begins = list(_PEM_BEGIN.finditer(text)) if "PRIVATE KEY-----" in text else []
            if begins and not _PEM_END.search(text, begins[-1].end()):
                self._in_key[source] = PEM_LINES
        return text


def forms(value: Secret | str | bytes) -> Iterator[str]:
    """Every text under which ``value`` could be printed; nothing for values too short to look for."""
    raw = value.reveal() if isinstance(value, Secret) else value.encode() if isinstance(value, str) else value
    seen: set[str] = set()
    for whole in {raw, raw.strip()}:
        if len(whole) >= SHORTEST:
            seen.update(_of_bytes(whole), _of_text(whole.decode(errors="replace")))
    for line in raw.decode(errors="replace").splitlines():
        seen.update((line.strip(), clean(line).strip()))
    return (form for form in seen if len(form) >= SHORTEST)


def _of_text(text: str) -> Iterable[str]:
    yield text
    yield clean(text)
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield json.dumps(text)[1:-1].replace("/", "\\/")
    yield quote(text, safe="")
    yield quote(text, safe="").lower()
    yield quote(text)
    yield quote_plus(text)
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", "'\\''")
    yield repr(text)[1:-1]
    yield text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _of_bytes(raw: bytes) -> Iterable[str]:
    if len(raw) < SURE:  # so short that its base64 occurs by chance
        return
    yield raw.hex()
    yield raw.hex().upper()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        # The characters that also hold bits of the neighbours are not ours to compare.
        first = (0, 2, 3)[offset]
        last = len(encoded) - (1 if (offset + len(raw)) % 3 else 0)
        yield encoded[first:last]
        yield encoded[first:last].replace("+", "-").replace("/", "_")


def _word(form: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(form)}(?!\w)")


def _without_parts(text: str, form: str) -> str:
    """``text`` without a part of ``form`` that lines' ends cut off: all of it, its end or its beginning.

    Parts shorter than SURE are left: they are as likely to be chance.
    """
    bare = text.strip()
    if SURE <= len(bare) < len(form) and bare in form:
        return MASK
    start = text.find(form[:SURE], max(0, len(text) - len(form)))
    while start >= 0:
        if form.startswith(text[start:].rstrip()):
            return text[:start] + MASK
        start = text.find(form[:SURE], start + 1)
    stop = text.rfind(form[-SURE:], 0, len(form))
    while stop >= 0:
        if form.endswith(text[: stop + SURE].lstrip()):
            return MASK + text[stop + SURE :]
        stop = text.rfind(form[-SURE:], 0, stop + SURE - 1)
    return text
