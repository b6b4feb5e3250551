"""The documentation: its links lead somewhere, and it names what exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def documents() -> list[Path]:
    """The project's own Markdown; not what tools and packages leave in the tree."""
    kept = (ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md"), (ROOT / "tests").rglob("*.md"))
    return sorted(path for group in kept for path in group)


def anchors(path: Path) -> set[str]:
    """The anchors that a Markdown page has, made of its headings as forges make them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in kept}


def broken(path: Path, root: Path = ROOT) -> list[str]:
    """The links of a page that lead nowhere, or out of ``root``."""
    found = []
    for link in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or root not in target.parents:
            found.append(f"{link}: there is no {name}")
        elif anchor and anchor not in anchors(target):
            found.append(f"{link}: {target.name} has no such heading")
    return found


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    assert broken(path) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (tmp_path / "outside.md").touch()
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "page.md"
    page.write_text(
        "# One two\n[a](gone.md) [b](#one-two) [c](#three) [d](https://example.org/x) [e](page.md#one-two)\n"
        "[f](../outside.md)\n```\n[g](in-a-listing.md)\n```\n"
    )
    assert [line.split(": ")[0] for line in broken(page, tmp_path / "docs")] == ["gone.md", "#three", "../outside.md"]


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="there is no shellcheck here")
@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.sh")), ids=lambda path: path.name)
def test_shellcheck_finds_nothing_in_a_script_of_the_documentation(path: Path) -> None:
    done = subprocess.run(("shellcheck", str(path)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_page_of_the_documentation_is_linked_from_its_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        assert path.name == "index.md" or f"({path.name})" in index, path.name


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[\[~<>=! ;]", line)[0].lower() for line in wanted}
    rows = [
        [cell.strip() for cell in row.strip().strip("|").split("|")]
        for row in (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").splitlines()
        if row.startswith("| ") and not row.startswith(("| ---", "| Package"))
    ]
    assert all(len(row) == 3 and all(row) for row in rows), "a row of dependencies.md has an empty cell"
    argued = {re.split(r"[\[ ]", name.strip())[0].lower() for row in rows for name in row[0].split(",")}
    assert names - argued == set(), "without a line in docs/dependencies.md"
    assert argued - names == set(), "in docs/dependencies.md, but not a dependency"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8"))) | {"fcos-check"}
    for path in documents():
        for name in re.findall(r"(?:`|^ {4})make ([a-z][a-z-]*)", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert name in targets, f"{path.name} names make {name}"


def test_every_ffs_command_that_is_named_exists() -> None:
    from ffsweb.cli import COMMANDS

    for path in documents():
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"(?:`|^ {4}(?:\.venv/bin/)?)ffs ((?:--)?[a-z][a-z-]*)", text, re.MULTILINE):
            assert name in COMMANDS, f"{path.name} names ffs {name}"


def test_every_file_that_is_named_with_its_directory_exists() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout")
    tops = {name.split("/")[0] for name in listed.stdout.splitlines() if "/" in name} - {"docs"}
    for path in documents():
        for name in re.findall(r"`([a-z.]+/[A-Za-z0-9_./-]+)`", path.read_text(encoding="utf-8")):
            if name.split("/")[0] in tops:
                assert (ROOT / name).exists(), f"{path.name} names {name}"
