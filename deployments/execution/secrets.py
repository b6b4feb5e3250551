"""The worker opens what a release or a certificate holds sealed, and from then on keeps it out of every log."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

from deployments.models.desired import CERT_PASS
from deployments.models.setting import setting_context
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_opener

if TYPE_CHECKING:
    from certificates.models import Certificate
    from deployments.models import Release, Service
    from ffsweb.accounts.models import Project
    from ffsweb.operations.context import Context

RECENT = 5
"""Releases whose secrets may still be in a journal, beside the live one."""


def open_settings(release: Release) -> dict[str, Secret]:
    """The sealed settings of a release by name; raises CannotOpen."""
    opener = worker_opener()
    return {
        name: opener.open(b64decode(sealed), setting_context(release.project_id, name))
        for name, sealed in release.sealed_settings.items()
    }


def protect_release(context: Context, release: Release) -> dict[str, Secret]:
    """Open the sealed settings of a release and keep their values out of the log."""
    values = open_settings(release)
    for value in values.values():
        context.protect(value)
    return values


def protect_recent(context: Context, project: Project, *numbers: int) -> None:
    """Keep out of the log what a journal may hold: secrets of the newest releases and of those with ``numbers``.

    A journal reaches back to programs that ran before. Two queries, and the time to open the seals.
    """
    for release in {
        *project.releases.order_by("-number")[:RECENT],
        *project.releases.filter(number__in=set(numbers)),
    }:
        protect_release(context, release)


def protect_service(context: Context, service: Service) -> None:
    """Keep out of the log whatever ``service`` may print: also the passphrase and the key of its certificate."""
    protect_recent(context, service.project, *([service.live_release.number] if service.live_release else []))
    if service.certificate is not None:
        open_certificate(context, service.certificate)


def open_certificate(context: Context, certificate: Certificate) -> tuple[Secret, Secret]:
    """The private key (PEM) and the passphrase of ``server.key.enc``, both kept out of the log."""
    opener = worker_opener()
    key = opener.open(bytes(certificate.sealed_key), certificate.key_context)
    passphrase = opener.open(bytes(certificate.sealed_passphrase), certificate.passphrase_context)
    context.protect(key)
    context.protect(passphrase)
    return key, passphrase


def open_credentials(context: Context, release: Release, certificate: Certificate | None) -> dict[str, Secret]:
    """What systemd hands to a service, by credential name; all of it kept out of the log."""
    values = {f"env.{name}": value for name, value in protect_release(context, release).items()}
    if certificate is not None:
        values[CERT_PASS] = open_certificate(context, certificate)[1]
    return values
