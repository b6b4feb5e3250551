"""The forms of the pages check what programs send too: the same rules, in the API's words."""

from __future__ import annotations

from django.forms import BaseForm
from ninja import Schema
from pydantic import ConfigDict

from ffsweb.web.problems import Problem


class Body(Schema):
    """What is sent as a body. A name that means nothing is refused: misspelt, it would silently do nothing."""

    model_config = ConfigDict(extra="forbid")


def checked(form: BaseForm) -> None:
    """Nothing if ``form`` is valid, else raises Problem (422) that names each field."""
    if form.is_valid():
        return
    errors = [
        {"at": "body" if name == "__all__" else f"body.{name}", "detail": str(text)}
        for name, texts in form.errors.items()
        for text in texts
    ]
    said = " ".join(f"{each['at'].removeprefix('body').removeprefix('.')}: {each['detail']}" for each in errors)
    raise Problem(422, f"{said.removeprefix(': ')} Nothing was done.", errors=errors)
