"""What is not there is said to be so, in plain words."""

from __future__ import annotations

import pytest

from ffsweb.accounts.models import Project, User

from .conftest import Visit

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path", ["nodes/none/", "nodes/none/services/www/", "releases/7/", "files/7/", f"plans/{'0' * 64}/"]
)
def test_what_is_missing_is_told_without_words_for_programmers(
    visit: Visit, alice: User, project: Project, path: str
) -> None:
    answer = visit(alice).get(f"/projects/serbest/{path}")
    assert answer.status_code == 404
    shown = answer.content.decode()
    assert "There is nothing here" in shown
    assert "query" not in shown
