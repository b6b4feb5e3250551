"""Take an image in from an archive (docker-archive or oci-archive, compressed or not) or from an OCI layout.

One pass over what comes, a few chunks in memory, and nothing in the store until everything was verified: the layers'
tars against the diffIDs of the configuration, blobs against their names and descriptors.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .choose import Chosen, choose
from .compression import open_outer
from .errors import BadDocument, NoSuchImage, SeveralImages, WrongDigest
from .imageconfig import ParsedConfig, parse_config
from .layoutdir import LayoutReader
from .limits import DEFAULT_LIMITS, ImageLimits
from .members import Members, take_in
from .store import ImportedImage, Layer, Store
from .streams import Budget, Counted, Progress
from .tarstream import TarReader

if TYPE_CHECKING:
    from .drafts import Draft, Workspace


def import_images(
    source: Path | BinaryIO,
    store: Store,
    limits: ImageLimits = DEFAULT_LIMITS,
    on_progress: Progress | None = None,
    *,
    reference: str = "",
) -> tuple[ImportedImage, ...]:
    """Read an archive into the store: its one image, in every architecture for linux that the archive holds.

    ``source`` is a file or a stream that is only read. ``on_progress`` gets (bytes read, bytes in all or None); what
    it raises ends the import. ``reference`` chooses where the archive holds several images. Importing what is there
    changes nothing and mends damaged blobs. Raises ImageError; whatever is raised, nothing of the archive stays.
    Time: one read, one write and one SHA-256 of every byte (two of a compressed layer). Disk: the unpacked archive.
    Memory: a few MiB and the names; up to 128 MiB more where Zstandard was told to look that far back.
    """
    return _from_archive(source, store, limits, on_progress, reference=reference)


def _from_archive(
    source: Path | BinaryIO,
    store: Store,
    limits: ImageLimits,
    on_progress: Progress | None,
    *,
    reference: str,
    one: bool = False,
) -> tuple[ImportedImage, ...]:
    with ExitStack() as stack:
        total: int | None = None
        if isinstance(source, Path):
            total = source.stat().st_size
            source = stack.enter_context(source.open("rb"))
        budget = Budget(limits.expanded_bytes)
        counted = Counted(source, limits.archive_bytes, total, on_progress)
        outer = open_outer(counted, budget, empty="The archive is empty.")
        workspace = stack.enter_context(store.blobs.workspace())
        members = take_in(TarReader(outer, members=limits.members), workspace, limits, budget)
        return _keep(members, store, workspace, reference, one=one)


def import_layout(
    directory: Path,
    store: Store,
    limits: ImageLimits = DEFAULT_LIMITS,
    on_progress: Progress | None = None,
    *,
    reference: str = "",
) -> tuple[ImportedImage, ...]:
    """The same from a directory that is an OCI layout (image-spec, image-layout.md), as skopeo writes it.

    Nothing outside of the directory is read, whatever links are in it. The directory stays as it is.
    """
    budget = Budget(limits.expanded_bytes)
    with LayoutReader(directory, limits, on_progress) as container, store.blobs.workspace() as workspace:
        return _keep(take_in(container, workspace, limits, budget), store, workspace, reference)


def import_archive(
    source: Path | BinaryIO,
    store: Store,
    limits: ImageLimits = DEFAULT_LIMITS,
    on_progress: Progress | None = None,
    *,
    reference: str = "",
) -> ImportedImage:
    """``import_images`` for an archive of one architecture; of several, SeveralImages is raised and none is kept."""
    return _from_archive(source, store, limits, on_progress, reference=reference, one=True)[0]


def _keep(
    members: Members, store: Store, workspace: Workspace, reference: str, *, one: bool = False
) -> tuple[ImportedImage, ...]:
    """Verify everything, then put it into the store."""
    verified = []
    # `podman push --add-compression` lists an image twice, packed in two ways: that is one image.
    for chosen in {each.config.digest: each for each in choose(members, reference)}.values():
        parsed = parse_config(chosen.config.document("The image's configuration"))
        if parsed.platform.os == "linux":
            verified.append((chosen, parsed, verified_layers(chosen, parsed)))
        else:
            foreign = str(parsed.platform)
    if not verified:
        raise NoSuchImage(f"The archive has no image for linux, but for: {foreign}.", (foreign,))
    if len({parsed.platform.machine for _, parsed, _ in verified}) != len(verified):
        names = tuple(chosen.label for chosen, _, _ in verified)
        raise SeveralImages(f"The archive holds several images: {', '.join(names)}.", names)
    if one and len(verified) > 1:
        machines = tuple(str(parsed.platform) for _, parsed, _ in verified)
        raise SeveralImages(f"The archive holds the image for {', '.join(machines)}.", machines)
    return tuple(_add(store, workspace, *each) for each in verified)


def _add(
    store: Store, workspace: Workspace, chosen: Chosen, parsed: ParsedConfig, layers: list[Draft]
) -> ImportedImage:
    manifest = store.add(workspace, chosen.config.content, parsed, layers)
    return ImportedImage(
        image_id=manifest.config.digest,
        manifest_digest=manifest.digest,
        reference=chosen.reference,
        architecture=parsed.platform.machine,
        os=parsed.platform.os,
        layers=tuple(Layer(layer.digest, layer.size) for layer in layers),
        config=parsed.config,
        index_digest=chosen.index,
    )


def verified_layers(chosen: Chosen, parsed: ParsedConfig) -> list[Draft]:
    """The drafts of the layers, lowest first. Raises WrongDigest, BadLayer or BadDocument."""
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
