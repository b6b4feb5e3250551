"""What people choose of an access token."""

from __future__ import annotations

from typing import Any

from django import forms

from .models import Project, Role, User
from .tokens import LIFETIMES


class TokenForm(forms.Form):
    """A new token: what for, how much, how long."""

    name = forms.CharField(
        max_length=60,
        label="What for",
        help_text="For example the build machine's name. It is shown in the audit log.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(
        label="Role",
        help_text="Viewer reads, Operator pushes images and deploys, Admin may all.",
    )
    days = forms.TypedChoiceField(
        label="Good for", coerce=int, choices=[(days, f"{days} days") for days in LIFETIMES], initial=90
    )
    also_reads = forms.ModelMultipleChoiceField(
        queryset=Project.objects.none(),
        required=False,
        label="May also use image layers of",
        help_text="So that a layer which lies in another project need not be sent again.",
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, user: User, project: Project | None, held: Role, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = [role for role in Role if held.includes(role)]
        roles, others = self.fields["role"], self.fields["also_reads"]
        assert isinstance(roles, forms.ChoiceField)  # noqa: S101 - narrows the type for the checker
        assert isinstance(others, forms.ModelMultipleChoiceField)  # noqa: S101
        roles.choices = [(role.value, role.label) for role in mine]
        self.initial.setdefault("role", min(mine[-1], Role.OPERATOR, key=lambda role: role.rank))
        if project is not None:
            others.queryset = Project.objects.visible_to(user).exclude(pk=project.pk)
        if not others.queryset.exists():
            del self.fields["also_reads"]

    def chosen(self) -> Role:
        """The role, after ``is_valid``."""
        return Role(self.cleaned_data["role"])
