"""Machine files: what a node is installed from, with a fresh bootstrap host key in each download."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from django.conf import settings
from django.db import transaction

from deployments.core.access import bare
from deployments.core.butane import translate
from deployments.core.install import InstallCommand, commands_for
from deployments.core.machine import MachineService, MachineSpec, butane
from deployments.models import AccessKey, HostKey
from deployments.models.node import AWAITED
from deployments.nodekit.released import ffs_node_script, restore_unit
from deployments.services.signing import upgrade_signers
from ffsweb.audit.services import record
from ffsweb.remote import keys
from ffsweb.sealed import Secret

if TYPE_CHECKING:
    from django.http import HttpRequest

    from deployments.models import Node
    from ffsweb.accounts.models import User

Kind = Literal["bu", "ign"]


@dataclass(frozen=True, slots=True)
class MachineFile:
    """A file for download; ``text`` holds the private half of a host key."""

    text: str = field(repr=False)
    content_type: str


def make_machine_files(*, node: Node, actor: User, kind: Kind, request: HttpRequest | None = None) -> MachineFile:
    """Make ``ffs.bu`` or ``ffs.ign``; only the public half of its host key is kept. Raises MachineError.

    From now on its host key is awaited, beside those of the ``AWAITED`` newest files.
    """
    private_key, line = keys.generate(comment=node.name)
    public_key = keys.parse_public_key(line)
    text = butane(machine_spec(node, private_key, line, upgrade_signers(actor=actor, request=request)))
    if kind == "ign":
        text = translate(text)
    with transaction.atomic():
        HostKey.objects.create(
            node=node,
            kind=HostKey.Kind.BOOTSTRAP,
            public_key=public_key.line,
            fingerprint=public_key.fingerprint,
        )
        _retire_the_eldest(node)
        record(
            actor=actor,
            action="node.machine_file",
            project=node.project,
            target=str(node),
            detail={"kind": kind, "host_key": public_key.fingerprint},
            request=request,
        )
    return MachineFile(text=text, content_type="application/yaml" if kind == "bu" else "application/json")


def _retire_the_eldest(node: Node) -> None:
    awaited = HostKey.objects.filter(node=node, kind=HostKey.Kind.BOOTSTRAP).order_by("-created_at", "-pk")
    eldest = list(awaited.values_list("pk", flat=True)[AWAITED:])
    awaited.filter(pk__in=eldest).update(kind=HostKey.Kind.RETIRED)


def machine_spec(node: Node, host_key: Secret, host_key_line: str, signers: str) -> MachineSpec:
    """What a node's machine file says; ``signers`` is whose upgrades of ``ffs-node`` count. Three queries."""
    operators = _operator_keys(node)
    siblings = list(node.project.nodes.order_by("pk").values_list("pk", flat=True))
    return MachineSpec(
        project=node.project.name,
        node=node.name,
        services=tuple(
            MachineService.of(service.name, service.ports, service.supervision)
            for service in node.services.order_by("name")
        ),
        operator_keys=operators,
        dashboard_key=node.public_key,
        dashboard_addresses=tuple(settings.DASHBOARD_ADDRESSES),
        host_key_private=host_key.reveal_text(),
        host_key_public=host_key_line,
        ffs_node=ffs_node_script(),
        restore_unit=restore_unit(),
        upgrade_signers=signers,
        break_glass=_break_glass(node, operators),
        update_slot=siblings.index(node.pk),
        update_slots=len(siblings),
    )


def _operator_keys(node: Node) -> tuple[str, ...]:
    """Those of the project and those of the node's description, each once."""
    wanted = AccessKey.objects.filter(project=node.project_id, state=AccessKey.State.WANTED)
    lines = [*(key.line for key in wanted), *node.operator_keys.splitlines()]
    return tuple({bare(line): line for line in reversed(lines)}.values())[::-1]


def _break_glass(node: Node, operators: tuple[str, ...]) -> tuple[str, ...]:
    glass = AccessKey.objects.filter(project=node.project_id, state=AccessKey.State.WANTED, break_glass=True)
    kept = set(glass.values_list("public_key", flat=True))
    return tuple(line for line in operators if bare(line) in kept)


def install_commands(node: Node) -> list[InstallCommand]:
    """The exact commands by which a machine is installed from the downloaded file."""
    return commands_for(node.name)
