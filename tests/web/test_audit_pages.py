"""The pages of the audit log: filter, older pages, export."""

from __future__ import annotations

import csv
from io import StringIO

import pytest

from ffsweb.accounts.models import Project, User
from ffsweb.audit.export import guarded
from ffsweb.audit.models import AuditEvent
from ffsweb.audit.services import record

from .conftest import Visit
from .markup import assert_well_made

pytestmark = pytest.mark.django_db


def _rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(StringIO(content.decode())))


def test_a_project_shows_its_own_events_only(project: Project, alice: User, visit: Visit) -> None:
    other = Project.objects.create(name="other")
    record(actor=alice, action="node.create", project=project, target="node-a")
    record(actor=alice, action="node.create", project=other, target="node-elsewhere")
    html = visit(alice).get("/projects/serbest/audit/").content.decode()
    assert "node-a" in html
    assert "node-elsewhere" not in html


def test_a_new_project_of_an_old_name_does_not_show_the_old_one(root: User, visit: Visit) -> None:
    first = Project.objects.create(name="phoenix")
    record(actor=root, action="node.create", project=first, target="ashes")
    first.delete()
    Project.objects.create(name="phoenix")
    assert "ashes" not in visit(root).get("/projects/phoenix/audit/").content.decode()


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("who=alice", {"one"}),
        ("who=ALICE", {"one"}),
        ("action=node.remove", {"two"}),
        ("text=two", {"two"}),
        ("text=needle", {"one"}),
        ("since=2000-01-01", {"one", "two"}),
        ("since=2999-01-01", set()),
        ("until=2000-01-01", set()),
        ("since=nonsense", {"one", "two"}),
        ("action=no.such", {"one", "two"}),
        ("before=2", {"one"}),
        ("before=nonsense", {"one", "two"}),
        ("before=" + "9" * 40, {"one", "two"}),
        ("text=%00", {"one", "two"}),
    ],
)
def test_the_filter_finds(query: str, seen: set[str], project: Project, root: User, visit: Visit) -> None:
    record(actor="alice", action="node.create", target="target-one", detail={"note": "needle"})
    record(actor="bob", action="node.remove", target="target-two")
    response = visit(root).get(f"/system/audit/?{query}")
    assert response.status_code == 200
    html = response.content.decode()
    assert_well_made(html)
    assert {word for word in ("one", "two") if f"target-{word}" in html} == seen


def test_older_events_are_a_page_further(root: User, visit: Visit) -> None:
    for number in range(60):
        record(actor=None, action="test.write", target=f"number-{number:02}")
    browser = visit(root)
    first = browser.get("/system/audit/?action=test.write").content.decode()
    assert "number-59" in first
    assert "number-09" not in first
    assert "/system/audit/?action=test.write&amp;before=11" in first
    assert "number-09" in browser.get("/system/audit/?action=test.write&before=11").content.decode()


def test_the_export_holds_what_the_filter_shows(project: Project, alice: User, visit: Visit) -> None:
    record(actor=alice, action="node.create", project=project, target="node-a", detail={"port": 22})
    record(actor=alice, action="node.remove", project=project, target="node-b")
    response = visit(alice).get("/projects/serbest/audit/audit.csv?action=node.create")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="audit-serbest.csv"'
    rows = _rows(response.getvalue())
    event = AuditEvent.objects.get(action="node.create")
    assert rows[0][:4] == ["sequence", "at", "actor", "action"]
    assert [row[5] for row in rows[1:]] == ["node-a"]
    assert rows[1][-1] == event.hash


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_of_the_export_is_a_formula(start: str, root: User, visit: Visit) -> None:
    record(actor=None, action="test.write", target=f"{start}HYPERLINK(1)")
    rows = _rows(visit(root).get("/system/audit/audit.csv?action=test.write").getvalue())
    assert rows[1][5].startswith("'")
    assert guarded("plain") == "plain"


def test_hostile_targets_are_shown_as_text(root: User, visit: Visit) -> None:
    record(actor=None, action="test.write", target="<script>alert(1)</script>", detail={"<b>": "<i>"})
    html = visit(root).get("/system/audit/").content.decode()
    assert "<script>alert" not in html
    assert "<b>" not in html
    assert_well_made(html)


def test_the_chain_is_checked_on_its_page(root: User, visit: Visit) -> None:
    record(actor=None, action="test.write")
    browser = visit(root)
    assert "The log is whole" in browser.get("/system/audit/chain/").content.decode()
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_auditevent SET target = 'x' WHERE sequence = 1")
    html = browser.get("/system/audit/chain/").content.decode()
    assert "Event 1 was changed" in html
    assert_well_made(html)
