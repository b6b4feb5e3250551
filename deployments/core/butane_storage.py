"""The entries of a Butane file's ``storage``: directories and files with their owners and modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .butane_write import Block, Octal

if TYPE_CHECKING:
    from .butane_write import Value


def directory(path: str, mode: int, user: str = "root", comment: str = "") -> Block:
    """A directory, which Ignition makes if it is missing."""
    return Block((("path", path), *owner(user), ("mode", Octal(mode))), comment)


def file(path: str, mode: int, contents: str, *, overwrite: bool = False, comment: str = "") -> Block:
    """A file of root's with its text; ``overwrite`` where the system's image has one already."""
    replace: tuple[tuple[str, Value], ...] = (("overwrite", True),) if overwrite else ()
    inline = ("contents", Block((("inline", contents),)))
    return Block((("path", path), *owner("root"), *replace, ("mode", Octal(mode)), inline), comment)


def owner(name: str) -> tuple[tuple[str, Value], ...]:
    """The user and the group of that name."""
    return ("user", Block((("name", name),))), ("group", Block((("name", name),)))
