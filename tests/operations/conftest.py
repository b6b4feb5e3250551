"""People, projects and operations for the engine's tests."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from kombu import pools

from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.celery import app
from ffsweb.operations import kinds, services, wakeup
from ffsweb.operations.models import Operation
from ffsweb.operations.stopping import process

from .processes import RedisServer, Worker


@pytest.fixture(autouse=True)
def _static_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WhiteNoise warns of a directory that is not there, and warnings are errors."""
    monkeypatch.setattr(settings, "STATIC_ROOT", tmp_path)


@pytest.fixture
def project(transactional_db: None) -> Project:
    return Project.objects.create(name="serbest")


@pytest.fixture
def bob(project: Project) -> User:
    bob = User.objects.create_user("bob")
    Membership.objects.create(user=bob, project=project, role=Role.OPERATOR)
    return bob


@pytest.fixture
def carol(project: Project) -> User:
    carol = User.objects.create_user("carol")
    Membership.objects.create(user=carol, project=project, role=Role.VIEWER)
    return carol


@pytest.fixture
def mallory(project: Project) -> User:
    return User.objects.create_user("mallory")


@pytest.fixture
def visit() -> Callable[[User | None], Client]:
    def browser(user: User | None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user)
        return client

    return browser


Enqueue = Callable[..., Operation]


@pytest.fixture
def enqueue(project: Project, bob: User) -> Enqueue:
    def put(
        kind: str,
        *,
        targets: tuple[services.Target, ...] = (),
        holds: tuple[str, ...] = (),
        wait: bool = False,
        **params: object,
    ):
        return services.enqueue(
            kind=kind,
            project=project,
            actor=bob,
            title=f"Test {kind}",
            params=params,
            targets=targets,
            holds=holds,
            wait=wait,
        )

    return put


@pytest.fixture
def kind() -> Iterator[Callable[..., str]]:
    """Registers a function under a fresh name, for this test alone."""
    names: list[str] = []

    def register(run: kinds.Run) -> str:
        names.append(f"test-{uuid.uuid4().hex[:8]}")
        kinds.register(names[-1], run)
        return names[-1]

    yield register
    for name in names:
        kinds._kinds.pop(name)


@pytest.fixture
def stopping_worker() -> Iterator[Callable[[], None]]:
    """Makes this process look like a worker that has got SIGTERM; undone at the end."""

    def stop() -> None:
        process.stopping = True

    yield stop
    process.stopping = False


class MemoryBroker:
    """A broker inside of this process, as Celery has it, and what was sent to it; or none at all."""

    def __init__(self) -> None:
        self.come_back()

    def go_away(self) -> None:
        """From now on nobody listens."""
        point_celery_at("redis+socket:///nonexistent/socket")

    def come_back(self) -> None:
        """From now on messages are taken again."""
        point_celery_at("memory://")

    def taken(self) -> list[int]:
        """The operations that messages were sent for, since the last time this was asked."""
        found = []
        with app.connection_for_read() as connection, connection.SimpleQueue(app.conf.task_default_queue) as queue:
            while True:
                try:
                    message = queue.get_nowait()
                except queue.Empty:
                    return found
                message.ack()
                found += message.payload[0]  # a tick names no operation


def point_celery_at(url: str) -> None:
    """Celery in this process uses another broker from now on."""
    app.conf.broker_url = url
    pools.reset()
    app._after_fork()


@pytest.fixture
def broker() -> Iterator[MemoryBroker]:
    before = app.conf.broker_url
    broker = MemoryBroker()
    broker.taken()
    yield broker
    point_celery_at(before)


@pytest.fixture
def redis_broker(redis_server: RedisServer) -> Iterator[None]:
    """This process sends its messages to the test's Redis."""
    before = app.conf.broker_url
    point_celery_at(f"redis+socket://{redis_server.socket}")
    yield
    point_celery_at(before)


@pytest.fixture
def redis_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """A real server on a unix socket; the settings of this process name it."""
    with contextlib.closing(RedisServer(Path(os.path.realpath(tmp_path)))) as server:
        monkeypatch.setattr(settings, "REDIS_URL", server.url)
        monkeypatch.setattr(wakeup, "_publisher", wakeup._Publisher())
        server.start()
        yield server


StartWorker = Callable[..., Worker]


@pytest.fixture
def start_worker(transactional_db: None, redis_server: RedisServer, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers on the test's database and Redis, with more environment if need be; none outlives the test."""
    with contextlib.ExitStack() as workers:

        def start(**extra: str) -> Worker:
            worker = Worker(redis_server.url, tmp_path / f"worker-{uuid.uuid4().hex[:8]}.log", **extra)
            workers.callback(worker.kill)
            worker.wait_ready()
            return worker

        yield start


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A file outside of the database: what operations did to the world."""
    path = tmp_path / "world"
    path.touch()
    return path
