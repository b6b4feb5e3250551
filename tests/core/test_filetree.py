"""Trees of project files are values: canonical, comparable, and read back strictly."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.filetree import FileEntry, FileTree, diff, parents, tree_from_json, tree_of
from deployments.core.filetree_errors import BadManifest, BadPath, Clash, FilesError
from deployments.core.filetree_names import is_path


def entry(path: str, content: str = "", mode: int = 0o644) -> FileEntry:
    return FileEntry(path, mode, len(content), hashlib.sha256(content.encode()).hexdigest())


names = st.text(st.sampled_from("abé.-_ 1"), min_size=1, max_size=3).filter(is_path)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
entries = st.builds(entry, paths, st.sampled_from(["", "one", "two"]), st.sampled_from([0o644, 0o755]))


@st.composite
def trees(draw: st.DrawFn) -> FileTree:
    found: dict[str, FileEntry] = {}
    for each in draw(st.lists(entries, max_size=8)):
        taken = {*found, *(parent for path in found for parent in parents(path))}
        if each.path not in taken and not set(parents(each.path)) & found.keys():
            found[each.path] = each
    return tree_of(found.values())


def test_the_canonical_form_is_fixed() -> None:
    tree = tree_of([entry("é.txt", "x", 0o755), entry("a/b"), entry("Z")])
    assert [each.path for each in tree.entries] == ["Z", "a/b", "é.txt"]
    empty = hashlib.sha256(b"").hexdigest()
    assert tree.encode().startswith(b'[{"mode":420,"path":"Z","sha256":"' + empty.encode() + b'","size":0},')
    assert '"é.txt"' in tree.encode().decode()
    assert tree.digest == "sha256:" + hashlib.sha256(tree.encode()).hexdigest()
    assert tree.size == 1


@given(tree=trees())
def test_a_tree_survives_json(tree: FileTree) -> None:
    again = tree_from_json(json.loads(tree.encode()))
    assert (again, again.digest) == (tree, tree.digest)
    assert tree_of(reversed(tree.entries)) == tree


@given(old=trees(), new=trees())
def test_changes_lead_from_the_old_tree_to_the_new(old: FileTree, new: FileTree) -> None:
    changes = diff(old, new)
    result = {each.path: each for each in old.entries}
    for each in changes.removed:
        assert result.pop(each.path) == each
    for each in (*changes.added, *changes.changed, *changes.mode_changed):
        assert (each.path in result) == (each not in changes.added)
        result[each.path] = each
    assert tree_of(result.values()) == new
    assert bool(changes) == (old != new)


def test_changes_are_told_apart() -> None:
    old = tree_of([entry("same"), entry("text", "1"), entry("mode", "m"), entry("both", "1"), entry("gone", "g")])
    new = tree_of(
        [entry("same"), entry("text", "22"), entry("mode", "m", 0o755), entry("both", "2", 0o755), entry("new", "n")]
    )
    changes = diff(old, new)
    assert [each.path for each in changes.added] == ["new"]
    assert [each.path for each in changes.changed] == ["both", "text"]
    assert [each.path for each in changes.removed] == ["gone"]
    assert [each.path for each in changes.mode_changed] == ["mode"]
    assert not diff(old, old)


def test_an_entry_is_found_by_its_path() -> None:
    tree = tree_of([entry("a"), entry("b")])
    assert tree.get("b") == entry("b")
    assert tree.get("c") is None


def test_a_path_that_occurs_twice_is_refused() -> None:
    with pytest.raises(Clash, match="'a' occurs twice"):
        tree_of([entry("a"), entry("a", "x")])


def test_a_file_that_is_a_directory_too_is_refused() -> None:
    with pytest.raises(Clash, match="'a/b' is a file and also a directory"):
        tree_of([entry("a/b/c/d"), entry("a/b")])


GOOD = entry("a", "x").as_json()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"path": "../a"}, BadPath),
        ({"path": "/a"}, BadPath),
        ({"path": 1}, BadPath),
        ({"path": None}, BadPath),
        ({"mode": 0o777}, BadManifest),
        ({"mode": 0o4755}, BadManifest),
        ({"mode": "420"}, BadManifest),
        ({"mode": True}, BadManifest),
        ({"size": -1}, BadManifest),
        ({"size": 2**63}, BadManifest),
        ({"size": 1.5}, BadManifest),
        ({"sha256": "0" * 63}, BadManifest),
        ({"sha256": "A" * 64}, BadManifest),
        ({"sha256": "0" * 64 + "\n"}, BadManifest),
        ({"sha256": None}, BadManifest),
        ({"more": 1}, BadManifest),
    ],
)
def test_a_bad_entry_is_refused(change: dict[str, Any], error: type[FilesError]) -> None:
    with pytest.raises(error):
        tree_from_json([GOOD | change])


@pytest.mark.parametrize("value", [None, {}, "[]", [1], [[]], [{}], [{"path": "a"}]])
def test_what_is_no_manifest_is_refused(value: object) -> None:
    with pytest.raises(BadManifest, match="Nothing was changed"):
        tree_from_json(value)


def test_the_empty_tree_is_a_tree() -> None:
    assert tree_from_json([]) == FileTree()
    assert FileTree().encode() == b"[]"
