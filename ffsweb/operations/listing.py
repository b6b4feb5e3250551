"""The list of operations: its filters, and a page of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Case, Exists, OuterRef, When

from ffsweb.accounts.models import Project, User

from . import naming
from .models import Operation, OperationQuerySet, OperationTarget
from .states import LABELS, State

PAGE = 50
ACTIVE_SHOWN = 25


class FilterForm(forms.Form):
    """State, kind, project, who asked, and a part of a target's name; what is not known is ignored."""

    state = forms.ChoiceField(required=False)
    kind = forms.ChoiceField(required=False)
    project = forms.ChoiceField(required=False)
    by = forms.CharField(required=False, max_length=150, label="Asked for by")
    target = forms.CharField(required=False, max_length=200, label="Service or node")

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
    if chosen.get("by"):
        operations = operations.filter(actor_name__iexact=chosen["by"])
    if chosen.get("target"):
        named = OperationTarget.objects.filter(operation=OuterRef("pk"), label__icontains=chosen["target"])
        operations = operations.filter(Exists(named))
    return operations


def page(operations: OperationQuerySet, *, before: int) -> tuple[list[Operation], int | None]:
    """Up to PAGE operations, newest first, those with a lower number than ``before`` (0: the newest). One query.

    With them the number to ask before for the next page, or None if there is none.
    """
    if before:
        operations = operations.filter(pk__lt=before)
    found = list(operations.for_lists().order_by("-pk")[: PAGE + 1])
    more = len(found) > PAGE
    return found[:PAGE], found[PAGE - 1].pk if more else None


@dataclass(frozen=True, slots=True)
class Active:
    """An operation that has not ended: what it has, by name, ``since`` when; and what it waits for."""

    operation: Operation
    has: tuple[str, ...]
    since: datetime | None
    wants: tuple[str, ...]

    @property
    def waits(self) -> bool:
        """Whether it cannot begin before it has what it wants."""
        return bool(self.wants)


def active_now(operations: OperationQuerySet) -> tuple[list[Active], int]:
    """What runs or waits, what runs first, up to ACTIVE_SHOWN; and how many there are. Seven queries."""
    active = operations.active()
    rank = Case(When(state=State.RUNNING, then=0), When(state=State.PARKED, then=1), default=2)
    rows = active.for_lists().prefetch_related("holds", "wishes").order_by(rank, "-pk")
    shown = list(rows[: ACTIVE_SHOWN + 1])
    count = active.count() if len(shown) > ACTIVE_SHOWN else len(shown)
    del shown[ACTIVE_SHOWN:]
    resources = {row.resource for each in shown for row in each.holds.all()}
    resources |= {row.resource for each in shown for row in each.wishes.all()}
    names = naming.names_of(resources, operations=[each.pk for each in shown])
    found = [
        Active(
            each,
            has=_named((row.resource for row in each.holds.all()), names),
            since=min((row.since for row in each.holds.all()), default=None),
            wants=_named((row.resource for row in each.wishes.all()), names),
        )
        for each in shown
    ]
    return found, count


def _named(resources: Iterable[str], names: dict[str, str]) -> tuple[str, ...]:
    return tuple(sorted(names[resource] for resource in resources))
