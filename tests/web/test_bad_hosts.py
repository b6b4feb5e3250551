"""A request for another host is refused in words, not with an error of ours."""

from __future__ import annotations

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def test_a_wrong_host_is_a_bad_request() -> None:
    answer = Client(raise_request_exception=False).get("/", headers={"host": "evil.example.org"})
    assert answer.status_code == 400
    assert b"evil" not in answer.content
