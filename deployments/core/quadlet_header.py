"""Reads a unit file back: what it says of itself, and how two of them differ."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from .unit_fields import UnitError
from .unit_text import UnitTextError, assignments


@dataclass(frozen=True, slots=True)
class Header:
    """What a unit file says of itself in ``[X-FFS]``; "none" stands for an absent value, release 0 for no release."""

    project: str
    service: str
    release: int
    image_id: str
    certificate: str
    credentials: str
    operation: str


def parse_header(text: str) -> Header:
    """What a unit file says of itself; raises UnitError if ``[X-FFS]`` is missing, short or says a thing twice."""
    try:
        lines = [line for line in assignments(text) if line.section == "X-FFS"]
    except UnitTextError as error:
        raise UnitError("text", str(error)) from None
    names = ("Project", "Service", "Release", "ImageId", "Certificate", "Credentials", "Operation")
    values: dict[str, str] = {}
    for line in lines:
        if line.name not in names:
            raise UnitError(line.name, "[X-FFS] has no such key")
        if line.name in values:
            raise UnitError(line.name, "[X-FFS] says it twice")
        values[line.name] = line.value
    missing = next((name for name in names if name not in values), None)
    if missing:
        raise UnitError(missing, "[X-FFS] does not say it")
    if not values["Release"].isascii() or not values["Release"].isdigit() or len(values["Release"]) > 9:
        raise UnitError("Release", "it is not a number")
    project, service, release, *rest = (values[name] for name in names)
    return Header(project, service, int(release), *rest)


def unit_diff(old: str, new: str) -> tuple[str, ...]:
    """The lines by which two unit files differ, each after ``-`` or ``+``, or a space for the lines around them."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
    return tuple(line for line in lines if not line.startswith(("---", "+++")))
