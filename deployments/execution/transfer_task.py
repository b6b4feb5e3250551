"""What the transfer planner is asked with: the image, what the node holds, the forms that are made, the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from deployments.core.preflight import version_of
from deployments.core.transfer_bases import bases_for
from deployments.core.transfer_cost import guessed_strength
from deployments.core.transfer_values import Base, Receiver, Sendable, Task, Without
from deployments.models.image_store import store
from deployments.oci.forms import CHUNKED, DELTA, ZSTD, Forms, preferred
from deployments.oci.forms_values import DELTA_LIMIT
from deployments.oci.imageconfig import ImageConfig
from deployments.oci.toc import NoToc, Toc, bytes_needed, read_toc

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from deployments.core.facts import NodeFacts
    from deployments.core.transfer_values import Link
    from deployments.models import Image
    from deployments.oci.forms import Form
    from deployments.oci.forms_values import Kind

PACKED = "stage-image-packed"
"""What an ffs-node says that reads the requests of a fetch (``transfer_parcel``)."""
OTHERS = 6
"""Images of a node that are looked at for layers that a delta may start from."""


def forms() -> Forms:
    """The one cache of converted layers of the installation."""
    return Forms(store(), settings.DATA / "oci-forms", settings.FORMS_LIMIT)


def nothing_taken(_kind: Kind, _diff_id: str, _base: str) -> Form | None:
    """A push that has not begun."""
    return None


class Known:
    """What is in the cache and the store, looked up once for all nodes of a plan. Not for several threads.

    ``taken`` are the forms that a push has already chosen.
    """

    def __init__(self, forms: Forms, taken: Callable[[Kind, str, str], Form | None] = nothing_taken) -> None:
        self.forms, self._taken = forms, taken
        self._forms: dict[tuple[Kind, str, str], tuple[Form, ...]] = {}
        self._stored: dict[str, bool] = {}
        self._tocs: dict[str, Toc | None] = {}

    def form(self, kind: Kind, diff_id: str, base: str, rather: Collection[str]) -> Form | None:
        """The form that a push would take, one whose digest is in ``rather`` first; None if none was made yet."""
        taken = self._taken(kind, diff_id, base)
        if taken is not None:
            return taken
        key = (kind, diff_id, base)
        if key not in self._forms:
            self._forms[key] = self.forms.every(kind, diff_id, base)
        return preferred(self._forms[key], rather)

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
    strength: float | None = None,
    without: Without | None = None,
    not_from: Collection[tuple[str, str]] = (),
) -> Task:
    """The planner's task. No query.

    ``strength``: the node's, if it was measured. ``not_from``: pairs of layer and base of which no delta can be made.
    """
    held = facts.diff_ids if facts else frozenset()
    layers = sized(image)
    usable = {diff_id for other in others for diff_id, _ in sized(other) if diff_id in held and known.stored(diff_id)}
    usable |= {diff_id for diff_id, _ in layers if diff_id in held}
    bases = bases_for(layers, [sized(other) for other in others], usable, limit=DELTA_LIMIT)
    chunked = facts.chunked if facts else frozenset()
    there = facts.fetched if facts else {}
    missing = tuple(
        _sendable(
            diff_id,
            size,
            known=known,
            there=there,
            chunked=known.chunked(diff_id, chunked),
            bases=[base for base in bases.get(diff_id, ()) if (diff_id, base[0]) not in not_from],
        )
        for diff_id, size in layers
        if diff_id not in held
    )
    check = ImageConfig.from_json(image.config).healthcheck
    docker = check is not None and check.active
    return Task(layers, missing, receiver_of(facts, strength), link, docker=docker, without=without or Without())


def _sendable(
    diff_id: str,
    size: int,
    *,
    known: Known,
    there: Mapping[str, int],
    chunked: int | None,
    bases: Sequence[tuple[str, int]],
) -> Sendable:
    """The layer, with what the node has of each of its forms: all of it where it has made the layer already."""
    made = diff_id in there and there[diff_id] >= size

    def kept(form: Form | None) -> int:
        return 0 if form is None else form.size if made else min(there.get(form.digest, 0), form.size)

    packed = known.form(ZSTD, diff_id, "", there)
    deltas = [(*base, known.form(DELTA, diff_id, base[0], there)) for base in bases]
    return Sendable(
        diff_id,
        size,
        zstd=packed.size if packed else None,
        chunked=chunked,
        bases=tuple(
            Base(base, base_size, form.size if form else None, kept=kept(form)) for base, base_size, form in deltas
        ),
        kept=min(there.get(diff_id, 0), size),
        zstd_kept=kept(packed),
        too_large=size > DELTA_LIMIT,
    )


def receiver_of(facts: NodeFacts | None, strength: float | None = None) -> Receiver:
    """What the node is able to do, by what it says of itself, and by its ``strength`` if that was measured."""
    if facts is None:
        return Receiver()
    one_disk = facts.disk_images == facts.disk_var
    return Receiver(
        tools=facts.tools,
        partial_pulls=facts.partial_pulls,
        podman=version_of(facts.podman) or (0, 0),
        strength=strength or guessed_strength(facts.cpus),
        older=PACKED not in facts.verbs,
        free_images=facts.disk_images.free,
        free_var=None if one_disk else facts.disk_var.free,
    )
