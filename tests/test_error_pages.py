"""The pages on errors: every error that people may meet has its heading on the page of its family."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

from deployments.core import preflight
from deployments.core.plan_values import FFS_NODE

from .test_docs import HEADING, ROOT

PAGES = ROOT / "docs" / "errors"
MODULES = {
    "nodes": ("ffsweb.remote.errors", "deployments.execution.errors", "deployments.core.node_events"),
    "images": ("deployments.oci.errors", "deployments.oci.forms_errors", "deployments.core.filetree_errors"),
    "certificates": ("certificates.core.errors",),
    "operations": ("ffsweb.operations.errors", "deployments.services.refusals"),
    "access": ("ffsweb.accounts.errors",),
    "backup": ("ffsweb.backup.errors",),
    "installation": ("ffsweb.sealed.errors", "ffsweb.commands.errors", "ffsweb.env"),
}
PARTS = ("\n> ", "\n*To do:* ")


def headings(page: str) -> list[str]:
    return HEADING.findall((PAGES / f"{page}.md").read_text(encoding="utf-8"))


def named(page: str) -> set[str]:
    """The names of the code that stand in brackets in the headings of a page."""
    return {
        name
        for heading in headings(page)
        for found in re.findall(r"\(([^)]*)\)$", heading)
        for name in found.split(", ")
    }


def errors_of(module: str) -> set[str]:
    """The errors of a module that are no mere branch of its tree, unless they are raised themselves."""
    loaded = import_module(module)
    own = [
        each
        for _, each in inspect.getmembers(loaded, inspect.isclass)
        if issubclass(each, Exception) and each.__module__ == module and not each.__name__.startswith("_")
    ]
    branches = {base for each in own for base in each.__mro__[1:] if base in own}
    return {each.__name__ for each in own if each not in branches}


@pytest.mark.parametrize(
    ("page", "module"), [(page, module) for page, modules in MODULES.items() for module in modules]
)
def test_every_error_has_a_heading(page: str, module: str) -> None:
    assert errors_of(module)
    assert errors_of(module) <= named(page)


def test_no_heading_names_what_is_not_there() -> None:
    for page, modules in MODULES.items():
        known = {name for module in modules for name in vars(import_module(module))}
        assert named(page) <= known, page


def test_every_errors_module_is_on_a_page() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for top in ("ffsweb", "deployments", "certificates")
        for path in (ROOT / top).rglob("*errors.py")
    }
    shown = {module for of_page in MODULES.values() for module in of_page}
    assert modules - shown == {"ffsweb.web.errors"}  # the pages for 404 and the like


def test_every_row_of_the_preflight_has_a_heading() -> None:
    names = {FFS_NODE} if "FFS_NODE" in inspect.getsource(preflight) else set()
    for node in ast.walk(ast.parse(inspect.getsource(preflight))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"Check", "_disk"}:
            first = node.args[0]
            if isinstance(first, ast.Constant):
                names.add(str(first.value))
    assert len(names) > 10
    assert names == set(headings("preflight")[1:])


def test_every_status_of_the_api_has_a_heading() -> None:
    used = set()
    for top in ("ffsweb", "deployments", "certificates"):
        for path in (ROOT / top).rglob("*.py"):
            used |= set(re.findall(r"\bProblem\(\s*(\d{3})\b", path.read_text(encoding="utf-8")))
    assert len(used) > 8
    assert {f"Status {status}" for status in used} <= set(headings("access"))


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_every_section_says_what_is_shown_and_what_to_do(path: Path) -> None:
    if path.name == "README.md":
        assert {each.name for each in PAGES.glob("*.md")} - {path.name} == set(
            re.findall(r"\(([a-z]+\.md)\)", path.read_text())
        )
        return
    sections = path.read_text(encoding="utf-8").split("\n## ")[1:]
    assert sections
    for section in sections:
        for part in PARTS:
            assert part in section, section[:60]
        if path.stem != "preflight":  # its beginning says that nothing was touched
            assert "\n*Left as it was:* " in section, section[:60]
