"""Whose word counts for the id of a request, and who is shown it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from ffsweb.accounts.models import Project, User
from ffsweb.operations.models import Operation
from ffsweb.web.request_ids import SCOPE, RequestIds, behind_proxies

from .conftest import Visit

PROXY, MADE = "192.0.2.7", re.compile(r"[0-9a-f]{16}")
GOOD = b"0b5c6f9e-1f4b-4d55-9d4e-3f2a7f0f6a11"


def name_of(
    *sent: bytes, client: tuple[str, int] | None = (PROXY, 4711), trusted: tuple[str, ...] = ("192.0.2.0/28",)
) -> str:
    seen: dict[str, Any] = {}

    async def application(scope: dict[str, Any], _receive: object, _send: object) -> None:
        seen.update(scope)

    headers = [(b"host", b"testserver"), *((b"x-request-id", value) for value in sent)]
    scope = {"type": "http", "headers": headers, "client": client}
    asyncio.run(RequestIds(application, trusted)(scope, None, None))
    return str(seen[SCOPE])


def test_a_trusted_proxy_names_the_request() -> None:
    assert name_of(GOOD) == GOOD.decode()


@pytest.mark.parametrize(
    "sent",
    [
        (),
        (b"",),
        (b"short",),
        (b"x" * 65,),
        (b"with a blank",),
        (b"with\nanother line",),
        ("ümlaut-1234".encode("latin-1"),),
        (b'"}injected{"',),
        (b"-leading-dash",),
        (GOOD, GOOD),
    ],
)
def test_a_name_that_is_not_of_the_form_does_not_count(sent: tuple[bytes, ...]) -> None:
    assert MADE.fullmatch(name_of(*sent))


@pytest.mark.parametrize("client", [("192.0.2.99", 1), ("", 0), None, ("unix:", 0)])
def test_nobody_else_names_a_request(client: tuple[str, int] | None) -> None:
    assert MADE.fullmatch(name_of(GOOD, client=client))
    assert MADE.fullmatch(name_of(GOOD, trusted=()))


def test_a_trusted_proxy_says_who_asked_and_nobody_else_does() -> None:
    seen: list[tuple[Any, Any, str]] = []

    async def application(scope: dict[str, Any], _receive: object, _send: object) -> None:
        seen.append((scope["client"][0], scope["scheme"], scope[SCOPE]))

    headers = [(b"x-request-id", GOOD), (b"x-forwarded-for", b"198.51.100.9"), (b"x-forwarded-proto", b"https")]
    for trusted in (["192.0.2.0/28"], ["203.0.113.1"], []):
        scope = {"type": "http", "scheme": "http", "headers": headers, "client": (PROXY, 4711)}
        asyncio.run(behind_proxies(application, trusted)(scope, None, None))
    assert seen[0] == ("198.51.100.9", "https", GOOD.decode())
    for client, scheme, name in seen[1:]:
        assert (client, scheme) == (PROXY, "http")
        assert MADE.fullmatch(name)


@pytest.mark.django_db
def test_without_a_proxy_the_header_is_not_believed(visit: Visit, alice: User) -> None:
    answer = visit(alice).get("/", headers={"X-Request-ID": GOOD.decode()})
    assert MADE.fullmatch(answer.headers["X-Request-ID"])


@pytest.mark.django_db
def test_the_operations_page_shows_the_request_to_admins_alone(
    visit: Visit, project: Project, alice: User, bob: User
) -> None:
    row = Operation.objects.create(project=project, kind="read", title="A test", request_id="0123456789abcdef")
    assert "0123456789abcdef" in visit(alice).get(f"/operations/{row.pk}/").content.decode()
    assert "0123456789abcdef" not in visit(bob).get(f"/operations/{row.pk}/").content.decode()
