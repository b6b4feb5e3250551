"""What the transfer planner is asked with: the image, what the node holds, the forms that are made, the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from deployments.core.preflight import version_of
from deployments.core.transfer_bases import bases_for
from deployments.core.transfer_values import Base, Receiver, Sendable, Task, Without
from deployments.models.image_store import store
from deployments.oci.forms import CHUNKED, DELTA, ZSTD, Forms
from deployments.oci.forms_values import DELTA_LIMIT
from deployments.oci.imageconfig import ImageConfig
from deployments.oci.toc import NoToc, Toc, bytes_needed, read_toc

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from deployments.core.facts import NodeFacts
    from deployments.core.transfer_values import Link
    from deployments.models import Image

OTHERS = 6
"""Images of a node that are looked at for layers that a delta may start from."""


def forms() -> Forms:
    """The one cache of converted layers of the installation."""
    return Forms(store(), settings.DATA / "oci-forms", settings.FORMS_LIMIT)


class Known:
    """What is in the cache and the store, looked up once for all nodes of a plan. Not for several threads."""

    def __init__(self, forms: Forms) -> None:
        self.forms = forms
        self._sizes: dict[tuple[str, str, str], int | None] = {}
        self._stored: dict[str, bool] = {}
        self._tocs: dict[str, Toc | None] = {}

    def zstd(self, diff_id: str) -> int | None:
        """Bytes of the compressed layer, None if that was not made yet."""
        return self._size(ZSTD, diff_id)

    def delta(self, diff_id: str, base: str) -> int | None:
        """Bytes of the delta from ``base``, None if that was not made yet."""
        return self._size(DELTA, diff_id, base)

    def chunked(self, diff_id: str, held: Collection[str]) -> int | None:
        """Bytes that a partial pull fetches by a node that holds the layers ``held`` in chunks; None if not made."""
        toc = self._toc(diff_id)
        if toc is None:
            return None
        files: frozenset[str] = frozenset()
        for other in held:
            known = self._toc(other)
            files |= known.contents if known else frozenset()
        return bytes_needed(toc, files)

    def stored(self, diff_id: str) -> bool:
        """Whether the store has the layer."""
        if diff_id not in self._stored:
            self._stored[diff_id] = self.forms.store.blobs.has(diff_id)
        return self._stored[diff_id]

    def _size(self, kind: str, diff_id: str, base: str = "") -> int | None:
        key = (kind, diff_id, base)
        if key not in self._sizes:
            form = self.forms.find(kind, diff_id, base)  # type: ignore[arg-type]
            self._sizes[key] = form.size if form else None
        return self._sizes[key]

    def _toc(self, diff_id: str) -> Toc | None:
        if diff_id not in self._tocs:
            form = self.forms.find(CHUNKED, diff_id)
            self._tocs[diff_id] = None
            if form is not None:
                try:
                    with form.path.open("rb") as blob:
                        self._tocs[diff_id] = read_toc(blob, form.annotations)
                except (OSError, NoToc):
                    pass  # removed meanwhile, or of another form than we know: then it is not used
        return self._tocs[diff_id]


def sized(image: Image) -> tuple[tuple[str, int], ...]:
    """The layers of an image, lowest first; one that occurs twice once."""
    return tuple({layer["diff_id"]: int(layer["size"]) for layer in image.layers}.items())


def others_of(images: Iterable[Image], image: Image, running: str = "") -> list[Image]:
    """Images whose layers may serve: the one with the ID ``running`` first, then the newest."""
    chosen = sorted(
        (other for other in images if other.pk != image.pk and other.architecture == image.architecture),
        key=lambda other: (other.image_id != running, -other.created_at.timestamp()),
    )
    return chosen[:OTHERS]


def task_for(
    image: Image,
    facts: NodeFacts | None,
    link: Link,
    others: Sequence[Image],
    known: Known,
    *,
    without: Without | None = None,
    not_from: Collection[tuple[str, str]] = (),
) -> Task:
    """The planner's task. No query. ``not_from``: pairs of layer and base of which no delta could be made."""
    held = facts.diff_ids if facts else frozenset()
    layers = sized(image)
    usable = {diff_id for other in others for diff_id, _ in sized(other) if diff_id in held and known.stored(diff_id)}
    usable |= {diff_id for diff_id, _ in layers if diff_id in held}
    bases = bases_for(layers, [sized(other) for other in others], usable, limit=DELTA_LIMIT)
    chunked = facts.chunked if facts else frozenset()
    missing = tuple(
        Sendable(
            diff_id,
            size,
            zstd=known.zstd(diff_id),
            chunked=known.chunked(diff_id, chunked),
            bases=tuple(
                Base(base, base_size, known.delta(diff_id, base))
                for base, base_size in bases.get(diff_id, ())
                if (diff_id, base) not in not_from
            ),
        )
        for diff_id, size in layers
        if diff_id not in held
    )
    check = ImageConfig.from_json(image.config).healthcheck
    docker = check is not None and check.active
    return Task(layers, missing, receiver_of(facts), link, docker=docker, without=without or Without())


def receiver_of(facts: NodeFacts | None) -> Receiver:
    """What the node is able to do, by what it says of itself."""
    if facts is None:
        return Receiver()
    one_disk = facts.disk_images == facts.disk_var
    return Receiver(
        tools=facts.tools,
        partial_pulls=facts.partial_pulls,
        podman=version_of(facts.podman) or (0, 0),
        free_images=facts.disk_images.free,
        free_var=None if one_disk else facts.disk_var.free,
    )
