"""Image archives made by hand, in the forms that podman, docker and skopeo write, and in forms that nobody should."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.oci.zstd import zstd

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def member(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return info, data


def tar(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    for info, data in members:
        out.write(info.tobuf(tarfile.PAX_FORMAT))
        out.write(data + bytes(-len(data) % 512))
    out.write(bytes(1024))
    return out.getvalue()


def layer(**files: str) -> bytes:
    return tar([member(name.replace("_", "/"), text.encode()) for name, text in files.items()])


@dataclass
class Picture:
    """An image: its layers as tars and its configuration."""

    layers: list[bytes] = field(default_factory=lambda: [layer(etc_base="base"), layer(app_main="one")])
    run: dict[str, Any] = field(
        default_factory=lambda: {
            "Entrypoint": ["/app/main"],
            "Cmd": ["--serve"],
            "Env": ["PATH=/bin"],
            "User": "1000",
        }
    )
    architecture: str = "amd64"
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> bytes:
        diff_ids = [f"sha256:{sha(each)}" for each in self.layers]
        value = {
            "architecture": self.architecture,
            "os": "linux",
            "created": "2024-01-01T00:00:00Z",
            "config": self.run,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
        return json.dumps(value | self.extra).encode()

    @property
    def image_id(self) -> str:
        return f"sha256:{sha(self.config)}"


def podman_members(*pictures: Picture, tags: tuple[str, ...] = ("localhost/app:v1",)) -> dict[str, Any]:
    """Names to bytes (a file) or str (a symbolic link), in the order in which podman save writes them."""
    members: dict[str, Any] = {}
    manifest = []
    for at, picture in enumerate(pictures):
        for number, data in enumerate(picture.layers):
            members[f"{sha(data)}.tar"] = data
            members[f"{at}{number:063x}/layer.tar"] = f"../{sha(data)}.tar"
            members[f"{at}{number:063x}/VERSION"] = b"1.0"
        members[f"{sha(picture.config)}.json"] = picture.config
        manifest.append(
            {
                "Config": f"{sha(picture.config)}.json",
                "RepoTags": [tags[at]] if at < len(tags) else None,
                "Layers": [f"{sha(data)}.tar" for data in picture.layers],
            }
        )
    members["repositories"] = b"{}"
    members["manifest.json"] = json.dumps(manifest).encode()
    return members


def old_docker_members(picture: Picture, tag: str = "app:v1") -> dict[str, Any]:
    """As docker wrote them before version 25: layers in directories, equal layers as links to another's."""
    members: dict[str, Any] = {}
    seen: dict[str, str] = {}
    names = []
    for number, data in enumerate(picture.layers):
        name = f"{number:064x}/layer.tar"
        names.append(name)
        members[name] = f"../{seen[sha(data)]}" if sha(data) in seen else data
        seen.setdefault(sha(data), name)
    members[f"{sha(picture.config)}.json"] = picture.config
    members["manifest.json"] = json.dumps(
        [{"Config": f"{sha(picture.config)}.json", "RepoTags": [tag], "Layers": names}]
    ).encode()
    return members


def descriptor(media_type: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{sha(data)}", "size": len(data)} | more


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


SUFFIXES: dict[object, str] = {gzipped: "+gzip", zstd.compress: "+zstd", bytes: ""}


def oci_manifest(
    picture: Picture, *, packed: bool = True, pack: Callable[[bytes], bytes] = gzipped
) -> tuple[bytes, dict[str, Any]]:
    """The manifest's bytes and the blobs it needs, itself included."""
    pack = pack if packed else bytes
    blobs = [pack(data) for data in picture.layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, picture.config),
        "layers": [descriptor(OCI_LAYER + SUFFIXES[pack], blob) for blob in blobs],
    }
    data = json.dumps(manifest).encode()
    return data, {f"blobs/sha256/{sha(blob)}": blob for blob in (*blobs, picture.config, data)}


def oci_members(
    *pictures: Picture,
    packed: bool = True,
    pack: Callable[[bytes], bytes] = gzipped,
    names: tuple[str, ...] = ("v1",),
) -> dict[str, Any]:
    """An OCI layout whose index names the pictures one by one."""
    members: dict[str, Any] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    entries = []
    for at, picture in enumerate(pictures):
        data, blobs = oci_manifest(picture, packed=packed, pack=pack)
        members |= blobs
        named = {"annotations": {"org.opencontainers.image.ref.name": names[at]}} if at < len(names) else {}
        entries.append(descriptor(OCI_MANIFEST, data, **named))
    members["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    return members


def an_attestation() -> dict[str, Any]:
    """As buildkit lists them beside the images; its blob is rarely in an archive."""
    return descriptor(
        OCI_MANIFEST,
        b"attestation",
        platform={"os": "unknown", "architecture": "unknown"},
        annotations={"vnd.docker.reference.type": "attestation-manifest"},
    )


def multi_arch_members(*pictures: Picture, nested: bool = True, attestation: bool = True) -> dict[str, Any]:
    """An OCI layout with an image index of several architectures, and an attestation as buildkit adds them."""
    members: dict[str, Any] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    entries = []
    for picture in pictures:
        data, blobs = oci_manifest(picture)
        members |= blobs
        entries.append(descriptor(OCI_MANIFEST, data, platform={"os": "linux", "architecture": picture.architecture}))
    if attestation:
        entries.append(an_attestation())
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    if not nested:
        return members | {"index.json": index}
    members[f"blobs/sha256/{sha(index)}"] = index
    top = descriptor(OCI_INDEX, index, annotations={"org.opencontainers.image.ref.name": "v1"})
    return members | {"index.json": json.dumps({"schemaVersion": 2, "manifests": [top]}).encode()}


def archive(members: dict[str, Any], *, directories: bool = True) -> bytes:
    """The tar of named members."""
    entries = []
    seen: set[str] = set()
    for name, content in members.items():
        directory = str(Path(name).parent)
        if directories and directory != "." and directory not in seen:
            seen.add(directory)
            entries.append(member(directory + "/", kind=tarfile.DIRTYPE))
        if isinstance(content, str):
            entries.append(member(name, kind=tarfile.SYMTYPE, link=content))
        else:
            entries.append(member(name, content))
    return tar(entries)


def everything_below(directory: Path) -> set[str]:
    """Every file of a store but its locks."""
    return {
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and not path.name.endswith("lock")
    }
