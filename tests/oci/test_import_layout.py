"""An OCI layout directory is taken in as an archive of it would be, and nothing outside of it is read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.oci import errors
from deployments.oci.archive import import_layout
from deployments.oci.errors import ImageError
from deployments.oci.limits import ImageLimits
from deployments.oci.store import Store
from deployments.oci.zstd import zstd

from .images import Picture, everything_below, gzipped, layer, multi_arch_members, oci_members, sha

LIMITS = ImageLimits(archive_bytes=4_000_000, expanded_bytes=2_000_000, layer_bytes=1_000_000, members=100)


def lay_out(directory: Path, members: dict[str, Any]) -> Path:
    for name, content in members.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
    return directory


@pytest.mark.parametrize("pack", [bytes, gzipped, zstd.compress], ids=["plain", "gzip", "zstd"])
def test_it_gives_the_image(pack: Callable[[bytes], bytes], store: Store, tmp_path: Path) -> None:
    picture = Picture()
    directory = lay_out(tmp_path / "layout", oci_members(picture, pack=pack))
    before = everything_below(directory)
    seen: list[tuple[int, int | None]] = []
    (image,) = import_layout(directory, store, LIMITS, lambda done, total: seen.append((done, total)))
    assert (image.image_id, image.reference, image.index_digest) == (picture.image_id, "v1", "")
    for each in picture.layers:
        store.blobs.verify(f"sha256:{sha(each)}")
    assert everything_below(directory) == before
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    assert seen[-1] == (size, size)


def test_it_gives_every_architecture(store: Store, tmp_path: Path) -> None:
    pictures = [Picture(), Picture(architecture="arm64")]
    images = import_layout(lay_out(tmp_path / "layout", multi_arch_members(*pictures)), store)
    assert [each.architecture for each in images] == ["amd64", "arm64"]
    assert len({each.index_digest for each in images}) == 1
    assert images[0].index_digest


def test_of_several_images_the_named_one_is_taken(store: Store, tmp_path: Path) -> None:
    one, two = Picture(), Picture(layers=[layer(b="b")])
    directory = lay_out(tmp_path / "layout", oci_members(one, two, names=("a", "b")))
    with pytest.raises(errors.SeveralImages, match="a, b"):
        import_layout(directory, store)
    assert [each.image_id for each in import_layout(directory, store, reference="b")] == [two.image_id]


def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(Picture().layers[0])
    return path


def replace_layer(directory: Path, change: Callable[[Path], object]) -> None:
    """Put something else under the name of the first layer."""
    path = directory / "blobs" / "sha256" / sha(Picture().layers[0])
    path.unlink()
    change(path)


def directory_as_link(directory: Path, tmp_path: Path) -> None:
    (directory / "blobs" / "sha256").rename(tmp_path / "elsewhere")
    (directory / "blobs" / "sha256").symlink_to(tmp_path / "elsewhere")


def shrunk(directory: Path) -> None:
    path = directory / "blobs" / "sha256" / sha(Picture().layers[1])
    path.write_bytes(path.read_bytes()[:700])


def deep(directory: Path) -> None:
    (directory / "/".join("d" * 12)).joinpath("x").parent.mkdir(parents=True)


HOSTILE: dict[str, tuple[Callable[[Path, Path], object], type[ImageError], str]] = {
    "a link out of it": (
        lambda d, t: replace_layer(d, lambda path: path.symlink_to(secret(t))),
        errors.BadMember,
        "leads out of the archive",
    ),
    "a relative link out of it": (
        lambda d, t: replace_layer(d, lambda path: path.symlink_to("../../../" + secret(t).name)),
        errors.BadMember,
        "leads out of the archive",
    ),
    "its blobs elsewhere": (directory_as_link, errors.BadMember, "leads out"),
    "a pipe": (lambda d, t: replace_layer(d, os.mkfifo), errors.BadMember, "named pipe"),
    "a circle": (
        lambda d, t: ((d / "index.json").unlink(), (d / "index.json").symlink_to("index.json")),
        errors.BadMember,
        "circle",
    ),
    "a truncated layer": (lambda d, t: shrunk(d), errors.WrongDigest, "holds something else"),
    "another blob under its name": (
        lambda d, t: replace_layer(d, lambda path: path.write_bytes(b"else")),
        errors.WrongDigest,
        "holds something else",
    ),
    "a missing layer": (
        lambda d, t: replace_layer(d, lambda path: None),
        errors.NotAnImage,
        "does not hold layer 1",
    ),
    "a name that is not UTF-8": (
        lambda d, t: Path(os.fsdecode(os.fsencode(d) + b"/\xff")).write_bytes(b""),
        errors.BadMember,
        "not UTF-8",
    ),
    "many files": (
        lambda d, t: [(d / f"x{number}").write_bytes(b"") for number in range(101)],
        errors.TooLarge,
        "more than 100 files",
    ),
    "deep directories": (lambda d, t: deep(d), errors.BadMember, "nested too deeply"),
    "too many bytes": (
        lambda d, t: [(d / f"x{number}").write_bytes(bytes(900_000)) for number in range(5)],
        errors.TooLarge,
        "larger than",
    ),
    "a bomb": (
        lambda d, t: [(d / f"x{number}").write_bytes(zstd.compress(bytes(900_000))) for number in range(3)],
        errors.Expands,
        "unpacks to more than",
    ),
    "an index over 4 MB": (
        lambda d, t: (d / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}' + b" " * 4_194_304),
        errors.TooLarge,
        "has more than",
    ),
    "no layout": (lambda d, t: (d / "oci-layout").unlink(), errors.NotAnImage, "neither"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_layout_is_refused_and_leaves_nothing(case: str, store: Store, tmp_path: Path) -> None:
    change, error, match = HOSTILE[case]
    directory = lay_out(tmp_path / "layout", oci_members(Picture(), packed=False))
    change(directory, tmp_path)
    before = everything_below(store.directory)
    with pytest.raises(error, match=match) as caught:
        import_layout(directory, store, LIMITS)
    assert "Nothing was kept" in str(caught.value)
    assert everything_below(store.directory) == before


def test_a_directory_that_is_not_there_or_is_a_link_is_no_layout(store: Store, tmp_path: Path) -> None:
    with pytest.raises(errors.NotAnImage, match="no image layout"):
        import_layout(tmp_path / "nothing", store)
    real = lay_out(tmp_path / "layout", oci_members(Picture()))
    (tmp_path / "link").symlink_to(real)
    with pytest.raises(errors.NotAnImage, match="no image layout"):
        import_layout(tmp_path / "link", store)


def test_a_file_that_shrinks_or_goes_while_it_is_read_is_noticed(store: Store, tmp_path: Path) -> None:
    for act in ("shrink", "vanish"):
        directory = lay_out(tmp_path / act, oci_members(Picture(), packed=False))
        last = directory / "oci-layout"

        def change(_done: int, _total: int | None, last: Path = last, act: str = act) -> None:
            if act == "shrink":
                last.write_bytes(b"{")
            else:
                last.unlink(missing_ok=True)

        with pytest.raises(errors.Truncated, match=r"became shorter|cannot be read any more"):
            import_layout(directory, store, LIMITS, change)


def test_blobs_that_no_image_needs_do_not_stay(store: Store, tmp_path: Path) -> None:
    members = oci_members(Picture())
    extra = json.dumps({"signature": "x"}).encode()
    (image,) = import_layout(lay_out(tmp_path / "l", members | {f"blobs/sha256/{sha(extra)}": extra}), store)
    assert set(store.blobs.digests()) == {
        image.image_id, image.manifest_digest, *(each.diff_id for each in image.layers)
    }  # fmt: skip
