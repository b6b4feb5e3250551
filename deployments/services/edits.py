"""What an edit changes of a row, for the row and for the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models


@dataclass(frozen=True, slots=True)
class Edit:
    """The fields of one row whose values differ, before and after. False if there are none."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @classmethod
    def of(cls, row: models.Model, fields: Mapping[str, Any]) -> Edit:
        """What ``fields`` would change of ``row``; no query for foreign keys that were selected."""
        names = sorted(name for name, value in fields.items() if getattr(row, name) != value)
        return cls({name: getattr(row, name) for name in names}, {name: fields[name] for name in names})

    def __bool__(self) -> bool:
        return bool(self.after)

    def apply(self, row: models.Model) -> None:
        """Write the changed fields, and no other."""
        for name, value in self.after.items():
            setattr(row, name, value)
        row.save(update_fields=list(self.after))

    def detail(self) -> dict[str, Any]:
        """For the audit log: the names of the fields, and their values as text."""
        return {
            "changed": sorted(self.after),
            "before": {name: str(value) for name, value in self.before.items()},
            "after": {name: str(value) for name, value in self.after.items()},
        }
