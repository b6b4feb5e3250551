"""Other forms of an image's layers are made before anybody needs them: once per image, when nothing else is to do.

First what takes seconds: layers compressed, and differences to the layers of the releases that are live. Then the
same with more effort, which makes them a fifth smaller. What podman's partial pulls need is slow to make, and made
only where there are no differences. A deploy goes first: it is waited for between two forms, and the children that
work run at the lowest priority.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from deployments.core.sizes import shown_bytes
from deployments.core.transfer_bases import bases_for
from deployments.core.transfer_values import FETCH_TOOLS
from deployments.execution.errors import told
from deployments.execution.transfer_task import forms, sized
from deployments.models import Image, Node, Service
from deployments.oci.errors import DiskFull, ImageError
from deployments.oci.forms import BEST, CHUNKED, DELTA, QUICK, ZSTD, Wanted
from deployments.oci.forms_errors import FormError, FormStopped
from deployments.oci.forms_make import can_chunk
from deployments.oci.forms_values import DELTA_LIMIT
from ffsweb.operations.contract import Outcome
from ffsweb.operations.models import Operation
from ffsweb.operations.services import Busy, enqueue
from ffsweb.operations.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deployments.oci.forms import Forms
    from ffsweb.operations.context import Context

KIND = "prepare-image"
RECENT = timedelta(days=3)
"""An image older than that is deployed already, or never."""
LIVE = 3
"""Images that run in the project, the most used first: differences are made to their layers."""
SECONDS = 3600.0
"""Time for one image, all attempts in one worker together; what is not made then is made when it is needed."""
WAIT = 20.0
SMALL = 4096
"""Layers below so many bytes travel as they are."""


def request_due() -> None:
    """Put the newest image that was not prepared yet into the queue, if nothing is being prepared. Two or three
    queries."""
    if Operation.objects.active().filter(kind=KIND).exists():
        return
    since = timezone.now() - RECENT
    before = Operation.objects.filter(kind=KIND, created_at__gte=since - RECENT)
    asked = {params.get("image") for params in before.values_list("params", flat=True)}
    rows = Image.objects.filter(created_at__gte=since).select_related("project").defer("layers", "config")
    image = next((row for row in rows.order_by("-created_at")[:100] if row.pk not in asked), None)
    if image is not None:
        # Held, because the tick may come twice at the same moment; and looked at again under the hold, because what
        # the other tick asked for may have ended since this one looked.
        with suppress(Busy), transaction.atomic():
            operation = enqueue(
                kind=KIND,
                project=image.project,
                actor=None,
                title=f"Prepare {image} for pushes",
                params={"image": image.pk},
                targets=[],
                holds=[KIND],
            )
            if before.filter(params__image=image.pk).exclude(pk=operation.pk).exists():
                transaction.set_rollback(True)


@told
def prepare(context: Context) -> Outcome:
    """Make the forms of one image; the kind ``prepare-image``. What a cancel leaves is used all the same."""
    image = Image.objects.filter(pk=int(context.operation.params["image"])).first()
    if image is None:
        return Outcome(State.SUCCEEDED, "The image was removed meanwhile.")
    cache, until = forms(), time.monotonic() + SECONDS
    made: Counter[str] = Counter()
    for wanted in wanted_forms(image, live_images(image), chunks_from(image)):
        if cache.has(wanted):
            continue
        _give_way(context)
        if time.monotonic() >= until:
            context.log("There is more to be made; it is made when it is needed.", stream="warning")
            break
        try:
            made[wanted.kind] += _make(context, cache, wanted)
        except DiskFull as error:
            context.log(f"{error} It is made when it is needed and there is room.", stream="warning")
            break
    return Outcome(State.SUCCEEDED, _said(image, made))


def live_images(image: Image) -> list[Image]:
    """What runs in the image's project for the same architecture, the most used first. Two queries."""
    rows = Service.objects.filter(project_id=image.project_id, live_release__isnull=False)
    services = rows.select_related("live_release__image").prefetch_related("live_release__variants")
    count: Counter[Image] = Counter()
    for service in services:
        release = service.live_release
        for each in release.images if release else ():
            if each.pk != image.pk and each.architecture == image.architecture:
                count[each] += 1
    return [each for each, _ in count.most_common(LIVE)]


def chunks_from(image: Image) -> int | None:
    """The bytes from which on a layer is worth to be made in chunks, None if none is: where a node of the project
    takes changed files, and no differences are to be had. Two queries."""
    readings = Node.objects.filter(project_id=image.project_id).newest_readings().values()
    partial = [facts for reading in readings if (facts := reading.parsed()) and facts.partial_pulls]
    if not partial or not can_chunk():
        return None
    # By the programs alone: an older ffs-node is soon upgraded, and chunks are slow to make.
    return DELTA_LIMIT + 1 if all(facts.tools >= FETCH_TOOLS for facts in partial) else 0


def wanted_forms(image: Image, live: Sequence[Image], chunks: int | None = None) -> Iterator[Wanted]:
    """What is worth making, the cheapest first; in chunks the layers of ``chunks`` bytes and more."""
    layers = [(diff_id, size) for diff_id, size in sized(image) if size >= SMALL]
    others = [sized(each) for each in live]
    running = {diff_id for other in others for diff_id, _ in other}
    bases = bases_for(sized(image), others, running, limit=DELTA_LIMIT)
    for quality in (QUICK, BEST):
        fresh = sorted(
            layers, key=lambda layer: layer[0] in running
        )  # what runs everywhere travels to new nodes alone
        yield from (Wanted(ZSTD, diff_id, quality=quality) for diff_id, _ in fresh if diff_id not in running)
        for diff_id, _ in fresh:
            yield from (Wanted(DELTA, diff_id, base, quality) for base, _ in bases.get(diff_id, ()))
        yield from (Wanted(ZSTD, diff_id, quality=quality) for diff_id, _ in fresh if diff_id in running)
        if quality == QUICK and chunks is not None:
            yield from (Wanted(CHUNKED, diff_id) for diff_id, size in fresh if size >= chunks)


def forget() -> None:
    """Remove the forms of layers that the store no longer has, and make room."""
    cache = forms()
    cache.forget(cache.store.blobs.digests())
    cache.tidy()


def _make(context: Context, cache: Forms, wanted: Wanted) -> bool:
    began = time.monotonic()
    try:
        form = cache.make(wanted, context.stop)
    except FormStopped:
        context.checkpoint()
        raise
    except DiskFull:
        raise
    except (FormError, ImageError, OSError) as error:
        context.log(str(error), stream="warning")
        return False
    size = cache.store.blobs.size(wanted.diff_id)
    what = {ZSTD: "compressed", CHUNKED: "made ready for partial pulls", DELTA: "compared"}[wanted.kind]
    seconds = time.monotonic() - began
    context.log(f"A layer of {shown_bytes(size)} {what}: {shown_bytes(form.size)}, in {seconds:.1f} s.")
    return True


def _give_way(context: Context) -> None:
    context.checkpoint()
    if Operation.objects.active().filter(kind="deploy").exists():
        context.park("a deploy goes first", WAIT)


def _said(image: Image, made: Counter[str]) -> str:
    if not made:
        return f"Everything that {image} needs was there."
    names: dict[str, str] = {ZSTD: "compressed layers", CHUNKED: "layers for partial pulls", DELTA: "differences"}
    parts = [f"{names[kind]}: {count}" for kind, count in sorted(made.items())]
    return f"{image} is ready for pushes. Made: {', '.join(parts)}."
