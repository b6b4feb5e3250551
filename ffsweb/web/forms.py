"""Forms that more than one page uses."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, QueryDict


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to: the answers of a POST, however few there are, else nothing."""
    return request.POST if request.method == "POST" else None


class SecretTextarea(forms.Textarea):
    """Takes a secret of several lines and never shows it again, not even beside its own error."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"spellcheck": "false", "autocomplete": "off", **(attrs or {})})

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """As of any text area, without the value."""
        return super().get_context(name, None, attrs)


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
