"""The page of retention: administrators see the rules and what was removed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from deployments.execution import retention
from ffsweb.accounts.models import Project, User
from ffsweb.operations.models import Operation
from tests.web.conftest import Visit

pytestmark = pytest.mark.django_db

PAGE = "/system/retention/"


def test_it_tells_the_rules_and_what_was_removed(visit: Visit, root: User, project: Project) -> None:
    page = visit(root).get(PAGE).content.decode()
    assert "90 days after their end, and the last 200 of each project" in page
    assert "Nothing was old enough so far." in page
    for _ in range(201):
        at = timezone.now() - timedelta(days=91)
        Operation.objects.create(project=project, kind="read", title="x", state="succeeded", finished_at=at)
    retention.forget_all()
    page = visit(root).get(PAGE).content.decode()
    assert "retention.operations" in page
    assert "&quot;count&quot;:1" in page


def test_nobody_else_sees_it(visit: Visit, alice: User) -> None:
    assert visit(alice).get(PAGE).status_code == 403
