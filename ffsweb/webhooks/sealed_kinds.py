"""What is sealed of webhooks."""

from __future__ import annotations

from ffsweb.web.sealed_kinds import SealedKind, Values

from .models import Endpoint


def _secrets(most: int | None) -> Values:
    for row in Endpoint.objects.order_by("-pk")[:most].iterator():
        yield str(row), row.sealed_secret, row.context
        if row.sealed_old_secret is not None:
            yield f"{row} (the one before)", row.sealed_old_secret, row.context


SECRETS = SealedKind("the secret of a webhook", "Secrets of webhooks", _secrets)
