"""The list of operations: its filters, and a page of it."""

from __future__ import annotations

from typing import Any

from django import forms

from ffsweb.accounts.models import Project, User

from .models import Operation, OperationQuerySet
from .states import LABELS

PAGE = 50


class FilterForm(forms.Form):
    """State, kind and project; what is not known is ignored."""

    state = forms.ChoiceField(required=False)
    kind = forms.ChoiceField(required=False)
    project = forms.ChoiceField(required=False)

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        projects = Project.objects.visible_to(user).distinct().values_list("name", flat=True)
        kinds = Operation.objects.visible_to(user).order_by("kind").values_list("kind", flat=True).distinct()
        self._offer("state", "Any state", [("active", "Not ended"), *((str(s), text) for s, text in LABELS.items())])
        self._offer("kind", "Any kind", [(kind, kind.replace("_", " ").replace(".", " ")) for kind in kinds])
        self._offer("project", "All projects", [(name, name) for name in projects])

    def _offer(self, name: str, every: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - narrows the type for readers and mypy
        field.choices = [("", every), *choices]


def filtered(operations: OperationQuerySet, form: FilterForm) -> OperationQuerySet:
    """``operations`` as the form wants them."""
    form.is_valid()
    chosen = form.cleaned_data
    if chosen.get("state") == "active":
        operations = operations.active()
    elif chosen.get("state"):
        operations = operations.filter(state=chosen["state"])
    if chosen.get("kind"):
        operations = operations.filter(kind=chosen["kind"])
    if chosen.get("project"):
        operations = operations.filter(project__name=chosen["project"])
    return operations


def page(operations: OperationQuerySet, *, before: int) -> tuple[list[Operation], int | None]:
    """Up to PAGE operations, newest first, those with a lower number than ``before`` (0: the newest). One query.

    With them the number to ask before for the next page, or None if there is none.
    """
    if before:
        operations = operations.filter(pk__lt=before)
    found = list(operations.select_related("project").order_by("-pk")[: PAGE + 1])
    more = len(found) > PAGE
    return found[:PAGE], found[PAGE - 1].pk if more else None
