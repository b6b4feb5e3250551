"""The form of how a release goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from deployments.core.plan import PlanError
from deployments.core.rollout import BACK, BETWEEN, FAIL, GO, OFFLINE, ON_FAILURE, PAUSE, Rollout, RolloutError, check
from deployments.models import Plan

if TYPE_CHECKING:
    from ffsweb.accounts.models import Project

SUGGESTIONS = ("1, rest", "1, 25%, rest", "50%, rest", "tag canary, rest")
MINUTE = 60


def _choices(words: dict[str, str]) -> list[tuple[str, str]]:
    return [(key, text[:1].upper() + text[1:]) for key, text in words.items()]


class RolloutForm(forms.Form):
    """Waves, and what happens between and after them. What is left out is as in ``Rollout()``."""

    suggestions = SUGGESTIONS

    waves = forms.CharField(
        required=False,
        max_length=400,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false", "list": "wave-suggestions"}),
        help_text="How many more nodes each wave takes: numbers, shares, tags, then the rest. Empty: all together.",
    )
    between = forms.ChoiceField(required=False, choices=_choices(BETWEEN), label="After each wave")
    pause = forms.IntegerField(
        required=False, min_value=1, max_value=7 * 24 * 60, label="Minutes of a pause", help_text="If it pauses."
    )
    tolerated = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=9999,
        label="Failures that are tolerated",
        help_text="So many services may fail and go back alone.",
    )
    on_failure = forms.ChoiceField(required=False, choices=_choices(ON_FAILURE), label="When more fail")
    offline = forms.ChoiceField(required=False, choices=_choices(OFFLINE), label="If nodes cannot be reached")

    def clean(self) -> dict[str, Any]:
        """Adds ``rollout``."""
        said = super().clean() or self.cleaned_data
        between = said.get("between") or GO
        try:
            said["rollout"] = check(
                Rollout(
                    waves=" ".join((said.get("waves") or "").split()),
                    between=between,
                    pause=(said.get("pause") or 0) * MINUTE if between == PAUSE else 0,
                    tolerated=said.get("tolerated") or 0,
                    on_failure=said.get("on_failure") or BACK,
                    offline=said.get("offline") or FAIL,
                )
            )
        except RolloutError as error:
            raise forms.ValidationError(str(error)) from error
        return said

    def said(self) -> str:
        """What is wrong with it, in one line."""
        found = [
            f"{self.fields[name].label or name.capitalize()}: {text}" if name in self.fields else str(text)
            for name, texts in self.errors.items()
            for text in texts
        ]
        return " ".join(found)


def values_of(rollout: Rollout) -> dict[str, Any]:
    """What the form holds for ``rollout``: its initial values, and what another form passes on."""
    return {
        "waves": rollout.waves,
        "between": rollout.between,
        "pause": rollout.pause // MINUTE or None,
        "tolerated": rollout.tolerated,
        "on_failure": rollout.on_failure,
        "offline": rollout.offline,
    }


def last_chosen(project: Project) -> Rollout:
    """How the project's newest plan goes out: what an operator will probably want again. One query."""
    newest = Plan.objects.filter(project=project).order_by("-created_at").first()
    try:
        return newest.parsed().rollout if newest else Rollout()
    except PlanError:
        return Rollout()
