"""``{% load restored %}{% restored_database as restored %}``: what waits for an administrator's word."""

from __future__ import annotations

from django import template
from django.db import connection

from ffsweb.operations import restored

register = template.Library()


@register.simple_tag
def restored_database() -> restored.Restored | None:
    """When it was restored and of what, as long as nobody said that the old dashboard is off; one query.

    Error pages of asynchronous views are made in threads that no request begins or ends in: what is connected there
    would never be looked after again, and be broken after a restart of the database. So it is closed at once.
    """
    found_open = connection.connection is not None
    try:
        return restored.restored()
    finally:
        if not found_open:
            connection.close()
