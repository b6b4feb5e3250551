"""Bodies that are made to cost: too large, too many values, texts that no database takes. Refused in few bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployments.models import Node, Setting
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from ffsweb.rest import bodies

from .api import Program, problem

pytestmark = pytest.mark.django_db

P = "/projects/serbest"


@pytest.mark.parametrize(
    "body",
    [
        {"name": "b", "address": "b", "tags": [1] * 400_000},
        {f"x{n}": 0 for n in range(50_000)},
        {"name": [[]] * 100_000, "address": "b"},
        {"name": "b", "address": "b", "tags": [1] * 3_000},
        {"name": "b", "address": "b", "operator_keys": ["x"] * 501},
        {"x" * 500_000: 1},
    ],
    ids=["a long list", "many names", "nested", "many errors", "a list over its end", "a long name"],
)
def test_a_body_of_many_mistakes_is_answered_with_few(alice: User, project: Project, body: Any) -> None:
    answer = Program(alice).ask("POST", f"{P}/nodes", json.dumps(body, separators=(",", ":")).encode())
    told = problem(answer, 422)
    assert len(told.get("errors", [])) <= 50 and len(answer.content) < 10_000
    assert not Node.objects.exists()


def test_a_body_beyond_all_that_is_needed_is_too_large(alice: User, project: Project) -> None:
    body = b'{"name": "b", "address": "b"}'.ljust(bodies.LARGEST + 1)
    told = problem(Program(alice).ask("POST", f"{P}/nodes", body), 413)
    assert "at most 1.0 MB" in told["detail"] and not Node.objects.exists()
    assert problem(Program(alice).ask("POST", f"{P}/nodes", b"[" * 900_000), 400)


def test_the_largest_dot_env_goes_in_with_every_letter_escaped(alice: User, project: Project) -> None:
    names = [f"{'N' * 120}_{number}" for number in range(900)]
    text = "".join(f"{name}=ж\n" for name in names)
    text += f"LONG='{'ж' * 30_000}'\nLONGER='{'ж' * 30_000}'\n"
    assert len(text.encode()) < 256 * 1024
    assert len(Program(alice).post(f"{P}/settings", {"text": text, "plain": names})["names"]) == 902


@pytest.mark.parametrize(
    ("path", "body", "at"),
    [
        (f"{P}/releases", b'{"image": "\\ud800"}', "body.image"),
        (f"{P}/releases", b'{"image": "a\\u0000"}', "body.image"),
        (f"{P}/releases", b'{"image": "a", "\\ud800": 1}', "body"),
        (f"{P}/plans", b'{"release": 1, "services": ["www@a", "\\udfff"]}', "body.services.1"),
        (f"{P}/nodes", b'{"name": "b", "address": "b", "tags": ["\\u0000"]}', "body.tags.0"),
        (f"{P}/settings", b'{"text": "A=1", "plain": ["\\ud800"]}', "body.plain.0"),
    ],
)
def test_a_text_that_no_database_takes_is_refused_by_its_place(
    alice: User, project: Project, path: str, body: bytes, at: str
) -> None:
    told = problem(Program(alice).ask("POST", path, body), 422)
    assert [each["at"] for each in told["errors"]] == [at]


@pytest.mark.parametrize("plain", [["B"], ["a name"], ["x" * 129], ["A", "B\n"]])
def test_a_plain_name_is_one_that_the_text_sets(alice: User, project: Project, plain: list[str]) -> None:
    Program(alice).post(f"{P}/settings", {"text": "A=1", "plain": plain}, 422)
    assert not Setting.objects.exists() and not AuditEvent.objects.filter(action="settings.import").exists()
