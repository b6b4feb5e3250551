"""Every address × every role × every method: a view says who it is for, and exactly those get in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from ffsweb.accounts.access import READING_METHODS, Access, Kind, declared
from ffsweb.accounts.models import Project, Role, User
from ffsweb.middleware import DeclaredAccess
from ffsweb.operations.models import Operation

from .conftest import Visit
from .markup import faults_of

pytestmark = pytest.mark.django_db

PEOPLE = ("anonymous", "mallory", "carol", "bob", "alice", "root")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ROLES = {"carol": Role.VIEWER, "bob": Role.OPERATOR, "alice": Role.ADMIN, "root": Role.ADMIN}

PUBLIC = {
    "account_login",
    "account_logout",
    "account_inactive",
    "mfa_authenticate",
    "accounts:first",
    "accounts:join",
    "accounts:new_password",
    "api_openapi",
    "livez",
    "readyz",
}
"""The only pages for people who are not logged in. A new one has to be written here as well."""

FOR_PROGRAMS = {"registry_ping", "registry_token", "registry_repository", "metrics"}
"""The only pages that look at access tokens, and at no session. What a token opens: test_registry_access.py.

So do the functions of the API (``api_…``): test_api_access.py.
"""

ALLAUTH = {
    "account_login",
    "account_logout",
    "account_inactive",
    "account_reauthenticate",
    "account_change_password",
    "mfa_index",
    "mfa_authenticate",
    "mfa_reauthenticate",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes",
}
"""The only pages of django-allauth that exist here."""

EXAMPLES = {
    "str": "nothing",
    "int": "999999",
    "slug": "nothing",
    "path": "manifests/v1",
    "uuid": "00000000-0000-0000-0000-000000000000",
}


@dataclass(frozen=True)
class Page:
    """One address of the dashboard."""

    name: str
    route: str
    pattern: URLPattern

    @property
    def access(self) -> Access | None:
        return declared(self.pattern.callback)

    def path(self, project: Project, operation: Operation) -> str:
        """An address of this page: the project and the operation are real, whatever else is asked for is not."""

        def fill(match: re.Match[str]) -> str:
            converter, name = match.group(1) or "str", match.group(2)
            if name == "project":
                return project.name
            return str(operation.pk) if name == "operation_id" else EXAMPLES[converter]

        return "/" + re.sub(r"<(?:(\w+):)?(\w+)>", fill, self.route)


def _pages(resolver: URLResolver, prefix: str = "", namespace: str = "") -> Iterator[Page]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _pages(entry, route, inner)
        else:
            yield Page(f"{namespace}{entry.name}", route, entry)


PAGES = list(_pages(get_resolver(settings.ROOT_URLCONF)))
BY_NAME = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.fixture
def operation(project: Project) -> Operation:
    """One that has ended, so that its stream of events is empty."""
    return Operation.objects.create(project=project, kind="test", title="A test", state="succeeded")


@pytest.fixture
def people(alice: User, bob: User, carol: User, mallory: User, root: User) -> dict[str, User | None]:
    return {"alice": alice, "bob": bob, "carol": carol, "mallory": mallory, "root": root, "anonymous": None}


def _verdict(access: Access, person: str, method: str) -> str:
    """What has to happen: "in", "login", "token", "forbidden" or "missing"."""
    if access.kind is Kind.PUBLIC:
        return "in"
    if access.kind is Kind.TOKEN:
        return "token"
    if person == "anonymous":
        return "login"
    if access.kind is Kind.MEMBER:
        return "in"
    if access.kind is Kind.ADMINISTRATOR:
        return "in" if person == "root" else "forbidden"
    if person == "mallory":
        return "missing"
    needed = access.role_for(method)
    return "in" if needed and ROLES[person].includes(needed) else "forbidden"


def _without_tokens(response: HttpResponse) -> str:
    return re.sub(r"[A-Za-z0-9]{64}", "token", response.content.decode())


def _to_login(response: HttpResponse) -> bool:
    return response.status_code == 302 and response["Location"].startswith(reverse("account_login"))


@BY_NAME
def test_a_page_says_who_it_is_for(page: Page) -> None:
    assert page.access is not None, f"{page.route} carries no decorator of ffsweb.accounts.access"


def test_only_the_pages_named_here_are_public() -> None:
    assert {page.name for page in PAGES if page.access and page.access.kind is Kind.PUBLIC} == PUBLIC


def test_only_the_pages_named_here_are_for_programs() -> None:
    found = {page.name for page in PAGES if page.access and page.access.kind is Kind.TOKEN}
    assert {name for name in found if not name.startswith("api_")} == FOR_PROGRAMS


def test_only_the_pages_of_allauth_named_here_exist() -> None:
    found = {page.name for page in PAGES if page.name.startswith(("account_", "mfa_", "socialaccount_"))}
    assert found == ALLAUTH


def test_no_page_has_two_names_or_none() -> None:
    names = [page.name for page in PAGES]
    assert sorted(set(names)) == sorted(names)
    assert not [name for name in names if name.endswith("None")]


def test_a_page_of_a_project_is_for_its_members() -> None:
    loose = [
        page.route
        for page in PAGES
        if "<str:project>" in page.route and page.access and page.access.kind not in (Kind.PROJECT, Kind.TOKEN)
    ]
    assert not loose


@pytest.mark.parametrize("person", PEOPLE)
@BY_NAME
def test_exactly_those_get_in_who_may(
    page: Page, person: str, project: Project, operation: Operation, people: dict[str, User | None], visit: Visit
) -> None:
    access = page.access
    assert access is not None
    for method in METHODS:
        client = visit(people[person])
        response = client.generic(method, page.path(project, operation))
        verdict = _verdict(access, person, method)
        note = f"{method} {page.route} as {person}: {response.status_code}"
        if verdict == "login":
            assert _to_login(response), note
        elif verdict == "token":
            assert response.status_code == 401, note
        elif verdict == "forbidden":
            assert response.status_code == 403, note
        elif verdict == "missing":
            assert response.status_code == 404, note
        else:
            assert response.status_code != 403, note
            assert response.status_code < 500 or page.name == "readyz", note
            assert not _to_login(response) or page.name in ALLAUTH, note


@pytest.mark.parametrize("person", ["carol", "alice", "root"])
@BY_NAME
def test_a_page_is_well_made(
    page: Page, person: str, project: Project, operation: Operation, people: dict[str, User | None], visit: Visit
) -> None:
    response = visit(people[person]).get(page.path(project, operation))
    if response.streaming or not response["Content-Type"].startswith("text/html"):
        return
    assert faults_of(response.content.decode()) == [], page.route


@pytest.mark.parametrize("method", sorted(set(METHODS) - READING_METHODS))
def test_the_name_of_a_project_is_not_told_to_others(
    method: str, project: Project, mallory: User, visit: Visit
) -> None:
    browser = visit(mallory)
    there = browser.generic(method, f"/projects/{project.name}/members/")
    nowhere = browser.generic(method, "/projects/nowhere/members/")
    assert there.status_code == nowhere.status_code == 404
    assert _without_tokens(there).replace("serbest", "nowhere") == _without_tokens(nowhere)


def test_a_view_that_says_nothing_is_refused(rf: object) -> None:
    from django.core.exceptions import PermissionDenied
    from django.http import HttpRequest

    def careless(request: HttpRequest) -> HttpResponse:
        return HttpResponse("secret")

    with pytest.raises(PermissionDenied, match="careless"):
        DeclaredAccess(lambda request: HttpResponse()).process_view(HttpRequest(), careless, (), {})


def test_a_role_that_was_taken_counts_at_once(project: Project, carol: User, visit: Visit) -> None:
    browser = visit(carol)
    assert browser.get("/projects/serbest/members/").status_code == 200
    carol.memberships.all().delete()
    assert browser.get("/projects/serbest/members/").status_code == 404


def test_a_fragment_of_somebody_who_is_logged_out_moves_the_whole_page() -> None:
    response = Client().get(
        "/projects/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/projects/?q=1"}
    )
    assert response.headers["HX-Redirect"] == "/account/login/?next=%2Fprojects%2F%3Fq%3D1"


def test_log_in_leads_back_to_the_page(project: Project, carol: User) -> None:
    from .conftest import PASSWORD

    browser = Client()
    asked = browser.get("/projects/serbest/members/")
    response = browser.post(asked["Location"], {"login": "carol", "password": PASSWORD})
    assert response["Location"] == "/projects/serbest/members/"
