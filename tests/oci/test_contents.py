"""Which files an image has, without unpacking it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence

from deployments.core.supervision import Interpreter, interpreter_among, tells_of_python
from deployments.oci.contents import files_of
from deployments.oci.drafts import Draft
from deployments.oci.store import Store


def layer(store: Store, members: Sequence[tuple[str, bytes]], cut: int | None = None) -> str:
    """A layer in the store with these files; its diffID."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    drafts: list[Draft] = []
    with store.blobs.workspace() as workspace:
        with workspace.write() as writer:
            writer.write(raw.getvalue()[:cut])
        drafts.append(writer.draft)
        workspace.keep(drafts)
    return drafts[0].digest


def names(store: Store, *layers: str) -> set[str]:
    return set(files_of(store, layers, lambda _name: True))


def test_names_of_all_layers_are_told_whatever_lies_between_them(store: Store) -> None:
    one = layer(store, [("usr/bin/a", b"x" * 3_000_000), ("./usr/bin/b", b""), ("c", b"12")])
    two = layer(store, [("d", b"y" * 511)])
    assert names(store, one, two) == {"usr/bin/a", "usr/bin/b", "c", "d"}


def test_what_an_upper_layer_deletes_is_not_there(store: Store) -> None:
    one = layer(store, [("a/one", b"1"), ("a/two", b"2"), ("ab", b"3"), ("b/x", b"4"), ("c/x", b"5")])
    two = layer(store, [("a/.wh..wh..opq", b""), ("a/three", b"6"), (".wh.b", b""), ("c/.wh.x", b"")])
    assert names(store, one, two) == {"a/three", "ab"}


def test_a_layer_that_is_no_tar_or_is_cut_tells_what_it_can(store: Store) -> None:
    members = [("first", b"1" * 600), ("second", b"2" * 600)]
    cut = layer(store, members, cut=512 + 1024 + 512 + 100)
    none = layer(store, members, cut=100)
    assert names(store, cut, none) == {"first", "second"}


def test_a_name_that_leads_out_ends_the_list(store: Store) -> None:
    assert names(store, layer(store, [("a", b""), ("../b", b""), ("c", b"")])) == {"a"}


def test_a_python_is_found_and_one_that_was_removed_is_not(store: Store) -> None:
    base = layer(store, [("usr/bin/python3.11", b"elf"), ("usr/lib/python3.11/os.py", b"import abc")])
    gone = layer(store, [("usr/bin/.wh.python3.11", b"")])
    assert interpreter_among(files_of(store, [base], tells_of_python)) == Interpreter("/usr/bin/python3.11", (3, 11))
    assert interpreter_among(files_of(store, [base, gone], tells_of_python)) is None
