"""The form by which a certificate comes in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from certificates.core.x509 import MAX_PEM
from ffsweb.web.forms import SecretTextarea


class CertificateForm(forms.Form):
    """A PEM pair, as files or as text."""

    label = forms.CharField(required=False, max_length=80, help_text="How it is called here; its name by default.")
    chain_file = forms.FileField(required=False, label="Certificate and chain (PEM file)")
    chain_text = forms.CharField(
        required=False,
        label="Or as text",
        # A key may be pasted here by mistake, or a file of both.
        widget=SecretTextarea(attrs={"rows": 5}),
    )
    key_file = forms.FileField(required=False, label="Private key (PEM file)")
    key_text = forms.CharField(
        required=False,
        label="Or as text",
        widget=SecretTextarea(attrs={"rows": 5}),
    )
    passphrase = forms.CharField(
        required=False,
        strip=False,
        max_length=1024,
        help_text="Only if the key is encrypted. It is used once and not kept.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )

    def clean(self) -> dict[str, object]:
        """Either a file or a text for both halves; adds ``chain`` and ``key`` as bytes."""
        data = super().clean() or {}
        for half, name in (("chain", "certificate"), ("key", "private key")):
            content = self._read(data.get(f"{half}_file")) or data.get(f"{half}_text", "").encode()
            if not content.strip():
                raise ValidationError(f"The {name} is missing: choose its file, or paste its text.")
            data[half] = content
        return data

    @staticmethod
    def _read(upload: Any) -> bytes:
        return bytes(upload.read(MAX_PEM + 1)) if upload else b""
