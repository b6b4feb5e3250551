"""The people of every web test, and the project they meet in.

alice is admin of ``serbest``, bob operator, carol viewer; mallory has an account and no membership; root administers
the installation. ``visit(alice)`` is a browser in which she is logged in, ``visit(None)`` one of nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from ffsweb.accounts.models import Membership, Project, Role, User

from .audited import AuditedClient
from .described import Described

PASSWORD = "correct horse battery staple"

Visit = Callable[[User | None], Client]


@pytest.fixture(autouse=True)
def _fresh(settings: Settings) -> None:
    """No limits left over from another test; static files from where they are, not from where they are collected."""
    cache.clear()
    settings.WHITENOISE_AUTOREFRESH = True
    settings.WHITENOISE_USE_FINDERS = True


@pytest.fixture
def project(db: None) -> Project:
    return Project.objects.create(name="serbest", title="Serbest web shop")


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_user("root", password=PASSWORD, first_name="Ruth Root", is_administrator=True)


def _member(project: Project, name: str, role: Role) -> User:
    user = User.objects.create_user(name, password=PASSWORD, first_name=name.title())
    Membership.objects.create(user=user, project=project, role=role)
    return user


@pytest.fixture
def alice(project: Project) -> User:
    return _member(project, "alice", Role.ADMIN)


@pytest.fixture
def bob(project: Project) -> User:
    return _member(project, "bob", Role.OPERATOR)


@pytest.fixture
def carol(project: Project) -> User:
    return _member(project, "carol", Role.VIEWER)


@pytest.fixture
def mallory(db: None) -> User:
    return User.objects.create_user("mallory", password=PASSWORD)


@pytest.fixture
def visit() -> Visit:
    """A browser for somebody, without CSRF checks (``test_forgery.py`` has them on); it holds every write to account."""

    def opened(user: User | None) -> Client:
        client = AuditedClient()
        if user is not None:
            client.force_login(User.objects.get(pk=user.pk))
        return client

    return opened


@pytest.fixture
def described(project: Project, alice: User) -> Described:
    """``serbest``'s fleet, still empty: its methods describe nodes, services, images and releases."""
    return Described(project, alice)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of this test's own, with the place where uploads come in."""
    directory = tmp_path / "data"
    (directory / "incoming").mkdir(mode=0o700, parents=True)
    monkeypatch.setattr(django_settings, "DATA", directory)
    monkeypatch.setattr(django_settings, "FILE_UPLOAD_TEMP_DIR", str(directory / "incoming"))
    return directory
