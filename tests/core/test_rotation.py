"""What a plan of a rotation says."""

from __future__ import annotations

from datetime import UTC, datetime

from deployments.core.plan_values import AMBER
from deployments.core.rotation import FILE_ALONE, ROTATE, Material, checks

SOON, LATE = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
OLD = Material("a" * 64, "tls 2026", frozenset({"a.example.org"}), SOON)
NEW = Material("b" * 64, "tls 2027", frozenset({"a.example.org", "b.example.org"}), LATE)


def warned(kind: str, old: Material | None, new: Material) -> list[str]:
    return [check.name for check in checks(kind, old, new, "") if check.verdict == AMBER]


def test_a_newer_certificate_with_all_names_warns_of_nothing() -> None:
    assert warned(ROTATE, OLD, NEW) == []
    assert warned(ROTATE, None, NEW) == []


def test_lost_names_an_earlier_end_and_a_missing_proof_are_warned_of() -> None:
    assert warned(FILE_ALONE, NEW, OLD) == ["Handshake", "Names", "End"]


def test_many_lost_names_are_counted() -> None:
    many = Material("c" * 64, "many", frozenset(f"{number}.example.org" for number in range(9)))
    said = {check.name: check.text for check in checks(ROTATE, many, NEW, "")}
    assert said["Names"].endswith("and 4 more.")
    assert said["Rotation"] == "many is replaced by tls 2027."


def test_what_is_served_now_is_said_or_that_nobody_looked() -> None:
    rows = {check.name: check.text for check in checks(ROTATE, OLD, NEW, "Port 443 served it.")}
    assert rows["Served now"] == "Port 443 served it."
    assert "Nobody has looked" in {c.name: c.text for c in checks(ROTATE, OLD, NEW, "")}["Served now"]
