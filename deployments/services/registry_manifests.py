"""Manifests that are pushed become images of the project; what is read back is the store's own, canonical form.

A pushed manifest names compressed layers, which the store does not keep. So a tag leads to the canonical manifest of
the same image (the image ID is the same), and an index to an index of those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from deployments.execution.record import record_images
from deployments.models import Image, PushedManifest, RegistryTag
from deployments.models.image_store import store
from deployments.oci.digests import digest_of, is_digest
from deployments.oci.distribution import Code, Refusal, is_tag
from deployments.oci.distribution_images import Attestation, assemble, read_pushed
from deployments.oci.manifests import OCI_INDEX, Index, Manifest
from deployments.oci.store import ImportedImage
from deployments.services import push_policy, registry_blobs
from deployments.services.registry_indexes import images_of, index_of
from ffsweb.accounts.models import Project
from ffsweb.audit.services import record

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ffsweb.accounts.models import AccessToken, User


@dataclass(frozen=True, slots=True)
class Pushed:
    """A push: where it goes and whose it is. ``reference`` is a tag or a digest."""

    project: Project
    repository: str
    reference: str
    actor: User
    actor_name: str
    token: AccessToken
    request: HttpRequest | None = None

    @property
    def image_name(self) -> str:
        """``name:tag``; "" where it is pushed by digest: then no name is known."""
        name = self.repository or self.project.name
        return f"{name}:{self.reference}" if is_tag(self.reference) else ""


@dataclass(frozen=True, slots=True)
class Served:
    """A manifest or an index as it is read back."""

    digest: str
    media_type: str
    body: bytes


def take(pushed: Pushed, body: bytes, content_type: str) -> str:
    """Take a manifest or an index in; its digest. Raises Refusal or StoreError, and then nothing was changed."""
    digest = digest_of(body)
    if pushed.reference != digest and not is_tag(pushed.reference):
        what = "is not that of what was sent" if is_digest(pushed.reference) else "is neither a tag nor a digest"
        raise Refusal(Code.DIGEST_INVALID, f"{pushed.reference[:100]!r} {what}.")
    found = read_pushed(body, content_type)
    if isinstance(found, Attestation):
        _keep(pushed, digest, PushedManifest())
    elif isinstance(found, Index):
        _take_index(pushed, digest, found)
    else:
        _take_manifest(pushed, digest, found)
    return digest


def find(project: Project, repository: str, reference: str) -> Served | None:
    """What is kept under a tag or a digest. Raises StoreError if the disk lost it. Up to three queries."""
    if is_digest(reference):
        row = project.pushed_manifests.filter(kept_digest=reference).exclude(document="").first()
        if row:
            return _of_index(row)
        if not Image.objects.filter(project=project, manifest_digest=reference).exists():
            return None
        return _of_store(reference)
    tag = project.registry_tags.filter(repository=repository, name=reference).select_related("manifest").first()
    if tag is None:
        return None
    return _of_index(tag.manifest) if tag.manifest.document else _of_store(tag.manifest.kept_digest)


def kept_in_place_of(project: Project, digest: str) -> str:
    """The digest of the form that is kept of what was pushed under ``digest``; "" if that is not known."""
    row = project.pushed_manifests.filter(digest=digest).first()
    return row.kept_digest if row else ""


def _take_manifest(pushed: Pushed, digest: str, manifest: Manifest) -> None:
    wanted = [manifest.config.digest, *(layer.digest for layer in manifest.layers)]
    blobs = registry_blobs.of_manifest(pushed.project, wanted)
    name = pushed.image_name or _name_so_far(pushed.project, manifest.config.digest)
    image = assemble(manifest, blobs, store(), reference=name)
    with transaction.atomic():
        main = _record(pushed, (image,))
        media_type = store().manifest(image.manifest_digest).media_type
        _keep(pushed, digest, PushedManifest(kept_digest=image.manifest_digest, media_type=media_type, image=main))


def _take_index(pushed: Pushed, digest: str, index: Index) -> None:
    rows = images_of(pushed.project, index)
    kept, images = index_of(rows, reference=pushed.image_name)
    with transaction.atomic():
        main = _record(pushed, images)
        values = {"kept_digest": digest_of(kept), "media_type": OCI_INDEX, "document": kept.decode(), "image": main}
        _keep(pushed, digest, PushedManifest(**values))


def _record(pushed: Pushed, images: tuple[ImportedImage, ...]) -> Image:
    main = record_images(pushed.project, images, pushed.actor_name, "push")
    record(
        actor=pushed.actor,
        action="image.push",
        project=pushed.project,
        target=pushed.image_name or main.image_id[:19],
        detail={"images": [image.image_id for image in images], "by": pushed.actor_name},
        request=pushed.request,
    )
    name = pushed.image_name
    push_policy.note(project=pushed.project, image=main, name=name, token=pushed.token, by=pushed.actor_name)
    return main


def _keep(pushed: Pushed, digest: str, what: PushedManifest) -> None:
    names = ("kept_digest", "media_type", "document", "image")
    with transaction.atomic():
        row, _ = PushedManifest.objects.update_or_create(
            project=pushed.project, digest=digest, defaults={name: getattr(what, name) for name in names}
        )
        if is_tag(pushed.reference) and what.image is not None:
            RegistryTag.objects.update_or_create(
                project=pushed.project,
                repository=pushed.repository,
                name=pushed.reference,
                defaults={"manifest": row},
            )


def _name_so_far(project: Project, image_id: str) -> str:
    """What the image is called, if it is there already: a push by digest takes no name away."""
    row = Image.objects.filter(project=project, image_id=image_id).only("reference").first()
    return row.reference if row else ""


def _of_index(row: PushedManifest) -> Served:
    return Served(row.kept_digest, row.media_type, row.document.encode())


def _of_store(digest: str) -> Served:
    manifest = store().manifest(digest)
    return Served(digest, manifest.media_type, store().document(digest))
