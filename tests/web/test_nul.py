"""A NUL in an address reaches no database: one of them would answer with an error of its own."""

from __future__ import annotations

import pytest

from ffsweb.accounts.models import Project, User

from .conftest import Visit

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path",
    [
        "/projects/%00/",
        "/projects/serbest/nodes/%00/",
        "/projects/serbest/nodes/a/services/b%00/",
        "/projects/serbest/settings/A%00/remove/",
        "/projects/serbest/plans/%00/deploy/",
    ],
)
def test_a_path_with_a_nul_is_not_there(visit: Visit, alice: User, project: Project, path: str) -> None:
    for answer in (visit(alice).get(path), visit(alice).post(path), visit(None).get(path)):
        assert answer.status_code == 404
        assert b"There is no such page." in answer.content


@pytest.mark.parametrize("query", ["search=%00", "search=a%00b", "project=%00", "state=%00", "before=%00", "%00=1"])
@pytest.mark.parametrize("path", ["/", "/projects/serbest/audit/", "/projects/serbest/operations/", "/operations/"])
def test_a_query_with_a_nul_breaks_no_page(visit: Visit, root: User, project: Project, path: str, query: str) -> None:
    assert visit(root).get(f"{path}?{query}").status_code in {200, 404}
