"""Differences between large project files: made once, at low priority, and kept beside the files for every node."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from django.conf import settings

from deployments.core.filetransfer import transfer
from deployments.oci.errors import ImageError
from deployments.oci.filestore import files_directory
from deployments.oci.filestream import packed_size
from deployments.oci.forms import DELTA, Form, Forms, Wanted
from deployments.oci.forms_errors import FormError, FormStopped

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator

    from deployments.core.filetransfer import Alike
    from deployments.core.filetree import FileTree
    from deployments.oci.blobs import BlobDirectory
    from deployments.oci.store import Store

LIMIT = 2_000_000_000
"""Bytes of all differences that are kept; the longest unused go first, and all can be made again."""


def file_blobs() -> BlobDirectory:
    """The content of all project files."""
    return files_directory(settings.DATA / "files")


def file_forms() -> Forms:
    """The cache of differences."""
    # Of a store, deltas need its blobs alone.
    store = cast("Store", SimpleNamespace(blobs=file_blobs()))
    return Forms(store, settings.DATA / "files" / "deltas", LIMIT)


def make_deltas(alike: Iterable[Alike], stop: threading.Event) -> Iterator[tuple[Alike, Form]]:
    """The differences that are worth sending, one after the other; the others are left out.

    Those that nobody asked for yet are made now, each in a child process of its own. Raises FormStopped.
    """
    forms = file_forms()
    for each in alike:
        try:
            form = forms.make(Wanted(DELTA, each.entry.digest, each.old.digest), stop)
        except FormStopped:
            raise
        except (FormError, ImageError):
            continue  # the old content is gone, or there is no memory: it travels whole
        if _is_smaller(form.size, each.entry.digest):
            yield each, form


def known_delta(alike: Alike, forms: Forms) -> int | None:
    """Bytes of a difference if it was made already. For estimates; two reads of small files."""
    form = forms.find(DELTA, alike.entry.digest, alike.old.digest)
    return form.size if form else None


def prepare(before: FileTree, after: FileTree, stop: threading.Event) -> int:
    """Make the differences that lead from one version to the next, before a node waits for them; how many."""
    return sum(1 for _ in make_deltas(transfer(before, after).alike, stop))


@lru_cache(maxsize=4096)
def _is_smaller(size: int, digest: str) -> bool:
    """Whether a difference is smaller than the content compressed. Reads no more of that than it takes to know."""
    return packed_size([file_blobs().path(digest)], size) > size
