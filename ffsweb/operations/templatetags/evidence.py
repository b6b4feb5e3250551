"""``{% load evidence %}``: ``{{ step.evidence|findings }}``."""

from __future__ import annotations

from django import template

from ffsweb.operations import evidence

register = template.Library()
register.filter("findings", evidence.findings)
