"""What people type about people, projects and memberships."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import password_validation

from .models import OneTimeLink, Project, Role, User, project_name, user_name
from .projects import RESERVED_NAMES

CHOOSE_WELL = "At least 12 characters. A few unrelated words are good."


class PasswordMixin(forms.Form):
    """A new password, typed twice and checked by the installation's validators."""

    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=256,
        help_text=CHOOSE_WELL,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    password_again = forms.CharField(
        label="The same password again",
        strip=False,
        max_length=256,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        """Both alike, and good enough for the person that ``person`` gives."""
        cleaned = super().clean() or {}
        password, again = cleaned.get("password"), cleaned.get("password_again")
        if password and again and password != again:
            self.add_error("password_again", "The two passwords differ.")
        elif password:
            try:
                password_validation.validate_password(password, self.person(cleaned))
            except forms.ValidationError as problem:
                self.add_error("password", problem)
        return cleaned

    def person(self, cleaned: dict[str, Any]) -> User:
        """Whom the password is for: it may not be like their name."""
        return User(username=cleaned.get("username", ""), first_name=cleaned.get("full_name", ""))


class FullNameMixin(forms.Form):
    """How a person is shown to others."""

    full_name = forms.CharField(
        label="Your name", max_length=150, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )


class FirstAdministratorForm(FullNameMixin, PasswordMixin):
    """The first account of an installation."""

    username = forms.CharField(
        label="User name",
        max_length=32,
        validators=[user_name],
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    field_order = ["username", "full_name", "password", "password_again"]


class JoinForm(FullNameMixin, PasswordMixin):
    """Who was invited completes the account; the user name is the inviter's choice."""

    field_order = ["full_name", "password", "password_again"]

    def __init__(self, *args: Any, link: OneTimeLink, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.link = link

    def person(self, cleaned: dict[str, Any]) -> User:
        """The account to be."""
        return User(username=self.link.username, first_name=cleaned.get("full_name", ""))


class NewPasswordForm(PasswordMixin):
    """A password set through a link of an administrator."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def person(self, cleaned: dict[str, Any]) -> User:
        """The account whose password it is."""
        return self.user


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a person may change about themselves."""

    class Meta:
        model = User
        fields = ["first_name", "email"]
        labels = {"first_name": "Your name", "email": "E-mail"}
        help_texts = {"email": "Where alerts may go."}


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new project."""

    name = forms.CharField(
        max_length=32,
        validators=[project_name],
        help_text="Lower-case letters, digits and hyphens. It is part of paths on the nodes and never changes.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
    )

    class Meta:
        model = Project
        fields = ["name", "title"]
        help_texts = {"title": "What people call it."}

    def clean_name(self) -> str:
        """A name that no address of the dashboard takes."""
        name = str(self.cleaned_data["name"])
        if name in RESERVED_NAMES:
            raise forms.ValidationError(f"The name {name} is taken by the dashboard itself. Choose another one.")
        return name


class ProjectTitleForm(forms.ModelForm):  # type: ignore[type-arg]
    """What may be changed about a project."""

    class Meta:
        model = Project
        fields = ["title"]


class UserNameForm(forms.Form):
    """The name of one account."""

    username = forms.CharField(
        label="User name",
        max_length=32,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}),
    )


class RoleForm(forms.Form):
    """One role of a project."""

    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)

    def chosen(self) -> Role:
        """The role, after ``is_valid``."""
        return Role(self.cleaned_data["role"])


class MemberForm(UserNameForm, RoleForm):
    """Somebody who has an account already."""

    field_order = ["username", "role"]


class NewUserNameMixin(forms.Form):
    """A user name for an account that is to be."""

    def clean_username(self) -> str:
        """A well-formed, free name."""
        name = str(self.cleaned_data["username"])
        user_name(name)
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError(f"There is an account named {name} already.")
        return name


class InviteMemberForm(NewUserNameMixin, MemberForm):
    """Somebody who has no account yet, into a project."""


class InvitePersonForm(NewUserNameMixin, UserNameForm):
    """Somebody who has no account yet, into the installation."""

    administrator = forms.BooleanField(
        required=False,
        label="Make them an administrator",
        help_text="Administrators see and do everything in every project, and manage people.",
    )
