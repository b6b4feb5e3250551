"""What the templates of certificates write: ``{% load certs %}``."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def pairs(digits: str) -> str:
    """Hex digits in upper case, two by two: ``4F:2A:…``, as browsers and openssl show a fingerprint."""
    even = digits if len(digits) % 2 == 0 else f"0{digits}"
    return ":".join(even[at : at + 2] for at in range(0, len(even), 2)).upper()
