"""The forms about who renews a certificate."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django import forms

from certificates.models import Certificate
from certificates.services.renewals import ERROR

PEOPLE, MACHINE = "people", "machine"


class RenewedByForm(forms.Form):
    """Who renews a certificate, and until when a machine is to have done so."""

    by = forms.ChoiceField(
        label="Renewed by",
        choices=((PEOPLE, "Somebody who uploads the next one"), (MACHINE, "The application or a machine")),
        help_text="What a machine renews is silent until that is overdue or failed twice.",
    )
    renew_by = forms.DateField(
        label="By",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
        help_text="Of a machine: the day (UTC) at whose end the next one is to be here. Empty: when a third of its "
        "life is left.",
    )

    def __init__(self, *args: Any, certificate: Certificate, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "by": MACHINE if certificate.automatic else PEOPLE,
            "renew_by": certificate.renew_by,
        }
        super().__init__(*args, **kwargs)
        self.certificate = certificate

    def clean_renew_by(self) -> datetime | None:
        """The end of the day, while the certificate still counts."""
        day = self.cleaned_data["renew_by"]
        if day is None:
            return None
        moment = datetime.combine(day, time(23, 59, 59), UTC)
        if not self.certificate.not_before < moment < self.certificate.not_after:
            raise forms.ValidationError("Choose a day within the life of the certificate, before its last one.")
        return moment


class FailureForm(forms.Form):
    """Why a renewal failed."""

    reason = forms.CharField(label="Why", max_length=ERROR, help_text="It is shown here, and not mailed.")
