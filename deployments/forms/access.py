"""What people type about access keys."""

from __future__ import annotations

from django import forms

from deployments.models import AccessKey
from ffsweb.accounts.models import Project
from ffsweb.remote.keys import ACCESS_RSA_BITS, MAX_LINE, BadPublicKey, parse_public_key


class AccessKeyForm(forms.Form):
    """A key for every node of the project."""

    line = forms.CharField(
        max_length=MAX_LINE,
        label="Public key",
        help_text="The one line of the file that ends in .pub. Make one with: ssh-keygen -t ed25519",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off"}),
    )
    instead_of = forms.ModelChoiceField(
        AccessKey.objects.none(),
        required=False,
        label="In place of",
        empty_label="none: it comes beside the others",
        help_text="That one goes from each node, after the new one was seen there.",
    )
    break_glass = forms.BooleanField(
        required=False,
        label="Break-glass key",
        help_text="For emergencies, kept offline. The dashboard never removes it; this cannot be undone here.",
    )

    def __init__(self, *args: object, project: Project, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        wanted = AccessKey.objects.filter(project=project, state=AccessKey.State.WANTED, break_glass=False)
        self.fields["instead_of"].queryset = wanted  # type: ignore[attr-defined]

    def clean_line(self) -> str:
        """A public key that may be used."""
        try:
            parse_public_key(self.cleaned_data["line"], rsa_bits=ACCESS_RSA_BITS)
        except BadPublicKey as error:
            raise forms.ValidationError(str(error)) from error
        return str(self.cleaned_data["line"])
