"""What travels of a tree of files, what the node has under another name, and what may travel as a difference."""

from __future__ import annotations

import hashlib

from hypothesis import given

from deployments.core.filetransfer import ALIKE_FROM, ALIKE_TO, Copied, transfer
from deployments.core.filetree import FileEntry, FileTree, tree_of

from .test_filetree import trees


def entry(path: str, content: str = "", size: int | None = None) -> FileEntry:
    size = len(content) if size is None else size
    return FileEntry(path, 0o644, size, hashlib.sha256(content.encode()).hexdigest())


def large(path: str, content: str) -> FileEntry:
    return entry(path, content, ALIKE_FROM)


def paths(entries: tuple[FileEntry, ...]) -> list[str]:
    return [each.path for each in entries]


def test_without_a_base_everything_travels_whole() -> None:
    new = tree_of([entry("a", "1"), large("b", "2")])
    travel = transfer(FileTree(), new)
    assert (paths(travel.whole), travel.alike, travel.copied) == (["a", "b"], (), ())
    assert travel.size == 1 + ALIKE_FROM


def test_what_is_there_under_another_name_does_not_travel() -> None:
    base = tree_of([entry("old/a", "A"), entry("b", "B"), entry("same", "S")])
    new = tree_of([entry("new/a", "A"), entry("b", "B"), entry("copy/b", "B"), entry("same", "S")])
    travel = transfer(base, new)
    assert travel.whole == ()
    assert travel.copied == (Copied("copy/b", "b", 1, moved=False), Copied("new/a", "old/a", 1, moved=True))
    assert travel.size == 0


def test_two_files_that_change_places_do_not_travel() -> None:
    base, new = tree_of([entry("a", "1"), entry("b", "2")]), tree_of([entry("a", "2"), entry("b", "1")])
    travel = transfer(base, new)
    assert travel.copied == (Copied("a", "b", 1, moved=False), Copied("b", "a", 1, moved=False))
    assert travel.whole == ()


def test_a_file_moves_once_and_rather_with_its_last_name() -> None:
    base = tree_of([entry("old/one", "x"), entry("old/two", "x")])
    new = tree_of([entry("new/two", "x"), entry("new/zero", "x"), entry("new/three", "x")])
    travel = transfer(base, new)
    assert {(each.path, each.source, each.moved) for each in travel.copied} == {
        ("new/three", "old/one", True),
        ("new/two", "old/two", True),
        ("new/zero", "old/one", False),
    }


def test_empty_files_are_sent() -> None:
    travel = transfer(tree_of([entry("a")]), tree_of([entry("b")]))
    assert (paths(travel.whole), travel.copied) == (["b"], ())


def test_a_large_file_that_changed_may_be_a_difference() -> None:
    base = tree_of([large("db", "1"), entry("small", "1"), entry("huge", "1", ALIKE_TO + 1)])
    new = tree_of([large("db", "2"), entry("small", "2"), entry("huge", "2", ALIKE_TO + 1)])
    travel = transfer(base, new)
    assert [(each.entry.path, each.old.path) for each in travel.alike] == [("db", "db")]
    assert paths(travel.whole) == ["huge", "small"]


def test_a_large_file_that_grew_over_the_threshold_or_under_it_travels_whole() -> None:
    base = tree_of([entry("grows", "1"), large("shrinks", "1")])
    new = tree_of([large("grows", "2"), entry("shrinks", "2")])
    assert paths(transfer(base, new).whole) == ["grows", "shrinks"]


def test_a_large_new_file_is_compared_with_one_that_leaves_a_like_name() -> None:
    base = tree_of([large("lib/app-1.0.jar", "1"), large("lib/other.dat", "2"), large("stays.jar", "3")])
    new = tree_of([large("lib/app-1.1.jar", "4"), large("stays.jar", "3"), large("unlike.png", "5")])
    travel = transfer(base, new)
    assert [(each.entry.path, each.old.path) for each in travel.alike] == [("lib/app-1.1.jar", "lib/app-1.0.jar")]
    assert paths(travel.whole) == ["unlike.png"]


def test_thousands_of_large_files_with_new_names_are_not_compared_each_with_each() -> None:
    base = tree_of(large(f"old/{n}", f"o{n}") for n in range(3000))
    new = tree_of(large(f"new/{n}", f"n{n}") for n in range(3000))
    travel = transfer(base, new)
    assert len(travel.whole) + len(travel.alike) == 3000


@given(base=trees(), new=trees())
def test_what_travels_and_what_is_there_make_the_new_tree(base: FileTree, new: FileTree) -> None:
    travel = transfer(base, new)
    there = {each.path: each for each in base.entries}
    brought = {each.path: each.sha256 for each in travel.whole}
    brought |= {each.entry.path: each.entry.sha256 for each in travel.alike}
    brought |= {each.path: there[each.source].sha256 for each in travel.copied}
    for each in new.entries:
        assert brought.pop(each.path, None) or there[each.path].sha256 == each.sha256
    assert not brought
    held = {each.sha256 for each in base.entries if each.size}
    assert not {each.sha256 for each in travel.whole} & held
