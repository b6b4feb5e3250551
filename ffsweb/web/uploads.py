"""Views that take uploads say so; every other one gets the body of a form at most (``ffsweb.intake``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


def upload_view(view: View) -> View:
    """Lets those whom the view admits send it files up to FFSWEB_UPLOAD_LIMIT. The outermost decorator."""
    view.takes_uploads = True  # type: ignore[attr-defined]
    return view


def takes_uploads(view: Callable[..., Any]) -> bool:
    """Whether ``upload_view`` decorates it."""
    return getattr(view, "takes_uploads", False) is True
