"""An image is pulled from a registry elsewhere: by skopeo, verified, and taken in as an upload is."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from deployments.execution.record import record_images
from deployments.execution.skopeo import Login, PullFailed, Skopeo, opened
from deployments.models import RegistryCredential
from deployments.models.image_store import store
from deployments.models.registry import registry_context
from deployments.oci.archive import import_layout
from deployments.oci.drafts import RESERVE
from deployments.oci.errors import ImageError
from deployments.oci.limits import ImageLimits
from deployments.oci.manifests import Manifest
from deployments.oci.pulling import Part, parts_of, size_of, write_layout
from deployments.oci.references import Reference, parse_reference
from deployments.oci.store import ImportedImage
from ffsweb.accounts.models import Project
from ffsweb.operations.contract import Outcome
from ffsweb.operations.states import State
from ffsweb.sealed import CannotOpen
from ffsweb.web.keys import worker_opener
from ffsweb.web.measures import size_in_words

if TYPE_CHECKING:
    from ffsweb.operations.context import Context

REPORT_EVERY = 2.0
"""Seconds between two lines that tell how far it is."""
SLACK = 16 * 1024 * 1024
"""Bytes by which more may come than the manifests state."""
_NOTHING = "Nothing was kept."


def pull_image(context: Context) -> Outcome:
    """Pull the image that ``reference`` of the parameters names, for every architecture of linux."""
    recorded = context.done("record")
    if recorded is not None:
        return Outcome(State.SUCCEEDED, str(recorded["said"]))
    reference = parse_reference(str(context.operation.params["reference"]))
    try:
        login = _login(context, reference.host)
        with _place(context) as place:
            with opened(login, place) as skopeo:
                parts = _parts(context, skopeo, reference)
                _room(size_of(parts))
                fetched = [(part, _fetched(context, skopeo, reference, parts, at)) for at, part in enumerate(parts)]
            write_layout(place / "layout", [(part, place / name) for part, name in fetched])
            found = import_layout(place / "layout", store(), _limits(), _reporter(context, "taken in"))
            return _recorded(context, reference, found)
    except (PullFailed, ImageError) as error:
        context.checkpoint()  # whoever cancelled knows why it ended
        message = str(error) if isinstance(error, ImageError) else f"{error} {_NOTHING}"
        context.log(message, stream="error")
        return Outcome(State.FAILED, message)


def _login(context: Context, host: str) -> Login:
    row = RegistryCredential.objects.filter(project_id=context.operation.project_id, host=host).first()
    if row is None:
        return Login(host)
    password = None
    if row.sealed_password:
        try:
            password = worker_opener().open(bytes(row.sealed_password), registry_context(row.project_id, host))
        except CannotOpen as error:
            raise PullFailed(f"The password for {host} cannot be opened. Enter it again on “Registries”.") from error
        context.protect(password)
    return Login(host, row.username, password, row.plain_http)


@contextmanager
def _place(context: Context) -> Iterator[Path]:
    """A directory on the data disk. What an earlier attempt left, which a killed worker ended, is removed first."""
    above: Path = settings.DATA / "pulls"
    above.mkdir(mode=0o700, exist_ok=True)
    for left in above.glob(f"{context.operation.id}-*"):
        shutil.rmtree(left, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=f"{context.operation.id}-", dir=above))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _parts(context: Context, skopeo: Skopeo, reference: Reference) -> list[Part]:
    context.log(f"Asking {reference.host} for {reference}.")
    body = skopeo.manifest(str(reference), context.checkpoint)
    found = parts_of(body)
    if isinstance(found, Manifest):
        return [Part(body, found, None)]
    parts = []
    for entry in found:
        body = skopeo.manifest(reference.at(entry.digest), context.checkpoint)
        manifest = parts_of(body)
        if not isinstance(manifest, Manifest):
            raise PullFailed(f"{reference.host} gave an index in place of a manifest.")
        parts.append(Part(body, manifest, entry.platform))
    names = ", ".join(str(part.platform or "one") for part in parts)
    context.log(f"The image is there for {len(parts)} architectures: {names}.")
    return parts


def _room(size: int) -> None:
    """Raises PullFailed when it is more than an upload may be, or than the disk takes packed and unpacked."""
    if size > settings.UPLOAD_LIMIT:
        limit = size_in_words(settings.UPLOAD_LIMIT)
        raise PullFailed(f"The image has {size_in_words(size)}; at most {limit} are taken.")
    if shutil.disk_usage(settings.DATA).free < 3 * size + RESERVE:
        raise PullFailed(f"The dashboard's disk has not enough room: the image has {size_in_words(size)}, packed.")


def _fetched(context: Context, skopeo: Skopeo, reference: Reference, parts: list[Part], at: int) -> str:
    """Fetch one part; the name of its directory."""
    part, directory = parts[at], f"part-{at}"
    stated = size_of([part])
    report = _reporter(context, f"of {part.platform} fetched" if part.platform else "fetched")

    def look(size: int) -> None:
        report(size, stated)
        if size > stated + SLACK:
            raise PullFailed(f"{reference.host} sends more than the image's manifest states.")
        if shutil.disk_usage(settings.DATA).free < RESERVE:
            raise PullFailed("The dashboard's disk is nearly full.")

    with context.step(f"fetch {part.platform}" if part.platform else "fetch") as step:
        skopeo.copy(reference.at(part.digest), directory, look)
        step.evidence({"manifest": part.digest, "bytes": stated})
    return directory


def _recorded(context: Context, reference: Reference, found: tuple[ImportedImage, ...]) -> Outcome:
    named = tuple(replace(image, reference=str(reference)) for image in found)
    with context.step("record") as step:
        project = Project.objects.get(pk=context.operation.project_id)
        image = record_images(project, named, context.operation.actor_name, f"pull from {reference.host}")
        architectures = ", ".join(each.architecture for each in found)
        said = f"The image {image} is in the store, for {architectures}. Make a release of it next."
        step.evidence({"images": [each.image_id for each in found], "said": said})
    return Outcome(State.SUCCEEDED, said)


def _limits() -> ImageLimits:
    limit: int = settings.UPLOAD_LIMIT
    return ImageLimits(archive_bytes=limit + SLACK, expanded_bytes=max(ImageLimits().expanded_bytes, 2 * limit))


def _reporter(context: Context, what: str) -> Callable[[int, int | None], None]:
    last = [time.monotonic()]

    def report(done: int, total: int | None) -> None:
        context.checkpoint()
        if total and time.monotonic() - last[0] >= REPORT_EVERY:
            last[0] = time.monotonic()
            context.log(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB {what}.")

    return report
