"""Which image of an archive is meant, by its reference; and its forms for several architectures."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .descriptors import Descriptor
from .digests import is_hex
from .documents import Json, parse_json
from .errors import BadDocument, BadLayer, NoSuchImage, NotAnImage, SeveralImages, WrongDigest
from .manifests import INDEX_TYPES, MANIFEST_TYPES, Index, Manifest, parse_document
from .members import Member, Members

if TYPE_CHECKING:
    from collections.abc import Sequence

INDEX_DEPTH = 3
INDEX_LIMIT = 200
"""Entries of one index within an archive: an image for every system and architecture there is, and attestations."""
NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
ATTESTATION = "vnd.docker.reference.type"


@dataclass(frozen=True, slots=True)
class Chosen:
    """One image's parts in the archive; ``index`` is the digest of the index it is listed in, "" if in none."""

    reference: str
    config: Member
    layers: tuple[Member, ...]
    index: str = ""
    label: str = ""


def choose(members: Members, reference: str) -> tuple[Chosen, ...]:
    """The image that was asked for, in every architecture that the archive holds; "" asks for the only one.

    An archive that is both (as `docker save` has written since version 25) is read as an OCI layout, which knows
    architectures. Raises NotAnImage, SeveralImages, NoSuchImage, BadDocument, BadLayer or WrongDigest.
    """
    if members.find("oci-layout") is not None and members.find("index.json") is not None:
        return _from_layout(members, reference)
    if members.find("manifest.json") is not None:
        return (_from_docker(members, reference),)
    raise NotAnImage("The archive holds neither a manifest.json nor an index.json.")


# docker-archive: manifest.json lists images by member names (moby, image/spec/v1.2.md)


def _from_docker(members: Members, reference: str) -> Chosen:
    manifest = parse_json(members.get("manifest.json", "a manifest").document("manifest.json"), "manifest.json")
    images = manifest.items()
    if not images:
        raise NotAnImage("The archive's manifest.json lists no image.")
    image = images[_pick([_docker_names(each) for each in images], reference)]
    image.refuse_lookalikes()
    sources = image.get("LayerSources")
    for source in sources.keys():  # noqa: SIM118 - not a dict
        if sources.get(source).get("urls").items():
            raise BadLayer(f"The layer {source[:100]!r} is a foreign layer, whose content is not in the archive.")
    config = members.get(image.get("Config").text(), "the image's configuration")
    stem = posixpath.basename(config.name).removesuffix(".json")
    if is_hex(stem) and config.digest != f"sha256:{stem}":
        raise WrongDigest(f"{config.name} holds something else: its digest is {config.digest}.")
    names = image.get("Layers").texts()
    layers = tuple(members.get(name, f"layer {at}") for at, name in enumerate(names, 1))
    tags = image.get("RepoTags").texts()
    return Chosen(reference or (tags[0] if tags else ""), config, layers)


def _docker_names(image: Json) -> tuple[str, ...]:
    return image.get("RepoTags").texts() or (image.get("Config").text(),)


def _pick(names: Sequence[tuple[str, ...]], reference: str) -> int:
    """The position of the image named ``reference``, or of the only one."""
    every = tuple(name for each in names for name in each)
    if reference:
        found = [at for at, each in enumerate(names) if reference in each]
        if not found:
            raise NoSuchImage(f"The archive has no image {reference!r}, but: {', '.join(every)}.", every)
        return found[0]
    if len(names) > 1:
        raise SeveralImages(f"The archive holds {len(names)} images: {', '.join(every)}.", every)
    return 0


# OCI layout: index.json names manifests and indexes by digest (OCI image-spec, image-layout.md)


