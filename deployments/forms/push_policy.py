"""What an admin says about images that are pushed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from deployments.core.push_policy import OFF, PATTERN
from deployments.core.rollout import Rollout, RolloutError, check
from deployments.models import PushPolicy

if TYPE_CHECKING:
    from ffsweb.accounts.models import Project

_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class PushPolicyForm(forms.Form):
    """The policy of ``project``."""

    mode = forms.ChoiceField(
        label="When an image is pushed", choices=PushPolicy.Mode.choices, widget=forms.RadioSelect
    )
    pattern = forms.CharField(
        label="Names that count",
        max_length=200,
        help_text="Name and tag, as the list of images has them; * is anything: shop:v*, web:main.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    services = forms.CharField(
        required=False,
        max_length=400,
        help_text="Their names, such as www. Empty: all.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    tags = forms.CharField(
        label="Tags of nodes",
        required=False,
        max_length=400,
        help_text="Only services on nodes with one of these. Empty: all.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    waves = forms.CharField(
        required=False,
        max_length=400,
        help_text="Such as 1, rest. Empty: all together.",
        widget=forms.TextInput(attrs=_PLAIN),
    )

    def __init__(self, data: Any = None, *, project: Project) -> None:
        row = PushPolicy.objects.filter(project=project).first()
        initial: dict[str, Any] = {"mode": OFF, "pattern": f"{project.name}:*"}
        if row:
            initial = {"mode": row.mode, "pattern": row.pattern, "waves": row.waves}
            initial |= {"services": " ".join(row.services), "tags": " ".join(row.tags)}
        super().__init__(data, initial=initial)

    def clean_pattern(self) -> str:
        """Letters of names and of patterns alone."""
        text = str(self.cleaned_data["pattern"])
        if not PATTERN.fullmatch(text) or ":" not in text:
            raise forms.ValidationError("Write a name and a tag with a colon between, such as shop:v*.")
        return text

    def clean_services(self) -> list[str]:
        """The names, in order."""
        return _words(self.cleaned_data["services"])

    def clean_tags(self) -> list[str]:
        """The tags, in order."""
        return _words(self.cleaned_data["tags"])

    def clean_waves(self) -> str:
        """Waves that can be."""
        text = " ".join(str(self.cleaned_data["waves"]).split())
        try:
            check(Rollout(waves=text))
        except RolloutError as error:
            raise forms.ValidationError(str(error)) from error
        return text


def _words(text: str) -> list[str]:
    return sorted(set(text.replace(",", " ").split()))
