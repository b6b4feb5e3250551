"""Samples of what the fleet has sealed, of every kind, for ``ffs doctor``."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

from deployments.models import DashboardKey, Node, RegistryCredential, Release, Setting, SigningKey
from deployments.models.node import node_key_context
from deployments.models.registry import registry_context
from deployments.models.setting import setting_context
from deployments.models.signing import signing_key_context
from ffsweb.doctor.sealed import SAMPLE, Sealed, sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffsweb.doctor.findings import Finding


def look() -> Iterator[Finding]:
    """The newest of each kind. One query for each."""
    yield sample("SSH keys of nodes", _node_keys)
    yield sample("SSH keys on their way", _other_keys)
    yield sample("Sealed settings", _settings)
    yield sample("Sealed settings of releases", _of_releases)
    yield sample("Passwords of registries", _registries)
    yield sample("Keys that sign for nodes", _signing)


def _node_keys() -> Sealed:
    for row in Node.objects.order_by("-pk")[:SAMPLE]:
        yield row.name, bytes(row.sealed_private_key), node_key_context(row.public_key)


def _other_keys() -> Sealed:
    for row in DashboardKey.objects.exclude(sealed_private_key=b"").select_related("node").order_by("-pk")[:SAMPLE]:
        yield row.node.name, bytes(row.sealed_private_key), node_key_context(row.public_key)


def _settings() -> Sealed:
    for row in Setting.objects.exclude(sealed=None).order_by("-pk")[:SAMPLE]:
        yield row.name, bytes(row.sealed or b""), setting_context(row.project_id, row.name)


def _of_releases() -> Sealed:
    for row in Release.objects.exclude(sealed_settings={}).order_by("-pk")[:SAMPLE]:
        for name, sealed in sorted(row.sealed_settings.items())[:SAMPLE]:
            yield f"{name} of release {row.number}", b64decode(sealed), setting_context(row.project_id, name)


def _registries() -> Sealed:
    for row in RegistryCredential.objects.exclude(sealed_password=None).order_by("-pk")[:SAMPLE]:
        yield row.host, bytes(row.sealed_password or b""), registry_context(row.project_id, row.host)


def _signing() -> Sealed:
    for row in SigningKey.objects.order_by("-pk")[:SAMPLE]:
        yield f"key {row.pk}", bytes(row.sealed_private_key), signing_key_context(row.public_key)
