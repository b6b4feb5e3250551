"""Everything that ``ffsweb.sealed`` raises.

::

    SealedError
    ├── CannotOpen          the box was not opened: damaged, another context, or no key of this ring fits
    └── RingError           the key files
        ├── RingMissing     there is no such ring, or it holds no key of the kind asked for
        ├── RingExists      create_ring() found one; nothing was changed
        └── RingUnsafe      a key file or its directory is open to others, or not what it says

No message holds any part of a secret.
"""

from __future__ import annotations


class SealedError(Exception):
    """Base of the tree; its text is for an operator."""


class CannotOpen(SealedError):
    """A sealed value did not open. Nothing was returned and nothing was changed."""


class RingError(SealedError):
    """The key ring on disk cannot be used as it is."""


class RingMissing(RingError):
    """No such ring, or no key in it."""


class RingExists(RingError):
    """The ring is there already; it was left as it was."""


class RingUnsafe(RingError):
    """A key file, or the directory, is open to others or damaged; the message names it."""
