"""An installation with a mail server, and a project with people who have addresses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.notify.models import MailServer as Row
from ffsweb.operations.stopping import process

from .mailserver import MailServer

Serving = Callable[..., MailServer]


@pytest.fixture
def project(transactional_db: None) -> Project:
    return Project.objects.create(name="serbest")


@pytest.fixture
def people(project: Project) -> dict[str, User]:
    """alice (admin), bob (operator), carol (viewer), mallory (no member); all have an address."""
    roles = {"alice": Role.ADMIN, "bob": Role.OPERATOR, "carol": Role.VIEWER, "mallory": None}
    found = {name: User.objects.create_user(name, email=f"{name}@example.org") for name in roles}
    for name, role in roles.items():
        if role is not None:
            Membership.objects.create(project=project, user=found[name], role=role)
    return found


@pytest.fixture
def serving(transactional_db: None) -> Iterator[Serving]:
    """Starts mail servers, and enters the last one as the installation's."""
    with contextlib.ExitStack() as stack:

        def start(port: int = 0, **options: Any) -> MailServer:
            server = MailServer(port, **options)
            stack.callback(server.close)
            enter(server.port)
            return server

        yield start


@pytest.fixture
def mail_server(serving: Serving) -> MailServer:
    return serving()


@pytest.fixture(autouse=True)
def _not_stopping() -> Iterator[None]:
    yield
    process.stopping = False


def enter(port: int, **fields: Any) -> Row:
    """The row of the installation's mail server, on this machine."""
    fields = {"host": "127.0.0.1", "port": port, "tls": "none", "sender": "ffsweb@example.org", **fields}
    return Row.objects.update_or_create(pk=1, defaults=fields)[0]
