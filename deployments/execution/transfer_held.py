"""The forms of one push: chosen once, and there until it ends.

What a node has fetched of a layer is of use with the very same bytes alone. So a form that was taken is taken again
after a cut, though a better one was made meanwhile, and no tidying removes it. Of what earlier pushes left on the
node, its facts name the blobs.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from deployments.oci.errors import BlobDamaged, BlobMissing
from deployments.oci.forms_errors import FormGone
from deployments.oci.verified import verify_once

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection

    from deployments.oci.forms import Form, Forms
    from deployments.oci.forms_values import Kind, Wanted

TRIES = 3
"""Between the making of a form and its taking another process may remove it, where the cache is far too small."""


class HeldForms:
    """A block within which what was taken stays. For one thread."""

    def __init__(self, forms: Forms) -> None:
        self.forms = forms
        self._taken: dict[tuple[Kind, str, str], Form] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._taken.clear()
        self._stack.close()

    def taken(self, kind: Kind, diff_id: str, base: str = "") -> Form | None:
        """The form of this kind that was taken before."""
        return self._taken.get((kind, diff_id, base))

    def find(self, wanted: Wanted, rather: Collection[str]) -> Form | None:
        """The one that was taken before, or the best that is there, or one whose digest is in ``rather``."""
        taken = self.taken(wanted.kind, wanted.diff_id, wanted.base)
        return taken or self.forms.find(wanted.kind, wanted.diff_id, wanted.base, rather=rather)

    def take(self, wanted: Wanted, rather: Collection[str], stop: threading.Event) -> Form:
        """The same, made if there is none; it stays from now on.

        It was read through: what the disk has changed is made anew. Raises FormGone when it is removed as fast as it
        is made, and what making it raises.
        """
        key = (wanted.kind, wanted.diff_id, wanted.base)
        if key in self._taken:
            return self._taken[key]
        for _ in range(TRIES):
            form = self.find(wanted, rather) or self.forms.make(wanted, stop)
            try:
                verify_once(form.path, form.digest)
            except BlobMissing:
                continue
            except BlobDamaged:
                self.forms.discard(form)
                continue
            try:
                self._stack.enter_context(self.forms.use([form]))
            except FormGone:
                continue
            self._taken[key] = form
            return form
        raise FormGone("A converted layer is gone or damaged as soon as it is made. Is FFSWEB_FORMS_LIMIT too small?")
