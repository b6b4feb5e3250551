"""The form of an endpoint."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from .addresses import BadAddress, parse
from .events import EVENTS, USUAL


class EndpointForm(forms.Form):
    """Address and events. Whether the address may be posted to is decided at each post, by what it resolves to."""

    url = forms.CharField(
        label="Address",
        max_length=500,
        help_text="An https address, such as https://hooks.example.org/ffsweb.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    events = forms.MultipleChoiceField(
        label="Events", choices=list(EVENTS.items()), initial=list(USUAL), widget=forms.CheckboxSelectMultiple
    )

    def clean_url(self) -> str:
        """One that could be posted to, as far as that is known without asking anybody."""
        text = str(self.cleaned_data["url"])
        try:
            destination = parse(text)
        except BadAddress as error:
            raise forms.ValidationError(str(error)) from error
        if not destination.tls and not settings.WEBHOOK_PRIVATE:
            raise forms.ValidationError(
                "Write an https address. Plain http is for networks that FFSWEB_WEBHOOK_PRIVATE names."
            )
        return text

    @classmethod
    def of(cls, row: Any, data: Any = None) -> EndpointForm:
        """The form of an endpoint that is there."""
        return cls(data, initial={"url": row.url, "events": row.events})
