"""The forms by which images, files, settings and releases come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from deployments.core.env_file import problem_of
from deployments.models import FilesVersion, Image
from deployments.models.setting import setting_name
from ffsweb.web.forms import SecretTextarea


class ArchiveForm(forms.Form):
    """An image archive or an archive of project files."""

    archive = forms.FileField(allow_empty_file=True)


if TYPE_CHECKING:
    ImageChoice = forms.ModelChoiceField[Image]
else:
    ImageChoice = forms.ModelChoiceField


class ImageField(ImageChoice):
    """An image, of several architectures the main one, with what it is for."""

    architectures: dict[int, tuple[str, ...]] = {}  # set anew by each form

    def label_from_instance(self, obj: Image) -> str:
        """The name, and the architectures."""
        return f"{obj} ({', '.join(self.architectures.get(obj.pk, (obj.architecture,)))})"


class ReleaseForm(forms.Form):
    """What a release is made of."""

    image = ImageField(queryset=Image.objects.none(), empty_label=None)
    files = forms.ModelChoiceField(
        queryset=FilesVersion.objects.none(), required=False, empty_label="No project files"
    )
    note = forms.CharField(required=False, max_length=255, help_text="What is new, for whoever reads the history.")

    def __init__(self, *args: Any, project: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        images, files = project.images.defer("layers", "config"), project.files_versions.defer("manifest")
        groups = images.grouped()
        images = images.filter(pk__in=[group[0].pk for group in groups])
        for name, rows in (("image", images), ("files", files)):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - narrows the type for the checker
            field.queryset = rows
            if isinstance(field, ImageField):
                field.architectures = {group[0].pk: tuple(each.architecture for each in group) for group in groups}
            # The newest of each is what an operator means nearly always.
            self.initial.setdefault(name, rows.first())


class EnvForm(forms.Form):
    """A ``.env`` as a file or as text."""

    file = forms.FileField(required=False, label="A .env file")
    text = forms.CharField(
        required=False,
        max_length=256 * 1024,
        label="Or its text",
        widget=SecretTextarea(attrs={"rows": 8}),
    )
    plain_names = forms.CharField(
        required=False,
        max_length=4000,
        label="Plain settings",
        help_text="Names whose values are not secret, separated by spaces. Everything else is sealed.",
    )


class SettingForm(forms.Form):
    """One setting."""

    name = forms.CharField(max_length=128, validators=[setting_name])
    value = forms.CharField(
        required=False,
        strip=False,
        max_length=64 * 1024,
        widget=SecretTextarea(attrs={"rows": 2}),
    )
    plain = forms.BooleanField(
        required=False, help_text="Not secret: the value is shown on pages and written into the unit."
    )

    def clean_value(self) -> str:
        """Line breaks as applications expect them; browsers send two characters for one."""
        return str(self.cleaned_data["value"]).replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        """The rules of a ``.env``."""
        data = super().clean() or {}
        if "name" in data and "value" in data:
            problem = problem_of(data["name"], data["value"])
            if problem:
                raise forms.ValidationError(problem[:1].upper() + problem[1:])
        return data
