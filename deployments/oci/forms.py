"""The cache of other forms of layers: compressed, chunked, deltas. Made once, by whichever process needs one first.

::

    DIRECTORY/entries/KEY/{blob,form.json}   complete or not there; the lock of ``blob`` is shared by its users
    DIRECTORY/making/KEY/                    half made; found under the lock of its key it belongs to nobody alive
    DIRECTORY/locks/KEY                      held by whoever makes KEY; others wait for it

What is longest out of use goes when the cache is larger than its limit, but nothing that is in use. All of it can be
made again from the store.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from . import forms_make
from .digests import is_digest
from .drafts import disk_errors, sync
from .formlocks import held, held_now, share
from .forms_errors import FormGone
from .forms_room import Entry, in_order
from .forms_values import BEST, CHUNKED, DELTA, QUICK, ZSTD, Form, Wanted, preferred

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from .forms_values import Kind
    from .store import Store

__all__ = ["BEST", "CHUNKED", "DELTA", "QUICK", "ZSTD", "Form", "Forms", "Wanted", "preferred"]

_META = "form.json"


class Forms:
    """The forms of a store's layers below ``directory``, about ``limit_bytes`` of them."""

    def __init__(self, store: Store, directory: Path, limit_bytes: int) -> None:
        self.store, self.directory, self.limit = store, directory, limit_bytes
        self._entries, self._making, self._locks = (directory / name for name in ("entries", "making", "locks"))
        with disk_errors():
            for each in (directory, self._entries, self._making, self._locks):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)

    def find(self, kind: Kind, diff_id: str, base: str = "", *, rather: Collection[str] = ()) -> Form | None:
        """The best form of this kind that is there, or one whose digest is in ``rather``. It may be gone a moment
        later: see ``use``. Two reads."""
        return preferred(self.every(kind, diff_id, base), rather)

    def every(self, kind: Kind, diff_id: str, base: str = "") -> tuple[Form, ...]:
        """All forms of this kind that are there, the best first. Two reads."""
        read = (self._read(Wanted(kind, diff_id, base, quality)) for quality in (BEST, QUICK))
        return tuple(form for form in read if form is not None)

    def has(self, wanted: Wanted) -> bool:
        """Whether exactly this form is there."""
        return self._read(wanted) is not None

    def make(self, wanted: Wanted, stop: threading.Event) -> Form:
        """The form, made now if it is not there; one process makes it and the others wait for that.

        A quick form is not made where the best one is. Raises FormStopped, CannotMake, FormFailed, BlobMissing,
        BlobDamaged, DiskFull; then nothing is left of it.
        """
        found = self._read(wanted)
        if found is None and wanted.quality == QUICK:
            found = self.find(wanted.kind, wanted.diff_id, wanted.base)
        if found is not None:
            return found
        with held(self._locks / wanted.key, stop), disk_errors():
            found = self._read(wanted)
            if found is not None:
                return found
            directory = self._making / wanted.key
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(mode=0o700)
            try:
                form = forms_make.make(wanted, self.store, directory, stop)
                self._keep(wanted, form, directory)
            finally:
                shutil.rmtree(directory, ignore_errors=True)
        self.tidy(keep=wanted.key)
        return replace(form, path=self._entries / wanted.key / forms_make.MADE)

    @contextmanager
    def use(self, forms: Iterable[Form]) -> Iterator[None]:
        """These stay while the block lasts, and count as used now. Raises FormGone if one of them is gone already."""
        with ExitStack() as stack:
            for form in forms:
                descriptor = share(form.path)
                if descriptor is None:
                    raise FormGone("A converted layer was removed from the cache meanwhile.")
                stack.callback(os.close, descriptor)
                os.utime(form.path.parent / _META)
            yield

    def discard(self, form: Form) -> bool:
        """Remove a damaged one, so that it is made again; False while somebody uses it."""
        return self._remove(form.wanted.key)

    def size(self) -> int:
        """Bytes of all forms."""
        return sum(entry.size for entry in self._all())

    def tidy(self, *, keep: str = "") -> int:
        """Remove what dead makers left, what a better form has replaced for a while, and beyond the limit what is
        replaced and then the longest unused.

        Nothing in use, and not ``keep``. Bytes removed.
        """
        for left in list(self._making.iterdir()):
            with held_now(self._locks / left.name) as free:
                if free:
                    shutil.rmtree(left, ignore_errors=True)
        removed, entries = 0, self._all()
        total = sum(entry.size for entry in entries)
        for entry, stale in in_order(entries, time.time()):
            wanted = entry.name != keep and (stale or total - removed > self.limit)
            if wanted and self._remove(entry.name):
                removed += entry.size
        return removed

    def forget(self, layers: Iterable[str]) -> int:
        """Remove the forms of (and deltas from) layers that are not among ``layers``; how many. For a collection."""
        known = set(layers)
        gone = 0
        for entry in self._all():
            parts = {f"sha256:{part}" for part in entry.name.split("-")[2:]}
            if not parts <= known and self._remove(entry.name):
                gone += 1
        return gone

    def _remove(self, name: str) -> bool:
        """Whether it was removed: not while somebody uses it. Its name goes first, so that nobody begins to."""
        directory = self._entries / name
        try:
            with held_now(directory / forms_make.MADE) as free:
                if not free:
                    return False
                trash = self._making / name
                with held_now(self._locks / name) as mine:
                    if not mine:
                        return False
                    shutil.rmtree(trash, ignore_errors=True)
                    directory.rename(trash)
                    shutil.rmtree(trash, ignore_errors=True)
                    (self._locks / name).unlink(missing_ok=True)
        except FileNotFoundError:
            return False
        return True

    def _all(self) -> list[Entry]:
        found = []
        for directory in self._entries.iterdir():
            try:
                blob, meta = (directory / forms_make.MADE).stat(), (directory / _META).stat()
            except FileNotFoundError:
                continue
            used = meta.st_mtime_ns != blob.st_mtime_ns
            found.append(Entry(directory.name, blob.st_size, meta.st_mtime, used))
        return found

    def _keep(self, wanted: Wanted, form: Form, directory: Path) -> None:
        meta = {"digest": form.digest, "size": form.size, "annotations": dict(form.annotations)}
        (directory / _META).write_text(json.dumps(meta))
        made = (directory / forms_make.MADE).stat().st_mtime_ns
        os.utime(directory / _META, ns=(made, made))  # until somebody uses it
        for name in (forms_make.MADE, _META):
            sync(directory / name)
        directory.rename(self._entries / wanted.key)
        sync(self._entries)

    def _read(self, wanted: Wanted) -> Form | None:
        directory = self._entries / wanted.key
        try:
            meta = json.loads((directory / _META).read_bytes())
            size = (directory / forms_make.MADE).stat().st_size
        except (FileNotFoundError, ValueError):
            return None
        if not isinstance(meta, dict) or meta.get("size") != size or not is_digest(meta.get("digest")):
            return None
        notes = tuple(sorted((str(key), str(value)) for key, value in dict(meta.get("annotations") or {}).items()))
        path = directory / forms_make.MADE
        return Form(wanted.kind, meta["digest"], size, path, wanted.diff_id, wanted.base, notes, wanted.quality)
