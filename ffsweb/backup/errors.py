"""Everything that ``ffsweb.backup`` raises; the texts are for operators.

::

    BackupError
    ├── NotMade        a backup could not be made; no file was left behind
    ├── Damaged        a file is no backup, was cut, changed or forged; nothing of it was kept
    ├── WrongKey       a file is whole as far as can be seen, and no key that is here opens it
    └── NotRestored    the backup may be good, but this installation does not take it; the text says what was changed
"""

from __future__ import annotations


class BackupError(Exception):
    """Base of the tree; its text says what happened, what was left as it was and what to do."""


class NotMade(BackupError):
    """No backup was made."""


class Damaged(BackupError):
    """This is no whole backup."""


class WrongKey(BackupError):
    """No key that is here opens it."""


class NotRestored(BackupError):
    """The backup was not restored, or not to its end."""
