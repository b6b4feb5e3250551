"""What the image store keeps, and why; and collections that somebody asks for."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, Sum

from deployments.models import Collection, Image, ImageLayer, ProjectBlob, Release
from deployments.oci.store import Keep
from ffsweb.audit.services import record
from ffsweb.operations.models import Operation

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ffsweb.accounts.models import User

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def kept_digests() -> Keep:
    """What no collection removes: all that a row refers to. Whoever comes to refer to blobs adds them here.

    The images of every project stay, in a release or not: people remove those. A push may be about blobs of which no
    image is made yet. An operation that has not ended may need whatever its parameters name.
    """
    images = frozenset(Image.objects.values_list("manifest_digest", flat=True))
    return Keep(needed=images, wanted=_of_pushes() | _of_operations())


@dataclass(frozen=True, slots=True)
class OthersKept:
    """What is kept beside images: blobs of pushes that may go on, and their bytes; operations that have not ended."""

    pushed: int
    pushed_bytes: int
    operations: int


def others_kept() -> OthersKept:
    """For the page. Two queries."""
    pushed = ProjectBlob.objects.unfinished().values("diff_id").annotate(once=Max("content_size"))
    told = pushed.aggregate(blobs=Count("diff_id"), all=Sum("once"))
    return OthersKept(told["blobs"], told["all"] or 0, Operation.objects.active().count())


def _of_pushes() -> frozenset[str]:
    """What was pushed a short while ago: its image may be still to come."""
    return frozenset(ProjectBlob.objects.unfinished().values_list("diff_id", flat=True))


def _of_operations() -> frozenset[str]:
    """Every digest in the parameters of operations that have not ended; the store need not have them."""
    params = Operation.objects.active().values_list("params", flat=True)
    return frozenset(digest for each in params for digest in _DIGEST.findall(json.dumps(each)))


@dataclass(frozen=True, slots=True)
class ProjectShare:
    """What one project has in the store: ``own`` bytes are in no other project's images."""

    name: str
    images: int
    in_releases: int
    size: int
    own: int

    @property
    def shared(self) -> int:
        """Bytes that images of other projects have too."""
        return self.size - self.own


def shares() -> list[ProjectShare]:
    """What each project with images has in the store, the largest first. Two queries; reads every layer's row."""
    owners: dict[str, set[str]] = defaultdict(set)
    sizes: dict[str, int] = {}
    for name, diff_id, size in ImageLayer.objects.values_list("image__project__name", "diff_id", "size").distinct():
        owners[diff_id].add(name)
        sizes[diff_id] = size
    total: dict[str, int] = defaultdict(int)
    own: dict[str, int] = defaultdict(int)
    for diff_id, names in owners.items():
        for name in names:
            total[name] += sizes[diff_id]
        if len(names) == 1:
            own[next(iter(names))] += sizes[diff_id]
    needed = Exists(Release.objects.filter(Q(image=OuterRef("pk")) | Q(variants=OuterRef("pk"))))
    counted = (
        Image.objects.annotate(needed=needed)
        .values_list("project__name")
        .annotate(images=Count("pk"), used=Count("pk", filter=Q(needed=True)))
        .order_by()
    )
    found = [ProjectShare(name, images, used, total[name], own[name]) for name, images, used in counted]
    return sorted(found, key=lambda share: (-share.size, share.name))


def request_collection(*, actor: User, request: HttpRequest | None = None) -> Collection:
    """Ask the worker to collect the store now; one that waits already is taken. Audited."""
    with transaction.atomic():
        asked = Collection.objects.open().first() or Collection.objects.create(asked_by=actor.get_username())
        record(actor=actor, action="store.collect", target=str(asked), request=request)
    return asked
