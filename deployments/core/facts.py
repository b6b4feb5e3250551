"""What ``ffs-node facts`` tells, as checked values. The node is not trusted: types, ranges and sizes are looked at.

FactsError      the answer is no answer of ``ffs-node facts``
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployments.core.facts_fields import FactsError, Fields
from deployments.core.facts_status import heartbeat_age, heartbeats_in, status_age
from deployments.core.facts_values import (
    Child,
    Container,
    Disk,
    Heartbeats,
    NodeFacts,
    PendingSwitch,
    ServiceFacts,
)
from deployments.core.node_events import Answer, BadAnswer, last_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Child",
    "Container",
    "Disk",
    "FactsError",
    "Heartbeats",
    "NodeFacts",
    "PendingSwitch",
    "ServiceFacts",
    "facts_from",
    "parse_facts",
]

_SERVICE = r"[a-z][a-z0-9-]{0,30}"
_HEX = r"[0-9a-f]{64}"
_DIGEST = f"sha256:{_HEX}"
_STAGED = rf"[a-z][a-z0-9-]{{0,31}}:{_DIGEST}"
_CERTIFICATE = f"{_HEX}(-[0-9a-z]{{1,16}})?"
_VERSION = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_OPERATION = r"[A-Za-z0-9][A-Za-z0-9-]{0,63}"
_HOST_KEY = r"(ssh|ecdsa)-[a-z0-9-]{3,40} [A-Za-z0-9+/]{40,2000}={0,2}"


def parse_facts(text: str) -> NodeFacts:
    """Facts from the output of ``ffs-node facts``. Raises FactsError; Refused if the node said no."""
    try:
        answer = last_answer(text)
    except BadAnswer as error:
        raise FactsError(str(error)) from None
    return facts_of(answer.check())


def facts_of(answer: Answer) -> NodeFacts:
    """Facts from a successful answer. Raises :class:`FactsError`."""
    return facts_from(answer.fields)


def facts_from(value: Mapping[str, object]) -> NodeFacts:
    """Facts from the answer's fields, as a stored reading has them. Raises :class:`FactsError`."""
    it = Fields(value, "")
    time = it.decimal("time")
    disk, images = it.group("disk"), it.group("images_held")
    return NodeFacts(
        protocol=it.whole("protocol"),
        version=it.match("version", r"[0-9][0-9.]{0,20}"),
        program_sha256=it.match("program_sha256", _HEX),
        machine_id=it.match("machine_id", r"[0-9a-f]{32}"),
        boot_id=it.match("boot_id", r"[0-9a-f-]{32,36}"),
        hostname=it.text("hostname"),
        os=it.text("os"),
        kernel=it.text("kernel"),
        arch=it.text("arch"),
        podman=it.text("podman"),
        systemd=it.text("systemd"),
        time=time,
        uptime=it.whole("uptime"),
        disk_images=_disk(disk.group("images")),
        disk_var=_disk(disk.group("var")),
        reboot_pending=it.flag("reboot_pending"),
        host_keys=it.matches("host_keys", _HOST_KEY, 20),
        image_ids=frozenset(images.matches("ids", _DIGEST, 5000)),
        diff_ids=frozenset(images.matches("diff_ids", _DIGEST, 50000)),
        services={name: _service(name, of, time) for name, of in it.groups("services", _SERVICE, 1000)},
        chunked=frozenset(images.maybe_matches("chunked", _DIGEST, 50000)),
        tools=frozenset(it.maybe_matches("tools", r"[a-z]{1,20}", 20)),
        verbs=frozenset(it.maybe_matches("verbs", r"[a-z-]{1,30}", 50)),
        partial_pulls=it.maybe_flag("partial_pulls"),
        cpus=it.maybe_whole("cpus") or 0,
        fetched=it.maybe_counts("fetched", _DIGEST, 1000),
        staged_images=frozenset(images.maybe_matches("staged", _STAGED, 5000)),
    )


def _disk(it: Fields) -> Disk:
    return Disk(free=it.whole("free"), total=it.whole("total"))


def _service(name: str, it: Fields, time: float) -> ServiceFacts:
    pending, group = it.optional_group("pending"), it.optional_group("container")
    container = _container(group) if group else None
    beats = heartbeats_in(it, container)
    return ServiceFacts(
        name=name,
        installed=it.flag("installed"),
        deployed=it.flag("deployed"),
        unit_sha256=it.maybe_match("unit_sha256", _HEX),
        project=it.maybe_match("project", r"[a-z][a-z0-9-]{0,31}"),
        release=it.maybe_whole("release"),
        image_id=it.maybe_match("image_id", _DIGEST),
        certificate=it.maybe_match("certificate", _CERTIFICATE),
        credentials=it.maybe_match("credentials", _VERSION),
        operation=it.maybe_match("operation", _OPERATION),
        loaded=it.flag("loaded"),
        active=it.match("active", r"[a-z-]{1,30}"),
        sub=it.match("sub", r"[a-z-]{1,30}"),
        result=it.match("result", r"[a-z-]{0,30}"),
        status_text=it.text("status_text"),
        restarts=it.whole("restarts"),
        since=it.maybe_whole("since"),
        main_pid=it.whole("main_pid"),
        container=container,
        heartbeats=beats,
        heartbeat_age=heartbeat_age(beats, time) if beats else None,
        status_age=status_age(beats, time) if beats else None,
        releases=it.wholes("releases", 10000),
        certs=it.matches("certs", _CERTIFICATE, 10000),
        credentials_held=it.matches("credentials_held", _VERSION, 10000),
        supervisors=it.matches("supervisors", _HEX, 10000),
        pending=PendingSwitch(pending.match("op", _OPERATION), pending.whole("deadline")) if pending else None,
        disk_used=it.maybe_whole("disk_used"),
    )


def _container(it: Fields) -> Container:
    return Container(
        id=it.match("id", _HEX),
        image_id=it.match("image_id", _DIGEST),
        running=it.flag("running"),
        started=it.maybe_match("started", r"[0-9T:. +A-Za-z-]{1,60}"),
        health=it.maybe_match("health", r"[a-z]{1,20}"),
    )
