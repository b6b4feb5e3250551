"""Names that one program reads otherwise than another are not taken."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.core.filetree_errors import BadMode, BadPath
from deployments.core.filetree_names import check_path, is_path, reduce_mode


@pytest.mark.parametrize(
    "path",
    ["a", "a/b", ".env", "...", "a b", "-rf", "é", "日本/語", "x" * 255, "/".join(["x" * 200] * 5), "a'\"$`;b"],
)
def test_ordinary_names_are_taken(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("", "no name"),
        ("/a", "absolute"),
        ("..", "'..'"),
        ("a/../b", "'..'"),
        ("./a", "'.'"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        ("x" * 256, "too long"),
        ("é" * 128, "too long"),
        ("/".join(["x" * 204] * 5 + ["y"]), "too long"),
        ("a\\b", "backslash"),
        ("a\nb", "control character"),
        ("a\0b", "control character"),
        ("a\x7fb", "control character"),
        ("a\x85b", "control character"),
        ("a\u2028b", "control character"),
        ("txt.\u202eexe", "control character"),
        ("a\udce9", "not UTF-8"),
    ],
)
def test_other_names_are_refused_with_the_reason(path: str, match: str) -> None:
    with pytest.raises(BadPath, match=match):
        check_path(path)
    assert not is_path(path)


@given(path=st.text(st.characters(codec=None), max_size=40))
@example("a/b")
@example("\ud800")
def test_a_name_that_is_taken_is_what_it_says(path: str) -> None:
    try:
        check_path(path)
    except BadPath as error:
        assert "Nothing was kept" in str(error)
        str(error).encode()  # the message can be shown whatever the name was
        return
    assert PurePosixPath(path).as_posix() == path
    assert not PurePosixPath(path).is_absolute()
    assert ".." not in path.split("/")
    assert path.encode().decode() == path
    assert not any(unicodedata.category(each) in ("Cc", "Cs") for each in path)


@given(parts=st.lists(st.text(st.sampled_from("ab.é~-"), min_size=1, max_size=5), min_size=1, max_size=5))
def test_joined_parts_are_taken_unless_one_is_dots(parts: list[str]) -> None:
    assert is_path("/".join(parts)) == (not {".", ".."} & set(parts))


@pytest.mark.parametrize(
    ("mode", "reduced"),
    [(0o644, 0o644), (0o600, 0o644), (0, 0o644), (0o755, 0o755), (0o100, 0o755), (0o777, 0o755), (0o001, 0o755)],
)
def test_modes_are_reduced_to_two(mode: int, reduced: int) -> None:
    assert reduce_mode(mode, "a") == reduced


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1644])
def test_special_bits_are_refused(mode: int) -> None:
    with pytest.raises(BadMode, match="'a' has the setuid"):
        reduce_mode(mode, "a")
