"""The worker posts what is due.

A delivery is claimed by compare-and-swap, posted, and only then marked. If the worker is killed in between it goes
out once more, with the same webhook-id. An endpoint gets one delivery at a time, in the order of the events, and
several endpoints are posted to at once: one that is slow holds up no other. Threads
post; this one alone writes the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ffsweb.notify.backoff import pause_after
from ffsweb.notify.letter import one_line
from ffsweb.operations.stopping import process
from ffsweb.sealed import SealedError, Secret
from ffsweb.web.keys import worker_opener

from . import calling, signing, stopped
from .addresses import BadAddress, parse
from .models import Delivery, Endpoint

logger = structlog.get_logger(__name__)

AT_ONCE = 8
"""Endpoints that are posted to at the same time."""
ENDPOINTS = 200
"""Endpoints of one tick; the next one does the rest."""
SECONDS = 45.0
"""For how long a tick begins new ones."""
LONG = timedelta(days=5)
"""An endpoint that failed for so long is switched off."""
GONE = 410
RESOLVE: calling.Resolve = calling.resolve
"""How names become addresses."""


@dataclass(frozen=True, slots=True)
class _Result:
    """What came of one attempt; ``error`` "" if it was taken."""

    error: str = ""
    status: int | None = None


def send_due() -> int:
    """Post what is due; how many were taken. Ends early when the worker stops. Two queries if nothing is due."""
    now = timezone.now()
    _give_up(now)
    due = Delivery.objects.due(now).order_by("endpoint_id").values_list("endpoint_id", flat=True).distinct()
    waiting = list(due[:ENDPOINTS])
    if not waiting:
        return 0
    until, sent = time.monotonic() + SECONDS, 0
    with ThreadPoolExecutor(AT_ONCE, "webhook") as pool:
        running: dict[Future[_Result], Delivery] = {}
        while True:
            while waiting and len(running) < AT_ONCE and time.monotonic() < until and not process.stopping:
                begun = _begin(waiting.pop(0), pool.submit)
                if begun:
                    running[begun[0]] = begun[1]
            if not running:
                return sent
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                delivery = running.pop(future)
                if _settle(delivery, future.result()):
                    sent += 1
                    waiting.append(delivery.endpoint_id)  # the next one of the same endpoint


def _begin(endpoint_id: int, submit: Callable[..., Future[_Result]]) -> tuple[Future[_Result], Delivery] | None:
    """Claim the endpoint's eldest delivery that is due, and let a thread post it."""
    now = timezone.now()
    rows = Delivery.objects.filter(endpoint_id=endpoint_id)
    if rows.queued().filter(claimed_until__gte=now).exists():
        return None  # another worker is at it
    eldest = rows.due(now).order_by("pk").values_list("pk", flat=True).first()
    delivery = Delivery.objects.select_related("endpoint__project").claim(eldest, now) if eldest else None
    if delivery is None:
        return None
    return submit(_post, delivery, _keys_or_error(delivery.endpoint, now), int(now.timestamp())), delivery


def _keys_or_error(endpoint: Endpoint, now: datetime) -> list[Secret] | str:
    try:
        keys = [worker_opener().open(bytes(endpoint.sealed_secret), endpoint.context)]
        if endpoint.sealed_old_secret is not None and endpoint.old_until and endpoint.old_until > now:
            keys.append(worker_opener().open(bytes(endpoint.sealed_old_secret), endpoint.context))
    except SealedError as error:
        return f"The secret cannot be opened. {error}"
    return keys


def _post(delivery: Delivery, keys: list[Secret] | str, timestamp: int) -> _Result:
    """In a thread: no database."""
    if isinstance(keys, str):
        return _Result(keys)
    body = delivery.body.encode()
    try:
        destination = parse(delivery.endpoint.url)
        headers = signing.headers(keys, delivery.identity, timestamp, body)
        answer = calling.post(destination, body, headers, allowed=settings.WEBHOOK_PRIVATE, lookup=RESOLVE)
    except (BadAddress, calling.NotSent, ValueError) as error:
        return _Result(str(error))
    except Exception as error:  # the others' results are not to be lost with it
        logger.exception("webhook_mistake", delivery=delivery.pk)
        return _Result(f"A mistake of ffsweb ({type(error).__name__}); its log has it.")
    if answer.good:
        return _Result(status=answer.status)
    more = " Redirects are not followed." if 300 <= answer.status < 400 else ""
    return _Result(f"The answer was {answer.status}.{more}", answer.status)


def _settle(delivery: Delivery, result: _Result) -> bool:
    """Write what came of it; whether it was taken."""
    now = timezone.now()
    endpoint = Endpoint.objects.filter(pk=delivery.endpoint_id)
    if not result.error:
        # Whoever has the claim now: the receiver has it, so nobody may send it again.
        Delivery.objects.filter(pk=delivery.pk).update(
            state=Delivery.State.SENT, sent_at=now, claim="", claimed_until=None, last_error="", status=result.status
        )
        endpoint.exclude(failing_since=None).update(failing_since=None)
        return True
    error = one_line(result.error, 500)
    logger.warning("webhook_not_sent", delivery=delivery.pk, attempts=delivery.attempts, reason=error)
    with transaction.atomic():
        again = now + pause_after(delivery.attempts)
        mine = Delivery.objects.filter(pk=delivery.pk, claim=delivery.claim)
        mine.update(next_at=again, last_error=error, status=result.status, claim="", claimed_until=None)
        # The others would fail in the same way: they wait as long, without an attempt of their own.
        Delivery.objects.due(now).filter(endpoint_id=delivery.endpoint_id).update(next_at=again)
        endpoint.filter(failing_since=None).update(failing_since=now)
        row = endpoint.select_related("project").first()
        if row is not None and not row.stopped:
            if result.status == GONE:
                stopped.stop(row, "The receiver said that it is gone (410).", now)
            elif row.failing_since is not None and now - row.failing_since >= LONG:
                stopped.stop(row, f"Nothing was taken for {LONG.days} days. The last time: {error}", now)
    return False


def _give_up(now: datetime) -> None:
    old = Delivery.objects.due(now).filter(give_up_at__lte=now)
    for pk, error in old.values_list("pk", "last_error")[:1000]:
        reason = f"It was not taken for a week. {error}".strip()
        Delivery.objects.due(now).filter(pk=pk).update(state=Delivery.State.GIVEN_UP, last_error=reason)
