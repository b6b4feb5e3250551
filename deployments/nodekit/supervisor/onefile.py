"""Joins the supervisor's modules into the one file that ships to nodes and images."""

from __future__ import annotations

import ast
import threading
from functools import cache
from pathlib import Path
from typing import Final

PARTS: Final = (
    *("spec", "probe", "errand", "child", "asking", "telling", "course", "due", "signs", "keeper", "passing", "loop"),
    *("places", "keyfile", "secrets", "options", "command"),
)
"""In the order in which they build on each other; ``command`` ends with the call of ``main``."""
_PACKAGE: Final = "deployments.nodekit.supervisor"
_ONE_AT_A_TIME: Final = threading.Lock()
"""CPython 3.11 cannot parse in two threads at once: "AST constructor recursion depth mismatch"."""


def source() -> bytes:
    """The whole supervisor as one Python program, the same bytes for the same version."""
    with _ONE_AT_A_TIME:
        return _joined()


@cache
def _joined() -> bytes:
    here = Path(__file__).parent
    parts = {name: (here / f"{name}.py").read_text(encoding="utf-8") for name in PARTS}
    return join((here / "__init__.py").read_text(encoding="utf-8"), parts).encode()


def join(front: str, parts: dict[str, str]) -> str:
    """One module out of ``parts``: the docstring of ``front``, every import once, then the bodies in order.

    Imports of each other fall away, so two parts must not define the same name: ``ValueError``.
    """
    imports: set[str] = set()
    bodies: list[str] = []
    defined: dict[str, str] = {}
    for name, text in parts.items():
        body = text.splitlines()
        for node in ast.parse(text).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports.update(_kept(node))
                body[node.lineno - 1 : node.end_lineno] = [""] * _height(node)
            for word in _names(node):
                if defined.setdefault(word, name) != name:
                    msg = f"{word} is defined in {defined[word]} and in {name}"
                    raise ValueError(msg)
        # The part's own docstring becomes its heading.
        document = ast.parse(text).body[0]
        if isinstance(document, ast.Expr):
            body[document.lineno - 1 : document.end_lineno] = [""] * _height(document)
        heading = f"# --- {(ast.get_docstring(ast.parse(text)) or name).splitlines()[0]}"
        bodies.append(heading + "\n\n" + "\n".join(body).strip() + "\n")
    head = f'#!/usr/bin/env python3\n"""{ast.get_docstring(ast.parse(front))}\n"""\n\n'
    return (
        head
        + "from __future__ import annotations\n\n"
        + "\n".join(sorted(imports, key=lambda line: (line.startswith("from"), line)))
        + "\n\n"
        + "\n\n".join(bodies)
    )


def _kept(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        if node.module == "__future__" or (node.module or "").startswith(_PACKAGE):
            return []
        return [f"from {node.module} import {alias.name}" for alias in node.names]
    return [f"import {alias.name}" for alias in node.names]


def _height(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = (
        node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    )
    return [word.id for target in targets for word in ast.walk(target) if isinstance(word, ast.Name)]
