"""The key by which this installation signs upgrades of ``ffs-node``."""

from __future__ import annotations

from django.db import models

PRINCIPAL = "ffs-node"
NAMESPACE = "ffs-node-upgrade"


def signing_key_context(public_key: str) -> str:
    """What the sealed private half is bound to."""
    return f"signing-key:{public_key}"


def signer_line(public_key: str) -> str:
    """The key in a node's list of allowed signers (ssh-keygen(1), ALLOWED SIGNERS)."""
    return f'{PRINCIPAL} namespaces="{NAMESPACE}" {public_key}'


class SigningKey(models.Model):
    """A key pair of the installation; machine files tell its public half to the nodes.

    A node that knows no key takes no upgrade of ``ffs-node``, so the key has to be there from the first file on.
    """

    public_key = models.TextField(help_text="OpenSSH form: type and base64, without a comment.")
    sealed_private_key = models.BinaryField(help_text="OpenSSH PEM, sealed for the worker.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
