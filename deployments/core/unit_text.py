"""Reads systemd unit files: sections, assignments, comments and continued lines (systemd.syntax(7)).

The messages are those of the parser that Ignition checks units with (coreos/go-systemd ``unit/deserialize.go``); an
assignment before the first section, which that parser passes over and systemd ignores, is an error here.
"""

from __future__ import annotations

from dataclasses import dataclass

LINE_MAX = 2048
"""The longest line in bytes that Ignition's parser lets pass."""


class UnitTextError(Exception):
    """A unit file that systemd or Ignition would misread."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One ``Name=Value`` with the section it stands in; a continued value is joined by spaces."""

    section: str
    name: str
    value: str


def assignments(text: str, *, line_max: int | None = None) -> tuple[Assignment, ...]:
    """Every assignment of a unit file, in its order; ``line_max`` bounds a line's bytes. Raises UnitTextError."""
    found: list[Assignment] = []
    section: str | None = None
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    for line in lines:
        bare = line.strip()
        if line_max is not None and len(line.encode()) > line_max:
            raise UnitTextError(f"line too long (max {line_max} bytes)")
        if not bare or bare[0] in "#;":
            continue
        if bare[0] == "[":
            section = _section(bare)
            continue
        name, equals, value = bare.partition("=")
        if not equals:
            raise UnitTextError("unexpected newline encountered while parsing option name")
        if section is None:
            raise UnitTextError(f"{name.strip()}= stands before the first section")
        while value.endswith("\\"):
            value = value[:-1].rstrip() + " " + next(lines, "").strip()
        found.append(Assignment(section, name.strip(), value.strip()))
    return tuple(found)


def _section(line: str) -> str:
    name, bracket, rest = line[1:].partition("]")
    if not bracket:
        raise UnitTextError("unable to find end of section")
    if rest.strip():
        raise UnitTextError(f"found garbage after section name {name}")
    return name
