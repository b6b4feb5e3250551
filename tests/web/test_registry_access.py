"""Who gets into the registry: the token dance, its refusals and its limits."""

from __future__ import annotations

import base64
import datetime as dt
import re

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from ffsweb.accounts import token_limits
from ffsweb.accounts.models import AccessToken, Membership, Project, Role, User
from ffsweb.audit.models import AuditEvent

from .conftest import Visit
from .pushing import token_of

pytestmark = pytest.mark.django_db
MANIFEST = "/v2/serbest/web/manifests/v1"


def basic(username: str, text: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{text}'.encode()).decode()}"


def challenge(answer: HttpResponse) -> dict[str, str]:
    assert answer.status_code == 401
    scheme, _, rest = answer["WWW-Authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', rest))


def pass_for(user: str, text: str, *scopes: str) -> str:
    answer = Client().get("/v2/token", {"scope": scopes}, headers={"Authorization": basic(user, text)})
    assert answer.status_code == 200, answer.content
    assert answer.json()["token"] == answer.json()["access_token"]
    assert answer.json()["expires_in"] == 300
    return f"Bearer {answer.json()['token']}"


def ask(method: str, path: str, authorization: str) -> HttpResponse:
    return Client().generic(method, path, headers={"Authorization": authorization})


def code(answer: HttpResponse) -> str:
    return str(answer.json()["errors"][0]["code"])  # type: ignore[attr-defined]


@pytest.fixture
def text(bob: User, project: Project) -> str:
    return token_of(bob, project)


def test_a_stranger_is_told_where_to_log_in(project: Project) -> None:
    said = challenge(Client().get("/v2/"))
    assert said == {"realm": "http://testserver/v2/token", "service": "testserver"}
    said = challenge(Client().put(MANIFEST))
    assert said["scope"] == "repository:serbest/web:pull,push"
    assert challenge(Client().get(MANIFEST))["scope"] == "repository:serbest/web:pull"


def test_behind_a_proxy_that_ends_tls_the_realm_is_the_public_one(settings: Settings, project: Project) -> None:
    settings.PUBLIC_URL = "https://testserver"
    assert challenge(Client().get("/v2/"))["realm"] == "https://testserver/v2/token"
    assert challenge(Client().get("/v2/", headers={"Host": "localhost"}))["realm"] == "http://localhost/v2/token"


def test_a_pass_opens_what_it_was_made_for(text: str) -> None:
    authorization = pass_for("bob", text, "repository:serbest/web:pull,push repository:other:pull", "nonsense")
    assert ask("GET", "/v2/", authorization).status_code == 200
    assert code(ask("GET", MANIFEST, authorization)) == "MANIFEST_UNKNOWN"
    assert ask("POST", "/v2/serbest/web/blobs/uploads/", authorization).status_code == 202
    said = challenge(ask("GET", "/v2/serbest/manifests/v1", authorization))
    assert (said["scope"], said["error"]) == ("repository:serbest:pull", "insufficient_scope")
    pull = pass_for("bob", text, "repository:serbest/web:pull")
    assert challenge(ask("PUT", MANIFEST, pull))["scope"] == "repository:serbest/web:pull,push"


def test_a_viewers_token_reads_and_pushes_nothing(carol: User, project: Project) -> None:
    text = token_of(carol, project, Role.VIEWER)
    for authorization in (basic("carol", text), pass_for("carol", text, "repository:serbest/web:pull,push")):
        assert code(ask("GET", MANIFEST, authorization)) == "MANIFEST_UNKNOWN"
        answer = ask("POST", "/v2/serbest/web/blobs/uploads/", authorization)
        assert (answer.status_code, code(answer)) == (403, "DENIED")


@pytest.mark.parametrize("name", ["other", "nowhere"])
def test_another_project_is_denied_whether_it_exists_or_not(text: str, bob: User, name: str) -> None:
    Membership.objects.create(user=bob, project=Project.objects.create(name="other"), role=Role.ADMIN)
    answer = ask("GET", f"/v2/{name}/manifests/v1", basic("bob", text))
    assert (answer.status_code, code(answer)) == (403, "DENIED")
    assert answer.json()["errors"][0]["message"] == "The token builder is for the project serbest alone."
    said = ask("GET", f"/v2/{name}/manifests/v1", pass_for("bob", text, f"repository:{name}:pull"))
    assert said.content == answer.content


def test_a_pass_ends(text: str) -> None:
    authorization = pass_for("bob", text)
    with time_machine.travel(timezone.now() + dt.timedelta(seconds=302)):
        challenge(ask("GET", "/v2/", authorization))


def test_a_withdrawn_token_ends_its_passes_at_once(text: str) -> None:
    authorization = pass_for("bob", text, "repository:serbest:pull")
    AccessToken.objects.update(revoked_at=timezone.now())
    challenge(ask("GET", "/v2/", authorization))
    challenge(ask("GET", "/v2/serbest/manifests/v1", authorization))


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        basic("bob", ""),
        basic("", "ffs_x"),
        basic("bob", "ffs_" + "x" * 43),
        basic("b\0b", "ffs_x"),
        "Bearer",
        "Bearer x",
        "Bearer a:b:c",
        "Digest x",
    ],
)
def test_a_malformed_or_wrong_log_in_is_refused(project: Project, authorization: str) -> None:
    challenge(ask("GET", "/v2/", authorization))
    challenge(ask("PUT", MANIFEST, authorization))
    answer = ask("GET", "/v2/token", authorization)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Basic")


