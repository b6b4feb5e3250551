"""What can be wrong with another form of a layer. The layer itself is never touched.

::

    FormError
    ├── FormStopped     the making was cancelled
    ├── FormGone        it was removed from the cache meanwhile; make it again
    ├── CannotMake      this machine cannot make the form: too large, no program for it, one that is too old
    └── FormFailed      the child process failed; the message has its words
"""

from __future__ import annotations


class FormError(Exception):
    """The root; the layer can still be sent in another form."""


class FormStopped(FormError):
    """The making was cancelled."""


class FormGone(FormError):
    """It was removed from the cache meanwhile."""


class CannotMake(FormError):
    """This machine cannot make the form."""


class FormFailed(FormError):
    """The child process failed."""
