"""``/livez`` and ``/readyz``: is this process alive, and can it do its work?

``/livez`` looks at nothing but itself: restarting a web process heals no database. ``/readyz`` answers 503 while
something is missing. What it is, only administrators are told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import redis
import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ffsweb.accounts.access import public_view
from ffsweb.sealed import SealedError
from ffsweb.version import running_version
from ffsweb.web import keys

logger = structlog.get_logger(__name__)
BROKER_TIMEOUT: Final = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What one check found; ``text`` is in plain English."""

    name: str
    good: bool
    text: str


@public_view
@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers. No query."""
    answer = _plain(f"alive {running_version()}", 200)
    answer["X-Ffsweb-Installation"] = installation_mark()
    return answer


@public_view
@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 if every check is good, else 503; at most three queries and one message to the broker (1 s)."""
    answers = [check() for check in (database, migrations, broker, key_rings)]
    ready = all(answer.good for answer in answers)
    for answer in answers:
        if not answer.good:
            logger.warning("not_ready", check=answer.name, text=answer.text)
    status = 200 if ready else 503
    # Who asks is in the database: without one, nobody is an administrator.
    if answers[0].good and answers[1].good and getattr(request.user, "is_administrator", False):
        checks = {answer.name: {"good": answer.good, "text": answer.text} for answer in answers}
        return JsonResponse({"ready": ready, "version": running_version(), "checks": checks}, status=status)
    return _plain("ready" if ready else "not ready", status)


def database() -> Answer:
    """Whether the database answers."""
    return _answer("database", _ask_database, DatabaseError)


def migrations() -> Answer:
    """Whether every migration of this version is applied."""
    return _answer("migrations", _count_migrations, DatabaseError)


def broker() -> Answer:
    """Whether Redis or Valkey answers."""
    return _answer("broker", _ping, redis.RedisError)


def key_rings() -> Answer:
    """Whether the rings open that this process may use."""
    return _answer("keys", _open_rings, SealedError, OSError, ImproperlyConfigured)


def _answer(name: str, ask: Callable[[], str], *expected: type[Exception]) -> Answer:
    try:
        trouble = ask()
    except expected as error:
        trouble = str(error) or type(error).__name__
    return Answer(name, not trouble, trouble or "good")


def _ask_database() -> str:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def missing_migrations() -> int:
    """How many migrations of this version are not applied. No query once none was missing. Raises DatabaseError."""
    if _applied.everything:
        return 0
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    _applied.everything = not missing
    return len(missing)


def _count_migrations() -> str:
    missing = missing_migrations()
    return f"{missing} migrations are not applied: run `ffs migrate`" if missing else ""


def _ping() -> str:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=BROKER_TIMEOUT, socket_connect_timeout=BROKER_TIMEOUT
    )
    with client:
        client.ping()
    return ""


def _open_rings() -> str:
    keys.worker_sealer()
    keys.web_opener()
    return ""


class _Applied:
    """Migrations do not come undone while a process runs, so they are counted until they are complete, not longer."""

    everything = False


_applied = _Applied()


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")


def installation_mark() -> str:
    """What tells this installation from others, for ``ffs doctor``: by its secret key, and without a word of it."""
    return salted_hmac("ffsweb.installation", "mark", algorithm="sha256").hexdigest()[:16]
