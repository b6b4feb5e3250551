"""What the page of uploads asks for itself: ``{% load uploads %}``."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context

from deployments.models import Upload
from ffsweb.web.measures import size_in_words

register = template.Library()


@register.simple_tag(takes_context=True)
def unfinished_uploads(context: Context, what: str) -> list[Upload]:
    """The project's unfinished uploads of this kind, the viewer's own first. One query."""
    request: Any = context["request"]
    rows = Upload.objects.unfinished().filter(project=request.project, what=what).select_related("owner")
    return sorted(rows, key=lambda row: not row.belongs_to(request.user))


@register.simple_tag(takes_context=True)
def is_own(context: Context, upload: Upload) -> bool:
    """Whether whoever looks began it."""
    return upload.belongs_to(context["request"].user)


@register.filter
def so_far(upload: Upload) -> str:
    """How much of it is here: ``3.2 of 8.1 GB``, the unit once if it is the same. One stat(2)."""
    here, unit = size_in_words(upload.received).split()
    whole = size_in_words(upload.size)
    return f"{here} of {whole}" if whole.endswith(f" {unit}") else f"{here} {unit} of {whole}"
