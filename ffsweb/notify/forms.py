"""The forms of mail: the server, and a project's listed addresses."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from ffsweb.env import EnvironmentProblem, public

from .models import MailServer, Tls
from .outbox import usable
from .server import is_address, is_loopback

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class MailServerForm(forms.Form):
    """Where mail is handed over. ``before`` is what is stored; its password stays if the field is left empty."""

    host = forms.CharField(label="Mail server", max_length=253, help_text="Its name, as its certificate has it.")
    port = forms.IntegerField(min_value=1, max_value=65535, initial=587)
    tls = forms.ChoiceField(label="Protection", choices=Tls.choices, initial=Tls.STARTTLS)
    user = forms.CharField(
        label="User name",
        max_length=200,
        required=False,
        help_text="Empty: no log-in.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        max_length=500,
        required=False,
        strip=False,
        help_text="Sealed at once: only the worker can open it. Empty: the one that is stored stays.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    sender = forms.EmailField(label="Sender", help_text="The address that mail comes from.")
    base_url = forms.CharField(
        label="Address of the dashboard",
        max_length=200,
        required=False,
        help_text="What links in mails begin with, such as https://ffs.example.org. Empty: FFSWEB_PUBLIC_URL.",
    )

    def __init__(self, *args: Any, before: MailServer | None, **kwargs: Any) -> None:
        if before is not None:
            kwargs["initial"] = {name: getattr(before, name) for name in self.base_fields if name != "password"}
        super().__init__(*args, **kwargs)
        self.before = before

    def clean_host(self) -> str:
        """A host name or an IP address."""
        host = str(self.cleaned_data["host"])
        if not _HOST.fullmatch(host) and not is_address(host):
            raise forms.ValidationError("Write a host name or an IP address, without port and scheme.")
        return host

    def clean_sender(self) -> str:
        """An address that every server takes."""
        sender = str(self.cleaned_data["sender"])
        if not usable(sender):
            raise forms.ValidationError("Write an address of plain ASCII characters.")
        return sender

    def clean_base_url(self) -> str:
        """Scheme and host alone."""
        text = str(self.cleaned_data["base_url"])
        try:
            return public(text) if text else ""
        except EnvironmentProblem:
            raise forms.ValidationError(
                "Write scheme and host alone, for instance https://ffs.example.org."
            ) from None

    def clean(self) -> dict[str, Any]:
        """No mail in the clear to another machine; and a password that is meant for this server."""
        given: dict[str, Any] = super().clean() or {}
        if given.get("tls") == Tls.NONE and not is_loopback(given.get("host", "localhost")):
            self.add_error("tls", "Without TLS only a server on this machine is used: localhost or 127.0.0.1.")
        if given.get("user") and not given.get("password") and not self._same_place(given):
            self.add_error(
                "password", "Enter the password: one that was stored counts for its own server, port and user only."
            )
        return given

    def _same_place(self, given: dict[str, Any]) -> bool:
        before = self.before
        if before is None or before.sealed_password is None:
            return False
        return all(getattr(before, name) == given.get(name) for name in ("host", "port", "tls", "user"))


class DigestForm(forms.Form):
    """When a mail a day of what is open is wanted; ``cleaned_data["hour"]`` is None for never."""

    hour = forms.TypedChoiceField(
        label="Each day at",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "Never"), *((hour, f"{hour:02}:00 UTC") for hour in range(24))],
        help_text="It is sent only if something is open.",
    )


class AddressForm(forms.Form):
    """One address that gets a project's mail."""

    address = forms.EmailField(label="Address", max_length=254)

    def clean_address(self) -> str:
        """An address that every server takes."""
        address = str(self.cleaned_data["address"])
        if not usable(address):
            raise forms.ValidationError("Write an address of plain ASCII characters.")
        return address
