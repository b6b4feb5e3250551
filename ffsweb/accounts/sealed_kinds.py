"""What is sealed of accounts."""

from __future__ import annotations

from allauth.mfa.models import Authenticator

from ffsweb.web.keys import WEB
from ffsweb.web.sealed_kinds import SealedKind, Values, decoded

from .mfa import CONTEXT


def _factors(most: int | None) -> Values:
    for row in Authenticator.objects.select_related("user").order_by("-pk")[:most].iterator():
        for name in ("secret", "seed"):
            if sealed := row.data.get(name):
                yield f"{row.type} of {row.user}", decoded(sealed), CONTEXT


FACTORS = SealedKind("a second factor", "Second factors", _factors, ring=WEB)
