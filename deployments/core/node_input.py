"""What goes to the standard input of ``ffs-node``, where it has a form of its own."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployments.core.health_values import COMMAND
from ffsweb.sealed import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from deployments.core.health_values import HealthCheck


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file of a release; ``size`` in bytes, ``sha256`` in hex; ``mode`` counts for whether it may be executed."""

    path: str
    mode: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file of a release whose content is under another path, ``source``, in the base release."""

    path: str
    source: str


@dataclass(frozen=True, slots=True)
class PatchedFile:
    """A file of a release that is made of ``source`` in the base release by a difference (``zstd --patch-from``).

    ``sha256`` in hex and ``size`` in bytes are of the difference itself.
    """

    path: str
    source: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class ArchiveItem:
    """Something that a packed archive brings: ``t/PATH`` is a file, ``d/SHA256`` a difference."""

    name: str
    sha256: str
    size: int


def probe_input(check: HealthCheck) -> bytes | None:
    """For ``probe``: the words of a command; None for what goes by address."""
    return json.dumps(list(check.words)).encode() if check.kind == COMMAND else None


def _line(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def stage_files_head(files: Iterable[StagedFile], sent: Iterable[str]) -> bytes:
    """What comes before the tar (ustar, GNU or pax) of the files in ``sent``: the manifest's length, the manifest.

    Without files to send there is no tar.
    """
    manifest = _line({"files": _rows(files), "sent": list(sent)})
    return _line({"manifest_bytes": len(manifest)}) + manifest


def packed_files_head(
    files: Iterable[StagedFile],
    sent: Iterable[str],
    patched: Iterable[PatchedFile],
    copied: Iterable[CopiedFile],
    *,
    pack: Callable[[bytes], bytes],
    resume: bool,
    manifest_base: str = "",
) -> bytes:
    """The same for a node that has zstd, which ``pack`` does; the tar of ``archive_items`` follows, packed too.

    With ``resume`` the node says what it holds of an earlier attempt (``node_events.Ready``) before it reads the tar.
    ``manifest_base`` is the SHA-256 in hex of what ``pack`` makes the manifest a difference to: the canonical JSON of
    the base release's files (``FileTree.encode``). A node that has not kept it refuses with ``no-manifest``.
    """
    rows = [{"path": p.path, "from": p.source, "patch": p.sha256, "bytes": p.size} for p in patched]
    value = {"files": _rows(files), "sent": list(sent), "patched": rows}
    value["copied"] = [{"path": each.path, "from": each.source} for each in copied]
    # The files first, and written as in the base's list, so that there is little difference.
    text = {key: json.dumps(value[key], ensure_ascii=False, separators=(",", ":"), sort_keys=True) for key in value}
    manifest = pack(("{" + ",".join(f'"{key}":{part}' for key, part in text.items()) + "}\n").encode())
    head: dict[str, object] = {"manifest_bytes": len(manifest), "coding": "zstd"}
    if resume:
        head["resume"] = 1
    if manifest_base:
        head["manifest_base"] = manifest_base
    return _line(head) + manifest


def archive_items(sent: Sequence[StagedFile], patched: Iterable[PatchedFile]) -> tuple[ArchiveItem, ...]:
    """What a packed archive brings, in its order, which the node counts by: the files, then each difference once."""
    patches = {each.sha256: each for each in patched}
    return (
        *(ArchiveItem(f"t/{file.path}", file.sha256, file.size) for file in sent),
        *(ArchiveItem(f"d/{sha256}", sha256, patches[sha256].size) for sha256 in sorted(patches)),
    )


def _rows(files: Iterable[StagedFile]) -> list[dict[str, object]]:
    return [{"path": f.path, "mode": f.mode, "size": f.size, "sha256": f.sha256} for f in files]


def stage_certificate_input(chain: str, key_enc: bytes) -> bytes:
    """The PEM chain, leaf first, and the key as ``openssl enc`` wrote it (``Salted__…``)."""
    return _line({"chain": chain, "key_enc": base64.b64encode(key_enc).decode()})


def seal_input(values: Mapping[str, Secret]) -> Secret:
    """Credentials by name: ``env.NAME`` or ``cert_pass``. At most 96 KiB each and about 700 KiB together."""
    lines = (
        _line({"name": name, "value_base64": base64.b64encode(value.reveal()).decode()})
        for name, value in sorted(values.items())
    )
    return Secret(b"".join(lines) + _line({"end": len(values)}))


def upgrade_input(script: bytes, signature: str) -> bytes:
    """The new program and its signature (``ssh-keygen -Y sign -n ffs-node-upgrade``, principal ``ffs-node``)."""
    return _line({"script": base64.b64encode(script).decode(), "signature": signature})
