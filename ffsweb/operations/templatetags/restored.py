"""``{% load restored %}{% restored_database as restored %}``: what waits for an administrator's word."""

from __future__ import annotations

from django import template

from ffsweb.operations import restored

register = template.Library()


@register.simple_tag
def restored_database() -> restored.Restored | None:
    """When it was restored and of what, as long as nobody said that the old dashboard is off; one query."""
    return restored.restored()
