"""The icon sheet: Tabler icons (MIT) as SVG symbols in one static file, used by ``{% icon "name" %}``.

``manage.py add_icons DIRECTORY NAME…`` takes more of them from an unpacked ``@tabler/icons`` package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

SHEET = Path(__file__).parent / "static" / "ffsweb" / "icons.svg"
_SYMBOL = re.compile(r'<symbol id="([a-z0-9-]+)"[^>]*>(.*?)</symbol>', re.DOTALL)
_DRAWING = re.compile(r"<(?:path|circle|line|polyline|rect)\b[^>]*/>")
_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg">\n'
    "<!-- Tabler Icons, Copyright (c) 2020-2026 Paweł Kuna, MIT License: see vendor/tabler-icons/LICENSE. -->\n"
)


def symbols(sheet: str) -> dict[str, str]:
    """The drawings of a sheet by name."""
    return {name: drawing.strip() for name, drawing in _SYMBOL.findall(sheet)}


def drawing_of(svg: str) -> str:
    """The shapes of one icon file, without its frame."""
    shapes = [shape for shape in _DRAWING.findall(svg) if 'd="M0 0h24v24H0z"' not in shape]
    if not shapes:
        raise ValueError("There is no shape in this icon.")
    return "".join(" ".join(shape.split()) for shape in shapes)


def sheet_of(drawings: Mapping[str, str]) -> str:
    """A sheet with these drawings, in the order of their names."""
    rows = [f'<symbol id="{name}" viewBox="0 0 24 24">{drawings[name]}</symbol>\n' for name in sorted(drawings)]
    return _HEAD + "".join(rows) + "</svg>\n"


ICONS: frozenset[str] = frozenset(symbols(SHEET.read_text(encoding="utf-8")) if SHEET.exists() else ())
"""The names that a template may use."""