def _from_layout(members: Members, reference: str) -> tuple[Chosen, ...]:
    layout = parse_json(members.get("oci-layout", "a layout").document("oci-layout"), "oci-layout")
    if layout.get("imageLayoutVersion").text("") != "1.0.0":
        raise BadDocument("The archive's oci-layout is not of version 1.0.0.")
    outermost = members.get("index.json", "an index")
    top = parse_document(outermost.document("index.json"), "index.json")
    if not isinstance(top, Index):
        raise BadDocument("The archive's index.json is not an index.")
    entries = [each for each in top.manifests if _is_image(each)]
    if not entries:
        raise NotAnImage("The archive's index.json names no image.")
    meant = _named(entries, reference)
    name = reference or next(iter(_layout_names(meant[0])), "")
    # Several entries under one name are an index that was unrolled into index.json.
    index = outermost.digest if len({each.digest for each in meant}) > 1 else ""
    found: dict[str, tuple[Descriptor, str]] = {}
    for entry in meant:
        _walk(members, entry, index, INDEX_DEPTH, found)
    there = [each for each in found.values() if members.has_blob(each[0].digest) and _is_manifest(each[0])]
    if not there:
        raise NotAnImage("The archive names an image and does not hold it.")
    fitting = [each for each in there if each[0].platform is None or each[0].platform.os in ("linux", "")]
    if not fitting:
        names = tuple(str(each.platform) for each, _ in there)
        raise NoSuchImage(f"The archive has no image for linux, but for: {', '.join(names)}.", names)
    return tuple(_image(members, each, within, name) for each, within in fitting)


def _image(members: Members, entry: Descriptor, index: str, reference: str) -> Chosen:
    manifest = _document(members, entry)
    if isinstance(manifest, Index):
        raise BadDocument("The archive has an index under the type of a manifest.")
    config = _blob(members, manifest.config, "the image's configuration")
    layers = tuple(_blob(members, layer, f"layer {at}") for at, layer in enumerate(manifest.layers, 1))
    return Chosen(reference, config, layers, index, str(entry.platform or entry.digest))


def _named(entries: list[Descriptor], reference: str) -> list[Descriptor]:
    """The entries of the one image that is meant: several if index.json lists its architectures itself."""
    every = tuple(dict.fromkeys(name for each in entries for name in _layout_names(each) or (each.digest,)))
    if reference:
        found = [each for each in entries if reference in (*_layout_names(each), each.digest)]
        if not found:
            raise NoSuchImage(f"The archive has no image {reference!r}, but: {', '.join(every)}.", every)
        return found
    if len({each.digest for each in entries}) > 1 and len({_layout_names(each) for each in entries}) > 1:
        raise SeveralImages(f"The archive holds several images: {', '.join(every)}.", every)
    return entries


def _layout_names(entry: Descriptor) -> tuple[str, ...]:
    return tuple(filter(None, (entry.annotation(name) for name in NAME_ANNOTATIONS)))


def _is_image(entry: Descriptor) -> bool:
    """Attestations and signatures lie beside the images of an index."""
    if entry.annotation(ATTESTATION) or (entry.platform and entry.platform.architecture == "unknown"):
        return False
    return entry.media_type in MANIFEST_TYPES | INDEX_TYPES


def _blob(members: Members, descriptor: Descriptor, what: str) -> Member:
    member = members.blob(descriptor.digest, what)
    if member.size != descriptor.size:
        raise WrongDigest(f"The archive's manifest states {descriptor.size} bytes for {what}, it has {member.size}.")
    return member


def _walk(
    members: Members, entry: Descriptor, within: str, depth: int, found: dict[str, tuple[Descriptor, str]]
) -> None:
    """Gather an entry and, of an index, all that it lists; each once, with the outermost index that lists it."""
    if entry.digest in found:
        return
    found[entry.digest] = (entry, within)
    if _is_manifest(entry):
        return
    if depth == 0:
        raise BadDocument("The indexes of the archive are nested too deeply.")
    index = _document(members, entry)
    if not isinstance(index, Index):
        raise BadDocument("The archive has a manifest under the type of an index.")
    if len(index.manifests) > INDEX_LIMIT:
        raise BadDocument(f"An index of the archive lists more than {INDEX_LIMIT} images.")
    for each in index.manifests:
        if _is_image(each):
            _walk(members, each, within or entry.digest, depth - 1, found)


def _is_manifest(entry: Descriptor) -> bool:
    return entry.media_type in MANIFEST_TYPES


def _document(members: Members, descriptor: Descriptor) -> Manifest | Index:
    member = _blob(members, descriptor, "an image's manifest")
    return parse_document(member.document("The image's manifest"), "The image's manifest")
