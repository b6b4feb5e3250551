"""Forms that more than one page uses."""

from __future__ import annotations

from typing import Any

from django import forms


class ConfirmNameForm(forms.Form):
    """A destructive verb: the name of what goes has to be typed. Used with ``ui/confirm.html``."""

    name = forms.CharField(
        max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected
        self.fields["name"].label = f"Type {expected} to confirm"

    def clean_name(self) -> str:
        """The typed name, if it is exactly the expected one."""
        typed = str(self.cleaned_data["name"])
        if typed != self.expected:
            raise forms.ValidationError(f"This is not {self.expected}. Nothing was changed.")
        return typed
