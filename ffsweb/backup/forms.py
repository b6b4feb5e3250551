"""The word that a restored dashboard waits for."""

from __future__ import annotations

from django import forms


class OldIsOffForm(forms.Form):
    """``seen``: when it was restored, as the page showed it."""

    off = forms.BooleanField(label="The old dashboard is switched off, and stays off")
    seen = forms.DateTimeField(widget=forms.HiddenInput)
