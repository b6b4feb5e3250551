"""A receiver with a certificate that is vouched for, under a name that leads to loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.operations.stopping import process
from ffsweb.webhooks import services
from ffsweb.webhooks.events import EVENTS
from ffsweb.webhooks.models import Endpoint
from tests.certificates.material import authority

from .receiver import NAME, Receiver


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    (tmp_path / "authority.pem").write_bytes(authority().pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    made = Receiver(tmp_path)
    yield made
    made.close()


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> dict[str, list[str]]:
    """What names resolve to; loopback is allowed."""
    names = {NAME: ["127.0.0.1"]}
    settings.WEBHOOK_PRIVATE = ["127.0.0.0/8"]
    monkeypatch.setattr("ffsweb.webhooks.sending.RESOLVE", lambda host, _port: names[host])
    return names


@pytest.fixture
def project(transactional_db: None) -> Iterator[Project]:
    yield Project.objects.create(name="serbest")
    process.stopping = False


@pytest.fixture
def alice(project: Project) -> User:
    user = User.objects.create_user("alice", email="alice@example.org")
    Membership.objects.create(user=user, project=project, role=Role.ADMIN)
    return user


@pytest.fixture
def endpoint(project: Project, alice: User, receiver: Receiver, named: dict[str, list[str]]) -> Endpoint:
    """Of the project, for all events, to the receiver. Its secret is in ``secret``."""
    row, secret = services.add(actor=alice, project=project, url=receiver.url, events=list(EVENTS))
    row.secret = secret  # type: ignore[attr-defined]
    return row
