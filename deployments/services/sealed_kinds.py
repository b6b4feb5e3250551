"""What is sealed of the fleet."""

from __future__ import annotations

from deployments.models import DashboardKey, Node, RegistryCredential, Release, Setting, SigningKey
from deployments.models.node import node_key_context
from deployments.models.registry import registry_context
from deployments.models.setting import setting_context
from deployments.models.signing import signing_key_context
from ffsweb.web.sealed_kinds import SealedKind, Values, decoded


def _node_keys(most: int | None) -> Values:
    for row in Node.objects.order_by("-pk")[:most].iterator():
        yield row.name, row.sealed_private_key, node_key_context(row.public_key)


def _other_keys(most: int | None) -> Values:
    rows = DashboardKey.objects.exclude(sealed_private_key=b"").select_related("node")
    for row in rows.order_by("-pk")[:most].iterator():
        yield row.node.name, row.sealed_private_key, node_key_context(row.public_key)


def _signing(most: int | None) -> Values:
    for row in SigningKey.objects.order_by("-pk")[:most].iterator():
        yield f"key {row.pk}", row.sealed_private_key, signing_key_context(row.public_key)


def _registries(most: int | None) -> Values:
    for row in RegistryCredential.objects.exclude(sealed_password=None).order_by("-pk")[:most].iterator():
        yield row.host, row.sealed_password, registry_context(row.project_id, row.host)


def _settings(most: int | None) -> Values:
    for row in Setting.objects.exclude(sealed=None).order_by("-pk")[:most].iterator():
        yield row.name, row.sealed, setting_context(row.project_id, row.name)


def _of_releases(most: int | None) -> Values:
    rows = Release.objects.exclude(sealed_settings={}).order_by("-pk")
    for number, project, settings in rows.values_list("number", "project", "sealed_settings")[:most].iterator():
        for name, sealed in sorted(settings.items())[:most]:
            yield f"{name} of release {number}", decoded(sealed), setting_context(project, name)


KINDS = (
    SealedKind("the SSH key of a node", "SSH keys of nodes", _node_keys),
    SealedKind("another SSH key of a node", "SSH keys on their way", _other_keys),
    SealedKind("a setting", "Sealed settings", _settings),
    SealedKind("a setting of a release", "Sealed settings of releases", _of_releases),
    SealedKind("the password of a registry", "Passwords of registries", _registries),
    SealedKind("the key that signs upgrades", "Keys that sign for nodes", _signing),
)
