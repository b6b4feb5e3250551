"""Every function of the API × every role × every kind of token: exactly those get in who may."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.core.exceptions import ImproperlyConfigured
from ninja import Router

from ffsweb.accounts import token_limits, tokens
from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.api import api
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Operation
from ffsweb.rest.interface import Interface

from .api import Program, problem

pytestmark = pytest.mark.django_db

ROLES = {"carol": Role.VIEWER, "bob": Role.OPERATOR, "alice": Role.ADMIN, "root": Role.ADMIN}
PEOPLE = ("anonymous", "mallory", *ROLES)


def functions() -> list[tuple[str, str, str]]:
    """Method, address and role of each."""
    paths = api.get_openapi_schema(path_prefix="")["paths"]
    return [(method.upper(), path, of["x-role"]) for path, methods in paths.items() for method, of in methods.items()]


FUNCTIONS = pytest.mark.parametrize(("method", "path", "role"), functions(), ids=str)


@pytest.fixture
def operation(project: Project) -> Operation:
    return Operation.objects.create(project=project, kind="test", title="A test", state="succeeded")


@pytest.fixture
def people(alice: User, bob: User, carol: User, mallory: User, root: User) -> dict[str, User | None]:
    return {"alice": alice, "bob": bob, "carol": carol, "mallory": mallory, "root": root, "anonymous": None}


def filled(path: str, operation: Operation, project: str = "serbest") -> str:
    """The project and the operation are real, whatever else is asked for is not."""
    known = {"project": project, "operation_id": str(operation.pk)}
    return re.sub(r"{(\w+)}", lambda match: known.get(match[1], "999999"), path)


@FUNCTIONS
def test_exactly_those_get_in_who_may(
    method: str, path: str, role: str, operation: Operation, people: dict[str, User | None]
) -> None:
    for person in PEOPLE:
        answer = Program(people[person]).ask(method, filled(path, operation))
        note = f"{method} {path} as {person}: {answer.status_code} {answer.content!r}"
        if person == "anonymous":
            assert answer.status_code == 401, note
            assert answer["WWW-Authenticate"] == 'Bearer realm="ffsweb"'
        elif role == "any":
            assert answer.status_code == 200, note
        elif role == "administrator":
            assert (answer.status_code == 403) == (person != "root"), note
        elif person == "mallory":
            problem(answer, 404)
        elif not ROLES[person].includes(Role(role)):
            problem(answer, 403)
        else:
            assert (answer.status_code not in {401, 403} and answer.status_code < 500) or answer.status_code == 503, (
                note
            )


@FUNCTIONS
def test_a_token_may_no_more_than_its_own_role(
    method: str, path: str, role: str, operation: Operation, alice: User
) -> None:
    answer = Program(alice, role=Role.VIEWER).ask(method, filled(path, operation))
    assert (answer.status_code == 403) == (role in {"operator", "admin", "administrator"})


@FUNCTIONS
def test_a_token_of_one_project_opens_no_other(
    method: str, path: str, role: str, operation: Operation, alice: User, project: Project
) -> None:
    other = Project.objects.create(name="other")
    Membership.objects.create(user=alice, project=other, role=Role.ADMIN)
    if role == "administrator":
        User.objects.filter(pk=alice.pk).update(is_administrator=True)
        alice.refresh_from_db()
        problem(Program(alice, project=other).ask(method, filled(path, operation)), 403)
    elif role != "any":
        problem(Program(alice, project=other).ask(method, filled(path, operation)), 404)


@FUNCTIONS
def test_a_project_that_is_not_there_looks_like_one_of_others(
    method: str, path: str, role: str, operation: Operation, mallory: User
) -> None:
    if "{project}" in path:
        program = Program(mallory)
        there = program.ask(method, filled(path, operation))
        nowhere = program.ask(method, filled(path, operation, "nowhere"))
        assert (there.status_code, there.content) == (nowhere.status_code, nowhere.content)


def test_lists_show_only_what_the_token_is_for(alice: User, project: Project, operation: Operation) -> None:
    other = Project.objects.create(name="other")
    Membership.objects.create(user=alice, project=other, role=Role.ADMIN)
    Operation.objects.create(project=other, kind="test", title="Of the other")
    hidden = Project.objects.create(name="hidden")
    Operation.objects.create(project=hidden, kind="test", title="Of the hidden")

    def seen(program: Program) -> tuple[list[str], list[str]]:
        titles = [row["title"] for row in program.get("/operations")["items"]]
        return [row["name"] for row in program.get("/projects")["items"]], titles

    assert seen(Program(alice)) == (["serbest", "other"], ["Of the other", "A test"])
    assert seen(Program(alice, project=project)) == (["serbest"], ["A test"])
    assert Program(alice).get("/operations?project=hidden")["items"] == []


def _withdrawn(made: tokens.MadeToken) -> None:
    tokens.revoke(made.token, actor=made.token.user)


def _left(made: tokens.MadeToken) -> None:
    User.objects.filter(pk=made.token.user_id).update(is_active=False)


@pytest.mark.parametrize("change", [_withdrawn, _left])
def test_a_token_that_counts_no_more_is_refused_at_once(bob: User, change: Callable[..., None]) -> None:
    made = tokens.make(actor=bob, project=None, name="ci", role=Role.VIEWER, days=7)
    program = Program(None, text=made.text)
    assert program.get("/me")["user"] == "bob"
    change(made)
    answer = program.ask("GET", "/me")
    problem(answer, 401)
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]
    assert AuditEvent.objects.filter(action="token.log-in-failed", target="ci").count() == 1


def test_somebody_who_tries_tokens_is_made_to_wait(bob: User) -> None:
    guess = Program(None, text="ffs_guess")
    for _ in range(10):
        problem(guess.ask("GET", "/me"), 401)
    answer = guess.ask("GET", "/me")
    assert "Wait 60 seconds" in problem(answer, 429)["detail"]
    assert answer["Retry-After"] == "60"
    assert Program(bob).get("/me")["user"] == "bob"  # beside it


def test_nobody_is_kept_out_by_others_who_fail_from_the_same_address(bob: User) -> None:
    answers = [Program(None, text=f"ffs_guess{n}").ask("GET", "/me").status_code for n in range(61)]
    assert answers == [401] * 60 + [429]
    assert Program(bob).get("/me")["user"] == "bob"
    assert AuditEvent.objects.filter(action="token.log-in-failed").count() == 1


def test_each_token_that_fails_is_in_the_audit_log_once_a_minute(bob: User) -> None:
    Program(None, text="ffs_guess").ask("GET", "/me")
    made = tokens.make(actor=bob, project=None, name="old", role=Role.VIEWER, days=7)
    tokens.revoke(made.token, actor=bob)
    for _ in range(3):
        problem(Program(None, text=made.text).ask("GET", "/me"), 401)
    failed = AuditEvent.objects.filter(action="token.log-in-failed").order_by("pk")
    assert [event.target for event in failed] == ["an unknown token", "old"]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1:2:3", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "192.0.2.1", False),
    ],
)
def test_failures_are_counted_by_what_one_person_has(first: str, second: str, same: bool) -> None:
    for _ in range(token_limits.PER_NAME):
        token_limits.count(first, "x")
    assert (token_limits.exhausted(first, "x"), token_limits.exhausted(second, "x")) == (True, same)


def test_a_session_of_a_browser_opens_nothing(carol: User) -> None:
    program = Program(None)
    program._client.force_login(carol)
    problem(program.ask("GET", "/me"), 401)


def test_a_function_that_does_not_say_who_may_call_it_is_no_part_of_the_api() -> None:
    router = Router(tags=["none"])

    @router.get("/careless")
    def careless(request: object) -> dict[str, str]:
        return {"secret": "told"}

    with pytest.raises(ImproperlyConfigured, match="careless does not say who may call it"):
        Interface(title="none", urls_namespace="none").mount([router])
