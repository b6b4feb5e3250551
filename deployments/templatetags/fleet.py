"""What only the fleet's pages write: ``{% load fleet %}``."""

from __future__ import annotations

from django import template

from deployments.core.moments import moment

register = template.Library()
register.filter("moment", moment)
