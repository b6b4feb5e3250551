"""Translates Butane (``fcos`` 1.4.0) to Ignition (3.3.0), for machines that are installed without Go's ``butane``.

Built are: users and groups, directories, files and links, systemd units and drop-ins, kernel arguments and the
``ignition`` section. Everything else is refused by name, never left out.
"""

from __future__ import annotations

from .butane_check import check, check_header
from .butane_error import BuildError, NotSupported, NotValid, NotYaml, Problem, raise_if_any
from .butane_schema import ROOT
from .butane_tree import Findings
from .butane_yaml import Reader, compose
from .ignition import render

__all__ = ["BuildError", "NotSupported", "NotValid", "NotYaml", "Problem", "translate"]


def translate(text: str) -> str:
    """The Ignition JSON of a Butane text: one line, the same bytes for the same text.

    Raises :class:`BuildError` (NotYaml, NotSupported, NotValid), which holds every problem found with its line.
    Butane's warnings are errors here. Takes about a second for a text of a megabyte.
    """
    document = compose(text)
    findings = Findings()
    root = Reader(findings).table(document, ROOT, "")
    if root is None:
        findings.add((1, ""), "the text holds no machine")
    else:
        check_header(root, findings)
        check(root, findings)
    raise_if_any(findings.problems)
    assert root is not None  # noqa: S101 - its absence is a problem, raised above
    return render(root)
