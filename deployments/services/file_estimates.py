"""What the files of a plan will probably cost to send: by differences that are made already, and by samples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from deployments.core.filetransfer import transfer
from deployments.core.filetree import FileTree
from deployments.execution.file_deltas import file_blobs, file_forms, known_delta
from deployments.execution.files_sender import LISTED_FROM
from deployments.oci.errors import BlobMissing
from deployments.oci.filestream import pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from deployments.core.filetree import FileEntry
    from deployments.core.plan import Desired, Held
    from deployments.oci.blobs import BlobDirectory

SAMPLES = 40
SAMPLE = 64 * 1024
"""How many files are looked at, the largest first, and how many bytes of each."""
PER_FILE = 45
"""Bytes of the compressed manifest for each file that it has to name: half of a SHA-256 in hex, some of a path."""


def with_estimates(pairs: Sequence[tuple[Desired, Held]]) -> list[tuple[Desired, Held]]:
    """The same, with what the files will probably cost where the node can unpack them.

    Reads a few MB for each release that the nodes run, however many nodes there are.
    """
    found: dict[tuple[str, str], int] = {}
    result = []
    for desired, held in pairs:
        if held.facts is None or "zstd" not in held.facts.tools:
            result.append((desired, held))
            continue
        service = held.facts.service(desired.service)
        known = held.files is not None and service is not None and service.release in service.releases
        before = held.files if held.files is not None and known else FileTree()
        key = (before.digest, desired.files.digest)
        if key not in found:
            found[key] = _estimate(before, desired.files)
        result.append((desired, replace(held, files_bytes=found[key])))
    return result


def _estimate(before: FileTree, after: FileTree) -> int:
    travel, forms = transfer(before, after), file_forms()
    known = {(each.path, each.sha256) for each in before.entries} if len(before.entries) >= LISTED_FROM else set()
    total = PER_FILE * (1 + sum((each.path, each.sha256) not in known for each in after.entries))
    whole = list(travel.whole)
    for each in travel.alike:
        size = known_delta(each, forms)
        if size is None:
            whole.append(each.entry)
        else:
            total += size
    return total + _packed(whole, file_blobs())


def _packed(entries: Iterable[FileEntry], blobs: BlobDirectory) -> int:
    """About what these have compressed, from the beginnings of the largest of them."""
    largest = sorted(entries, key=lambda entry: -entry.size)
    read = packed = estimate = 0
    for entry in largest[:SAMPLES]:
        try:
            with blobs.open(entry.digest) as blob:
                sample = blob.read(SAMPLE)
        except BlobMissing:
            sample = b""
        size = len(pack(sample)) if sample else 0
        read, packed = read + len(sample), packed + size
        estimate += entry.size * size // len(sample) if sample else entry.size
    rest = sum(entry.size for entry in largest[SAMPLES:])
    return estimate + (rest * packed // read if read else rest)
