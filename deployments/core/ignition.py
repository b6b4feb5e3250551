"""Writes Ignition 3.3.0: data URLs, and JSON byte for byte as Butane does where no compression is involved.

We never gzip: Butane's own output then differs from one Go release to the next, while this form is stable, can be
diffed and can be read. Sources: coreos/butane ``base/util/url.go``, coreos/ignition ``config/v3_3/types/schema.go``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from .butane_schema import RESOURCE, ROOT
from .butane_tree import Leaf, Map, Sequence

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "3.3.0"
_UNRESERVED = "!~*'()"  # besides letters, digits and "-_.~", which urllib never quotes
_DATA = re.compile(
    r"data:(?P<type>[^,;\"]*(;[^,;\"=]+=([^,;\"]*|\"[^\"]*\"))*)(?P<base64>;base64)?,(?P<data>.*)", re.DOTALL
)
_GO_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_GO_SHORT = {"\\b": "\\u0008", "\\f": "\\u000c"}
_PYTHON_ESCAPE = re.compile(r"\\.")
_GO_ESCAPED = re.compile("[" + "".join(_GO_ESCAPES) + "]")

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json]"


def data_url(contents: bytes) -> str:
    """``contents`` as a data URL (RFC 2397): percent-escaped, or base64 if that is strictly shorter."""
    escaped = "," + quote(contents, safe=_UNRESERVED)
    encoded = ";base64," + base64.b64encode(contents).decode()
    return "data:" + (encoded if len(encoded) < len(escaped) else escaped)


def data_url_bytes(url: str) -> bytes | None:
    """What a data URL holds, or None if it is none."""
    match = _DATA.fullmatch(url)
    if match is None or not url.isascii():
        return None
    data = unquote_to_bytes(match["data"])
    if not match["base64"]:
        return data
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return None


def dumps(value: Mapping[str, Json]) -> str:
    """Compact JSON as Go writes it: UTF-8 kept; ``<``, ``>``, ``&`` and two line separators escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = _PYTHON_ESCAPE.sub(lambda match: _GO_SHORT.get(match[0], match[0]), text)
    return _GO_ESCAPED.sub(lambda match: _GO_ESCAPES[match[0]], text)


def render(root: Map) -> str:
    """The Ignition text (one line, no newline at its end) of a checked tree."""
    body = _map(root)
    given = body.pop("ignition", {})
    ignition: dict[str, Json] = {**(given if isinstance(given, dict) else {}), "version": VERSION}
    order = [field.json for field in ROOT.fields]
    rest = {key: body[key] for key in order if key in body}
    return dumps({"ignition": ignition, **rest})


def _map(tree: Map) -> dict[str, Json]:
    entries = _resource(tree) if tree.table is RESOURCE else {}
    for field in tree.table.fields:
        entry = tree.entries.get(field.key)
        if entry is None or not field.json:
            continue
        value = _value(entry)
        # An empty list or an empty mapping is left out; a single value stays, also if it is "", 0 or false.
        if value not in ([], {}):
            entries[field.json] = value
    order = [field.json for field in tree.table.fields]
    return {key: entries[key] for key in order if key in entries}


def _resource(tree: Map) -> dict[str, Json]:
    inline = tree.text("inline")
    if inline is None:
        return {}
    url: dict[str, Json] = {"source": data_url(inline.encode())}
    # Written even though empty, so that a config merged over this one cannot inherit its compression.
    return url if tree.text("compression") else {"compression": "", **url}


def _value(entry: Leaf | Sequence | Map) -> Json:
    if isinstance(entry, Leaf):
        return entry.value
    if isinstance(entry, Map):
        return _map(entry)
    return [_map(item) if isinstance(item, Map) else item.value for item in entry.items]
