"""What becomes of an image that a build machine pushed: whether the project's policy takes it up, and where it goes.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

OFF: Final = "off"
ASK: Final = "ask"
DEPLOY: Final = "deploy"

PATTERN: Final = re.compile(r"[A-Za-z0-9._/*?\[\]!:-]{1,200}")
"""A pattern of image names with their tags, as file names have it: ``shop:v*``."""


def matches(pattern: str, name: str) -> bool:
    """Whether an image's name with its tag (``shop:1.0``) is one of the pattern's."""
    return bool(name) and fnmatchcase(name, pattern)


def goes_to(name: str, node_tags: Iterable[str], *, services: Iterable[str], tags: Iterable[str]) -> bool:
    """Whether a service of that name, on a node with those tags, is chosen. Nothing named chooses everything."""
    named, tagged = set(services), set(tags)
    return (not named or name in named) and (not tagged or bool(tagged & set(node_tags)))
