"""What of the audit log is to be seen: from the query string to a set of events."""

from __future__ import annotations

import datetime as dt

from django import forms
from django.db.models import Q
from django.http import QueryDict

from .models import AuditEvent, AuditQuerySet


class FilterForm(forms.Form):
    """Every field may be empty; a bad one is named and then filters nothing."""

    who = forms.CharField(required=False, max_length=150, label="Who")
    action = forms.ChoiceField(required=False, label="What")
    text = forms.CharField(required=False, max_length=255, label="Target or detail")
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: QueryDict, *, events: AuditQuerySet) -> None:
        super().__init__(data)
        actions = events.order_by("action").values_list("action", flat=True).distinct()
        self.fields["action"].choices = [("", "Everything"), *((name, name) for name in actions)]  # type: ignore[attr-defined]


def filtered(events: AuditQuerySet, form: FilterForm) -> AuditQuerySet:
    """``events`` that ``form`` asks for, the newest first."""
    form.is_valid()
    data = form.cleaned_data
    if data.get("who"):
        events = events.filter(actor_name__iexact=data["who"])
    if data.get("action"):
        events = events.filter(action=data["action"])
    if data.get("text"):
        events = events.filter(Q(target__icontains=data["text"]) | Q(detail_json__icontains=data["text"]))
    if data.get("since"):
        events = events.filter(at__gte=_midnight(data["since"]))
    if data.get("until"):
        events = events.filter(at__lt=_midnight(data["until"] + dt.timedelta(days=1)))
    return events.order_by("-sequence")


def before(events: AuditQuerySet, cursor: str, size: int) -> tuple[list[AuditEvent], int | None]:
    """``size`` events older than the one numbered ``cursor`` (any, if it is no number), and the next cursor."""
    if cursor.isascii() and cursor.isdigit() and len(cursor) < 19:
        events = events.filter(sequence__lt=int(cursor))
    page = list(events[: size + 1])
    return page[:size], page[size - 1].sequence if len(page) > size else None


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
