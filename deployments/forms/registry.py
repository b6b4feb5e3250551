"""What people type about registries elsewhere."""

from __future__ import annotations

from typing import Any

from django import forms

from deployments.models.registry import registry_host
from deployments.oci.references import LIMIT, BadReference, parse_reference

_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class PullForm(forms.Form):
    """An image in a registry."""

    reference = forms.CharField(
        max_length=LIMIT,
        label="Image",
        help_text="With the registry's name, and a tag or a digest: registry.example.com/team/app:1.0.",
        widget=forms.TextInput(attrs=_PLAIN),
    )

    def clean_reference(self) -> str:
        """A complete name."""
        try:
            return str(parse_reference(self.cleaned_data["reference"]))
        except BadReference as error:
            raise forms.ValidationError(str(error)) from error


class RegistryForm(forms.Form):
    """How to come to a registry."""

    host = forms.CharField(
        max_length=255,
        label="Registry",
        validators=[registry_host],
        help_text="Its host name, with a port if it has one: registry.example.com.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    username = forms.CharField(
        max_length=150, required=False, label="User name", widget=forms.TextInput(attrs=_PLAIN)
    )
    password = forms.CharField(
        max_length=4096,
        required=False,
        strip=False,
        label="Password or token",
        help_text="It is sealed: the worker alone opens it, and no page shows it again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    plain_http = forms.BooleanField(
        required=False,
        label="Plain HTTP",
        help_text="The registry has no TLS: the password and the image can be read on the way.",
    )

    def clean(self) -> dict[str, Any]:
        """A user and a password, or neither."""
        data = super().clean() or {}
        if bool(data.get("username")) != bool(data.get("password")) and not self.errors:
            missing = "password" if data.get("username") else "username"
            self.add_error(missing, "Give both the user name and the password, or neither.")
        if ":" in data.get("username", ""):
            self.add_error("username", "A user name has no colon.")
        return data
