"""What goes to the standard input of ``ffs-node``, where it has a form of its own."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffsweb.sealed import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file of a release; ``size`` in bytes, ``sha256`` in hex; ``mode`` counts for whether it may be executed."""

    path: str
    mode: int
    size: int
    sha256: str


def _line(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def stage_image_input(port: int, token: str, manifest: str) -> Secret:
    """Where the image is: forwarded port, random path (16 to 128 of A-Za-z0-9_-), the manifest's digest."""
    return Secret(_line({"port": port, "token": token, "manifest": manifest}))


def stage_files_head(files: Iterable[StagedFile], sent: Iterable[str]) -> bytes:
    """What comes before the tar (ustar, GNU or pax) of the files in ``sent``: the manifest's length, the manifest.

    Without files to send there is no tar.
    """
    rows = [{"path": f.path, "mode": f.mode, "size": f.size, "sha256": f.sha256} for f in files]
    manifest = _line({"files": rows, "sent": list(sent)})
    return _line({"manifest_bytes": len(manifest)}) + manifest


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
