"""Take an image in from an archive: docker-archive (`podman save`, `docker save`) or oci-archive, plain or gzip.

One pass over the upload, a few chunks in memory, and nothing in the store until everything was verified: the layers'
tars against the diffIDs of the configuration, blobs against their names and descriptors.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .choose import Chosen, choose
from .compression import open_outer
from .errors import BadDocument, NoSuchImage, WrongDigest
from .imageconfig import ParsedConfig, parse_config
from .limits import DEFAULT_LIMITS, ImageLimits
from .members import take_in
from .store import ImportedImage, Layer, Store
from .streams import Budget, Counted, Progress
from .tarstream import TarReader

if TYPE_CHECKING:
    from .drafts import Draft


def import_archive(
    source: Path | BinaryIO,
    store: Store,
    limits: ImageLimits = DEFAULT_LIMITS,
    on_progress: Progress | None = None,
    *,
    reference: str = "",
    architecture: str = "",
) -> ImportedImage:
    """Read an archive into the store; importing an image that is there changes nothing and mends damaged blobs.

    ``source`` is a file or a stream that is only read. ``on_progress`` gets (bytes read, bytes in all or None); what
    it raises ends the import. ``reference`` and ``architecture`` ("arm64", "arm64/v8") choose where the archive holds
    several. Raises ImageError; whatever is raised, nothing of the archive stays. Time: one read, one write and one
    SHA-256 of every byte (two of a compressed layer). Disk: the unpacked archive. Memory: a few MiB and the names.
    """
    with ExitStack() as stack:
        total: int | None = None
        if isinstance(source, Path):
            total = source.stat().st_size
            source = stack.enter_context(source.open("rb"))
        budget = Budget(limits.expanded_bytes)
        outer = open_outer(
            Counted(source, limits.archive_bytes, total, on_progress), budget, empty="The archive is empty."
        )
        workspace = stack.enter_context(store.blobs.workspace())
        members = take_in(TarReader(outer, members=limits.members), workspace, limits, budget)
        chosen = choose(members, reference, architecture)
        parsed = parse_config(chosen.config.document("The image's configuration"))
        _check_architecture(parsed, architecture)
        layers = verified_layers(chosen, parsed)
        manifest = store.add(workspace, chosen.config.content, parsed, layers)
    return ImportedImage(
        image_id=manifest.config.digest,
        manifest_digest=manifest.digest,
        reference=chosen.reference,
        architecture=parsed.platform.architecture,
        os=parsed.platform.os,
        layers=tuple(Layer(layer.digest, layer.size) for layer in layers),
        config=parsed.config,
    )


def verified_layers(chosen: Chosen, parsed: ParsedConfig) -> list[Draft]:
    """The drafts of the layers, lowest first. Raises WrongDigest, BadLayer, Unsupported or BadDocument."""
    if chosen.config.packed:
        raise BadDocument("The image's configuration is compressed.")
    if len(chosen.layers) != len(parsed.diff_ids):
        raise BadDocument(
            f"The image's manifest lists {len(chosen.layers)} layers, its configuration {len(parsed.diff_ids)}."
        )
    layers = []
    for at, (member, diff_id) in enumerate(zip(chosen.layers, parsed.diff_ids, strict=True), 1):
        layer = member.layer(f"Layer {at} of the image")
        if layer.digest != diff_id:
            raise WrongDigest(f"Layer {at} of the image has the diffID {layer.digest}, it should have {diff_id}.")
        layers.append(layer)
    return layers


def _check_architecture(parsed: ParsedConfig, architecture: str) -> None:
    if architecture and not parsed.platform.fits(architecture):
        name = str(parsed.platform)
        raise NoSuchImage(f"The archive has no image for {architecture}, but for: {name}.", (name,))
