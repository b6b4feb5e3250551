"""The forms by which certificates come in and are made."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from certificates.core.errors import BadName
from certificates.core.making import MAX_DAYS, KeyKind, parse_names
from certificates.core.opensslenc import ROUNDS
from certificates.core.upload import MAX_PEM
from certificates.core.workfactor import MAX_ROUNDS
from certificates.services.inventory import LABEL
from ffsweb.web.forms import SecretTextarea

KINDS = [
    (KeyKind.P256.value, "ECDSA P-256 (fast, taken everywhere)"),
    (KeyKind.P384.value, "ECDSA P-384"),
    (KeyKind.RSA2048.value, "RSA 2048 (for very old clients)"),
    (KeyKind.RSA3072.value, "RSA 3072"),
    (KeyKind.RSA4096.value, "RSA 4096"),
]


class LabelForm(forms.Form):
    """How a certificate is called."""

    label = forms.CharField(max_length=LABEL, help_text="How it is called here.")


class RenewalForm(forms.Form):
    """A certificate with its issuers and its key, as files or as text."""

    chain_file = forms.FileField(
        required=False, label="Certificate and chain (file)", help_text="PEM in any order, or PKCS#12 with the key."
    )
    chain_text = forms.CharField(
        required=False,
        label="Or as text",
        # A key may be pasted here by mistake, or a file of both.
        widget=SecretTextarea(attrs={"rows": 5}),
    )
    key_file = forms.FileField(
        required=False,
        label="Private key (file)",
        help_text="PEM, DER, or server.key.enc made by openssl enc. Not needed if it is in the file above, or if the "
        "request for this certificate was made here.",
    )
    key_text = forms.CharField(
        required=False,
        label="Or as text",
        widget=SecretTextarea(attrs={"rows": 5}),
    )
    passphrase = forms.CharField(
        required=False,
        strip=False,
        max_length=1024,
        help_text="Only if the key or the PKCS#12 file is encrypted. It is used once and not kept.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    rounds = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_ROUNDS,
        label="Iterations of openssl enc",
        help_text=f"Only if server.key.enc was made with -iter; {ROUNDS:,} otherwise.",
    )

    def clean(self) -> dict[str, object]:
        """Adds ``chain`` and ``key`` as bytes, each from its file or its text; ``key`` may be empty."""
        data = super().clean() or {}
        for half in ("chain", "key"):
            content = self._read(data.get(f"{half}_file")) or data.get(f"{half}_text", "").encode()
            data[half] = content if content.strip() else b""
        if not data["chain"]:
            raise ValidationError("The certificate is missing: choose its file, or paste its text.")
        return data

    def material(self) -> dict[str, Any]:
        """The arguments of ``upload_certificate`` that come from here."""
        data = self.cleaned_data
        return {
            "chain": data["chain"],
            "key": data["key"],
            "passphrase": data["passphrase"].encode() or None,
            "rounds": data["rounds"] or ROUNDS,
        }

    @staticmethod
    def _read(upload: Any) -> bytes:
        return bytes(upload.read(MAX_PEM + 1)) if upload else b""


class CertificateForm(RenewalForm):
    """The same, for a certificate that is new here."""

    label = forms.CharField(required=False, max_length=LABEL, help_text="How it is called here; its name by default.")
    field_order = ("label",)


class _NamesForm(forms.Form):
    label = forms.CharField(
        required=False, max_length=LABEL, help_text="How it is called here; the first name by default."
    )
    names = forms.CharField(
        max_length=20_000,
        help_text="DNS names and IP addresses, separated by spaces, commas or lines, such as www.example.org "
        "*.example.org.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    kind = forms.ChoiceField(choices=KINDS, label="Key")

    def clean_names(self) -> tuple[str, ...]:
        """The names, each once."""
        try:
            return parse_names(self.cleaned_data["names"])
        except BadName as error:
            raise ValidationError(str(error)) from error

    def clean_kind(self) -> KeyKind:
        """The kind of key."""
        return KeyKind(self.cleaned_data["kind"])


class RequestForm(_NamesForm):
    """What a certificate is asked for."""

    organisation = forms.CharField(
        required=False, max_length=64, help_text="Only if the authority wants one in the request."
    )


class SelfSignedForm(_NamesForm):
    """What a self-signed certificate is to be for."""

    days = forms.IntegerField(
        min_value=1, max_value=MAX_DAYS, initial=365, help_text=f"How long it is valid; at most {MAX_DAYS} days."
    )
