"""From rows to what a service should be, and to what is known of it: the inputs of a plan."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from functools import cache

from certificates.models import Certificate
from deployments.core.facts import NodeFacts
from deployments.core.filetree import FileTree
from deployments.core.health import HealthCheckError
from deployments.core.health_values import in_words
from deployments.core.plan import Desired, Held, Layer
from deployments.core.quadlet import Mode, Port, UnitSpec, render
from deployments.nodekit.supervisor.onefile import source
from deployments.oci.imageconfig import ImageConfig

from .content import Image, Release
from .reading import Reading
from .service import Service
from .supervision import supervision_of, unfit_for

INTERPRETER = "/usr/bin/python3"
"""Where none was found in the image but supervisor mode was chosen; the preflight says that it does not fit."""
CERT_PASS = "cert_pass"  # noqa: S105 - the credential's name


@cache
def supervisor_file() -> tuple[str, bytes]:
    """The supervisor that is mounted into containers: its SHA-256 in hex, and its text."""
    text = source()
    return hashlib.sha256(text).hexdigest(), text


def credentials_of(
    service: Service, release: Release, certificate: Certificate | None = None
) -> tuple[str, tuple[str, ...]]:
    """Version and names of what systemd hands to the service; ("", ()) if there is nothing to hand over.

    The version stands for exactly these sealed values: another value, or another seal of the same, is another one.
    """
    certificate = certificate or service.certificate
    names = [f"env.{name}" for name in release.sealed_settings]
    digest = hashlib.sha256()
    for name, sealed in sorted(release.sealed_settings.items()):
        digest.update(name.encode() + b"=" + b64decode(sealed) + b"\n")
    if certificate is not None:
        names.append(CERT_PASS)
        digest.update(bytes(certificate.sealed_passphrase))
    return (digest.hexdigest()[:16], tuple(sorted(names))) if names else ("", ())


def desired(
    service: Service,
    release: Release,
    *,
    now: datetime,
    operation: str = "",
    image: Image | None = None,
    certificate: Certificate | None = None,
) -> Desired:
    """What ``service`` should be with ``release``; raises UnitError for what no unit can hold.

    ``image`` is the one of the release's images that the node gets (see ``image_of``), the main one by default.
    ``certificate`` takes the place of the service's own. No query if image, files, certificate, node and project were
    selected and the variants prefetched.
    """
    image = image or release.image
    watched = supervision_of(service, image)
    mode = watched.mode
    config = ImageConfig.from_json(image.config)
    certificate = certificate or service.certificate
    version, names = credentials_of(service, release, certificate)
    unit = UnitSpec(
        project=service.project.name,
        service=service.name,
        node=service.node.name,
        mode=mode,
        release=release.number,
        image_id=image.image_id,
        ports=tuple(Port(port["host"], port["container"], port["protocol"]) for port in service.ports),
        environment=tuple(sorted(release.plain_settings.items())),
        certificate=certificate.version if certificate else "",
        credentials_version=version,
        credentials=names,
        supervisor=supervisor_file()[0] if mode is Mode.SUPERVISOR else "",
        interpreter=(image.python or INTERPRETER) if mode is Mode.SUPERVISOR else "",
        probe=service.probe if mode is Mode.SUPERVISOR else "",
        watchdog=service.watchdog,
        entrypoint=config.entrypoint,
        command=config.cmd,
        operation=operation,
        start_timeout=service.start_timeout,
    )
    health, unhealthy = _health(service)
    return Desired(
        key=service.resource,
        project=service.project.name,
        service=service.name,
        node=service.node.name,
        release=release.number,
        image_id=image.image_id,
        architecture=image.architecture,
        architectures=tuple(each.architecture for each in release.images),
        layers=tuple(Layer(layer["diff_id"], layer["size"]) for layer in image.layers),
        unit=render(unit),
        mode=mode,
        watched_because=watched.reason,
        unfit=unfit_for(mode, image),
        health=health,
        unhealthy=unhealthy,
        files=release.files.tree() if release.files else FileTree(),
        certificate=unit.certificate,
        certificate_days=certificate.days_left(now) if certificate else None,
        certificate_from=f"{certificate.not_before:%Y-%m-%d %H:%M} UTC"
        if certificate and certificate.not_before > now
        else "",
        credentials=version,
        credential_names=names,
        tags=tuple(service.node.tags),
    )


def _health(service: Service) -> tuple[str, str]:
    """What a plan says of the health check, and what is wrong with it."""
    try:
        check = service.health()
    except HealthCheckError as error:
        return "", str(error)
    return (in_words(check, service.health_from) if check else ""), ""


def image_of(release: Release, facts: NodeFacts | None) -> Image:
    """The image of ``release`` that a node with these facts gets.

    The main one if nothing is known of the node or none fits: the preflight says so. One query unless the variants
    were prefetched.
    """
    return (release.image_for(facts.arch) if facts else None) or release.image


def held(service: Service, reading: Reading | None, *, now: datetime, running: Mapping[int, Release]) -> Held:
    """What is known of the node and of ``service`` on it. ``running``: by number, what ``running_number`` gave."""
    facts = reading.parsed() if reading else None
    return Held(
        facts=facts,
        read_at=reading.taken_at.timestamp() if reading else 0.0,
        now=now.timestamp(),
        error=reading.problem if reading else "",
        unit=service.unit_text,
        files=_files(running.get(running_number(service, facts))) if facts else None,
        cordon=service.node.cordon,
    )


def running_number(service: Service, facts: NodeFacts) -> int:
    """The number of the release of its project that the node runs as ``service``; 0 if it runs none."""
    found = facts.service(service.name)
    return (found.release or 0) if found is not None and found.project == service.project.name else 0


def running_files(service: Service, facts: NodeFacts) -> FileTree | None:
    """The files of the release that the node runs, or None if the dashboard does not know them. One query."""
    rows = Release.objects.select_related("files").filter(project_id=service.project_id)
    return _files(rows.filter(number=running_number(service, facts)).first())


def _files(release: Release | None) -> FileTree | None:
    if release is None:
        return None
    return release.files.tree() if release.files else FileTree()
