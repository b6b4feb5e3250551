"""Whether the process is alive, and whether it can work; details for administrators alone."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from ffsweb import health
from ffsweb.accounts.models import User


@pytest.fixture
def server(settings):
    """Something that answers PING as Redis does."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while data := connection.recv(4096):
                    commands = data.count(b"*")
                    connection.sendall(b"+PONG\r\n" if b"PING" in data else b"+OK\r\n" * commands)

    thread = threading.Thread(target=serve)
    thread.start()
    settings.REDIS_URL = f"redis://127.0.0.1:{listener.getsockname()[1]}/0?protocol=2"
    yield
    over.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def no_server(settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"


@pytest.fixture(autouse=True)
def counted_anew(monkeypatch):
    monkeypatch.setattr(health._applied, "everything", False)


def ask(view, user: object = None):
    request = RequestFactory().get("/")
    request.user = user or AnonymousUser()
    return view(request)


def test_alive_needs_no_database_and_no_broker(no_server):
    answer = ask(health.livez)
    assert answer.status_code == 200
    assert answer.content.startswith(b"alive ")
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_ready_when_database_broker_and_keys_are(server, monkeypatch):
    monkeypatch.setattr(health._applied, "everything", True)
    answer = ask(health.readyz)
    assert (answer.status_code, answer.content) == (200, b"ready\n")


@pytest.mark.django_db
def test_without_a_broker_it_is_not_ready_and_says_no_more_to_the_public(no_server):
    answer = ask(health.readyz)
    assert (answer.status_code, answer.content) == (503, b"not ready\n")


@pytest.mark.django_db
def test_a_member_learns_no_more_than_the_public(no_server):
    assert ask(health.readyz, User(username="bob")).content == b"not ready\n"


@pytest.mark.django_db
def test_an_administrator_learns_what_is_missing(no_server, monkeypatch):
    import json

    monkeypatch.setattr(health._applied, "everything", True)
    answer = ask(health.readyz, User(username="alice", is_administrator=True))
    assert answer.status_code == 503
    checks = json.loads(answer.content)["checks"]
    assert checks["database"] == {"good": True, "text": "good"}
    assert not checks["broker"]["good"]
    assert "nobody.sock" in checks["broker"]["text"]


@pytest.mark.django_db
def test_a_key_ring_that_others_can_read_makes_it_unready(server, settings, tmp_path, monkeypatch):
    from ffsweb.sealed import create_ring

    monkeypatch.setattr(health._applied, "everything", True)
    for ring in ("web", "worker"):
        create_ring(tmp_path, ring)
    for file in (tmp_path / "web").iterdir():
        file.chmod(0o644)
    settings.KEYS = tmp_path
    assert not health.key_rings().good
    assert ask(health.readyz).status_code == 503


def test_nothing_may_be_posted():
    request = RequestFactory().post("/")
    request.user = AnonymousUser()
    assert health.livez(request).status_code == 405
