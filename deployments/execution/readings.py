"""Readings: facts are taken from nodes, stored, and pruned."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, Max, Q
from django.db.models.functions import Least
from django.utils import timezone

from deployments.core.facts import FactsError, NodeFacts, facts_of
from deployments.core.layout import NODE_VERSION, PROTOCOL
from deployments.core.node_events import Answer, AnswerError
from deployments.core.program import program_from
from deployments.execution import restarts
from deployments.execution.connection import NodeLogin
from deployments.execution.node_program import NodeProgram
from deployments.execution.watching import watch
from deployments.models import Node, Proven, Reading, Release, Service
from deployments.models.desired import image_of
from ffsweb.operations.models import Hold
from ffsweb.operations.stopping import process
from ffsweb.remote import RemoteError
from ffsweb.sealed import CannotOpen

EVERY = timedelta(seconds=60)
JITTER = 0.2
"""Nodes are read about once a minute, each at a time of its own, so that a fleet is not read all at once."""
AT_ONCE = 16
KEEP = 50
"""Readings kept of one node."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a node said at a moment, or why it said nothing."""

    node_id: int
    at: datetime
    facts: NodeFacts | None = None
    raw: dict[str, object] | None = None
    error: str = ""
    forgotten: Mapping[str, int] = field(default_factory=dict)
    """Restarts that systemd was told to forget before the facts were read, by service."""


def take(login: NodeLogin, *, stop: threading.Event) -> Taken:
    """Read one node; whatever is wrong with it becomes the reading's error. No database. About a second."""
    at = timezone.now()
    try:
        with login.connect(stop=stop) as session:
            return _read(login, at, NodeProgram(session, log=_nowhere, stop=stop))
    except (RemoteError, AnswerError, CannotOpen) as error:
        return Taken(login.node.pk, at, error=str(error))


def _read(login: NodeLogin, at: datetime, program: NodeProgram) -> Taken:
    answer = program.facts_answer()
    try:
        facts = facts_of(answer)
        forgotten = restarts.forget(program, facts)
        if forgotten:
            answer = program.facts_answer()
            facts = facts_of(answer)
    except FactsError as error:
        return _of_another_protocol(login, at, answer, error)
    return Taken(login.node.pk, at, facts, dict(answer.fields), forgotten=forgotten)


def _of_another_protocol(login: NodeLogin, at: datetime, answer: Answer, error: FactsError) -> Taken:
    """What is kept of facts that nobody here can read: which ffs-node it is, so that it can be upgraded."""
    program = program_from(answer.fields)
    if program is None:
        return Taken(login.node.pk, at, error=str(error))
    raw: dict[str, object] = {
        "protocol": program.protocol,
        "version": program.version,
        "program_sha256": program.sha256,
    }
    text = f"{error} Its ffs-node is {program}; this ffsweb has version {NODE_VERSION}, protocol {PROTOCOL}."
    return Taken(login.node.pk, at, raw=raw, error=text)


def store(taken: Taken) -> Reading | None:
    """Keep a reading, and the newest ones beside it; let the rows of its services agree with it, and tell of trouble.

    None if the node was removed meanwhile. About twelve queries, and more only where a row has to change.
    """
    if not Node.objects.filter(pk=taken.node_id).exists():
        return None
    reading = Reading.objects.create(
        node_id=taken.node_id, taken_at=taken.at, facts=taken.raw or {}, error=taken.error
    )
    old = Reading.objects.filter(node_id=taken.node_id).values_list("pk", flat=True)[KEEP : KEEP + 200]
    Reading.objects.filter(pk__in=list(old)).delete()
    for name, count in taken.forgotten.items():
        Service.objects.filter(node_id=taken.node_id, name=name).update(
            restarts_before=Least(F("restarts_before") + count, restarts.MOST), restarts_reset_at=taken.at
        )
    if taken.facts is not None:
        _agree(taken.node_id, taken.at, taken.facts)
    # One that answers in words that nobody here understands can be reached.
    watch(taken.node_id, taken.at, taken.facts, "" if taken.raw else taken.error)
    return reading


def _agree(node_id: int, at: datetime, facts: NodeFacts) -> None:
    """Let the rows say what the node has settled on, where that is another release than they say.

    So it is after a cut in the middle of a confirmation, or after somebody brought a release back by hand. While an
    operation holds a service, its own last reading alone counts; a reading that a newer one has overtaken never does.
    """
    if Reading.objects.filter(node_id=node_id, taken_at__gt=at).exists():
        return
    for service in Service.objects.select_related("project", "live_release").filter(node_id=node_id):
        found = facts.service(service.name)
        known = service.live_release.number if service.live_release else None
        if found is None or found.release in {None, known} or found.pending or found.project != service.project.name:
            continue
        if Hold.objects.filter(resource__in=[service.resource, f"node:{node_id}"]).exists():
            continue
        release = (
            Release.objects.select_related("image").filter(project=service.project, number=found.release).first()
        )
        if release is not None:
            image = image_of(release, facts)
            prove_live(service, facts, release_id=release.pk, image_id=image.image_id, number=release.number)


def due(now: datetime) -> list[Node]:
    """The nodes to read now: those whose last reading is old enough. Two queries."""
    eldest = now - EVERY * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311 - spreads load, no secret
    rows = Node.objects.annotate(last=Max("readings__taken_at")).filter(Q(last__isnull=True) | Q(last__lt=eldest))
    # Without a host key that counts there is nothing to connect to: the page says so.
    return [node for node in rows.prefetch_related("host_keys") if node.pins(now)]


def read_due_nodes() -> int:
    """Read the due nodes, a bounded number at a time, and store what they said; how many that were.

    Ends early when the worker stops: what was not read then is due at the next start.
    """
    stop = threading.Event()
    logins = [NodeLogin(node) for node in due(timezone.now())]
    if not logins:
        return 0
    with ThreadPoolExecutor(min(AT_ONCE, len(logins)), "reading") as pool:
        waiting = {pool.submit(take, login, stop=stop) for login in logins}
        while waiting:
            done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            if process.stopping and not stop.is_set():
                stop.set()
                waiting = {future for future in waiting if not future.cancel()}
            for future in done:
                if not stop.is_set():
                    store(future.result())
    return len(logins)


def prove_live(service: Service, facts: NodeFacts, *, release_id: int, image_id: str, number: int) -> bool:
    """Whether a reading proves that a release runs; only then the rows say so: the service's, and the proofs'.

    Four queries.
    """
    found = facts.services.get(service.name)
    if (
        found is None
        or found.active != "active"
        or found.release != number
        or found.container is None
        or not found.container.running
        or found.container.image_id != image_id
    ):
        return False
    Service.objects.filter(pk=service.pk).update(
        live_release_id=release_id,
        desired_release_id=release_id,
        stopped_at=None,
        restarts_before=0,
        restarts_reset_at=None,
    )
    named = {"certificate": found.certificate or "", "credentials": found.credentials or ""}
    Proven.objects.update_or_create(
        service_id=service.pk,
        release_id=release_id,
        defaults={"at": timezone.now(), "image_id": image_id, **named},
    )
    return True


def _nowhere(_text: str, _stream: str) -> None:
    return
