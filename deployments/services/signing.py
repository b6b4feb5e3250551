"""Who may sign upgrades of ``ffs-node``."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest

from deployments.models import SigningKey
from deployments.models.signing import signer_line, signing_key_context
from ffsweb.accounts.models import User
from ffsweb.audit.services import record
from ffsweb.remote import keys
from ffsweb.web.keys import worker_sealer


def upgrade_signers(*, actor: User, request: HttpRequest | None = None) -> str:
    """The nodes' list of allowed signers (ssh-keygen(1), ALLOWED SIGNERS). One query.

    The first who asks has the installation's key made, whatever becomes of what it was for.
    """
    rows = list(SigningKey.objects.all()) or [_make(actor, request)]
    return "".join(f"{signer_line(row.public_key)}\n" for row in rows)


@transaction.atomic
def _make(actor: User, request: HttpRequest | None) -> SigningKey:
    # Two requests at once may make two keys: nodes then know both, and either may sign.
    private_key, line = keys.generate()
    public_key = keys.parse_public_key(line).line
    sealed = worker_sealer().seal(private_key, signing_key_context(public_key))
    made = SigningKey.objects.create(public_key=public_key, sealed_private_key=sealed)
    record(actor=actor, action="signing_key.make", detail={"public_key": public_key}, request=request)
    return made
