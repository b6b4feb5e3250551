"""The image's versions as OCI archives, made once; and what a binary delta of a change comes to."""

from __future__ import annotations

import json
import os
import tarfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.push import recipe
from benchmarks.push.layers import KINDS, SOURCES, Layer, layer
from deployments.oci.descriptors import Descriptor
from deployments.oci.digests import digest_of
from deployments.oci.documents import canonical_json
from deployments.oci.manifests import Index, Manifest, manifest_of
from tests.lab.base import cached
from tests.lab.run import check

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME: Final = "localhost/ffs-bench"


@dataclass(frozen=True, slots=True)
class Built:
    """One version: an OCI archive, its image's id, and its layers, lowest first."""

    version: recipe.Version
    archive: Path
    image_id: str
    layers: tuple[Layer, ...]

    @property
    def reference(self) -> str:
        """The name that the archive gives its image."""
        return f"{NAME}:{self.version.name}"


def build() -> tuple[Built, ...]:
    """All versions, in order. The first call on a machine takes two minutes and needs a mirror and PyPI."""
    return tuple(_version(version) for version in recipe.VERSIONS)


def _version(version: recipe.Version) -> Built:
    layers = tuple(layer(kind, getattr(version, kind)) for kind in KINDS)
    config = _config(layers)
    make = partial(_archive, version, layers, config)
    place = cached(f"bench-{version.name}", (*SOURCES, Path(__file__)), make, extra=digest_of(config))
    return Built(version, place / "image.tar", digest_of(config), layers)


def _config(layers: Iterable[Layer]) -> bytes:
    run = {
        "Entrypoint": ["/usr/bin/python3", "/srv/app/module_00/part_01.py"],
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
    }
    return canonical_json(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2024-01-01T00:00:00Z",
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": [each.diff_id for each in layers]},
        }
    )


def _archive(version: recipe.Version, layers: tuple[Layer, ...], config: bytes, place: Path) -> None:
    manifest = manifest_of(config, [(each.diff_id, each.size) for each in layers], docker=False)
    layout = place / "layout"
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)
    for each in layers:
        os.link(each.path, blobs / _name(each.diff_id))
    (blobs / _name(digest_of(config))).write_bytes(config)
    (blobs / _name(manifest.digest)).write_bytes(manifest.encode())
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_bytes(_index(version, manifest))
    with tarfile.open(place / "image.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(layout.rglob("*")):
            archive.add(path, str(path.relative_to(layout)), recursive=False)
    check(("rm", "--recursive", "--force", str(layout)))


def _index(version: recipe.Version, manifest: Manifest) -> bytes:
    body = manifest.encode()
    value = json.loads(Index((Descriptor(manifest.media_type, digest_of(body), len(body)),)).encode())
    value["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": f"{NAME}:{version.name}"}
    return canonical_json(value)


def delta_bytes(old: Built, new: Built) -> int:
    """What ``zstd --patch-from`` makes of the changed layers, each from the one that it replaces. Some seconds."""
    return sum(
        _delta(before, after)
        for before, after in zip(old.layers, new.layers, strict=True)
        if before.diff_id != after.diff_id
    )


def _delta(before: Layer, after: Layer) -> int:
    def make(place: Path) -> None:
        patch = f"--patch-from={before.path}"
        check(("zstd", "-q", "-3", "--long=31", patch, str(after.path), "-o", str(place / "patch")), timeout=600)

    made = cached("bench-delta", (Path(__file__),), make, extra=before.diff_id + after.diff_id)
    return (made / "patch").stat().st_size


def _name(digest: str) -> str:
    return digest.partition(":")[2]