def test_a_pass_gets_no_other_pass(text: str) -> None:
    assert ask("GET", "/v2/token", pass_for("bob", text)).status_code == 401


def test_passes_are_asked_for_by_get(text: str) -> None:
    assert ask("POST", "/v2/token", basic("bob", text)).status_code == 405


def test_a_session_is_no_log_in_here(visit: Visit, root: User, project: Project) -> None:
    assert visit(root).get("/v2/").status_code == 401
    assert visit(root).get(MANIFEST).status_code == 401


def test_log_ins_that_fail_too_often_are_not_looked_at(text: str, project: Project) -> None:
    for _ in range(token_limits.PER_NAME):
        challenge(ask("GET", "/v2/", basic("bob", "ffs_wrong")))
    answer = ask("GET", "/v2/", basic("bob", text))
    assert (answer.status_code, code(answer), answer["Retry-After"]) == (429, "TOOMANYREQUESTS", "60")
    assert ask("GET", "/v2/", basic("carol", "ffs_wrong")).status_code == 401, "another name is looked at"
    failures = AuditEvent.objects.filter(action="token.log-in-failed")
    assert failures.count() == token_limits.PER_NAME + 1
    assert {event.target for event in failures} == {"an unknown token"}


def test_one_address_may_fail_only_so_often_under_all_names(project: Project) -> None:
    answers = [ask("GET", "/v2/", basic(f"user{n}", "x")).status_code for n in range(token_limits.PER_ADDRESS + 1)]
    assert answers == [401] * token_limits.PER_ADDRESS + [429]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("serbest/x", "NAME_UNKNOWN"),
        ("serbest/UPPER/manifests/v1", "NAME_INVALID"),
        ("serbest/a//b/manifests/v1", "NAME_INVALID"),
        ("serbest/../other/manifests/v1", "NAME_INVALID"),
        (f"serbest/{'a' * 256}/manifests/v1", "NAME_INVALID"),
        ("serbest/manifests/v%201", "MANIFEST_UNKNOWN"),
        (f"serbest/manifests/{'v' * 200}", "MANIFEST_UNKNOWN"),
        ("serbest/manifests/sha256:abc", "MANIFEST_UNKNOWN"),
        ("serbest/blobs/sha256:abc", "DIGEST_INVALID"),
        ("serbest/blobs/md5:" + "0" * 32, "DIGEST_INVALID"),
        ("serbest/blobs/uploads/..%2f..", "NAME_UNKNOWN"),
        ("serbest/blobs/uploads/nothing", "BLOB_UPLOAD_UNKNOWN"),
        ("serbest/blobs/uploads/" + "0" * 32, "BLOB_UPLOAD_UNKNOWN"),
        ("serbest/blobs/uploads/", "UNSUPPORTED"),
        ("serbest/referrers/sha256:" + "0" * 64, "NAME_UNKNOWN"),
        ("serbest/tags/list", "NAME_UNKNOWN"),
    ],
)
def test_odd_addresses_get_a_clear_refusal(text: str, path: str, expected: str) -> None:
    assert code(ask("GET", f"/v2/{path}", basic("bob", text))) == expected


def test_what_is_not_offered_says_so(text: str) -> None:
    answer = ask("DELETE", MANIFEST, basic("bob", text))
    assert (answer.status_code, code(answer), answer["Allow"]) == (405, "UNSUPPORTED", "GET, HEAD, PUT")
