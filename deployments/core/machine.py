"""The machine file: what a node is installed from, as Butane text.

A node is a Fedora CoreOS machine with three users (``core`` for people, ``ffsweb`` for the dashboard, ``ffs`` for
what runs in containers), the program ``ffs-node``, a firewall, and a unit per service that awaits the first deploy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import machine_parts as parts
from .butane_write import Block, write
from .machine_check import MachineError, check_machine
from .quadlet import Mode, Port

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MachineError", "MachineService", "MachineSpec", "butane"]


@dataclass(frozen=True, slots=True)
class MachineService:
    """A service that the machine will run."""

    name: str
    ports: tuple[Port, ...] = ()
    mode: Mode = Mode.SUPERVISOR

    @classmethod
    def of(cls, name: str, ports: Iterable[Mapping[str, object]], supervision: str = "supervisor") -> MachineService:
        """From a Service row: ``ports`` as stored there. Raises MachineError."""
        # What is detected is known with the first release; until then the unit waits and the mode says nothing.
        mode = Mode.SUPERVISOR if supervision == "auto" else Mode(supervision)
        return cls(name, tuple(_port(name, port) for port in ports), mode)


def _port(service: str, port: Mapping[str, object]) -> Port:
    host, container, protocol = port.get("host"), port.get("container"), port.get("protocol", "tcp")
    if isinstance(host, int) and isinstance(container, int) and isinstance(protocol, str):
        return Port(host, container, protocol)
    raise MachineError("services", f"{service}: {dict(port)!r} is no published port")


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """All that a machine file says.

    Keys are in OpenSSH's form, one line each. ``dashboard_addresses`` are the addresses or networks that may use SSH,
    none meaning any. ``host_key_private`` (OpenSSH PEM) is the file's only secret: the bootstrap host key, which the
    first contact replaces. ``ffs_node`` and ``restore_unit`` are texts from ``deployments.nodekit``;
    ``upgrade_signers`` (OpenSSH's allowed signers) says whose upgrades of ffs-node count. ``break_glass`` are those
    of ``operator_keys`` that ffs-node never removes. ``update_slot`` of ``update_slots`` places the node's window for
    reboots (see ``zincati.window``).
    """

    project: str
    node: str
    services: tuple[MachineService, ...]
    operator_keys: tuple[str, ...]
    dashboard_key: str
    host_key_private: str = field(repr=False)
    host_key_public: str
    ffs_node: str = field(repr=False)
    restore_unit: str = field(repr=False)
    dashboard_addresses: tuple[str, ...] = ()
    upgrade_signers: str = ""
    break_glass: tuple[str, ...] = ()
    update_slot: int = 0
    update_slots: int = 1
    timezone: str = "UTC"


def butane(spec: MachineSpec) -> str:
    """The Butane text (``fcos`` 1.4.0) of a machine, the same for the same spec; ``butane.translate`` takes it.

    Raises MachineError, which names the field.
    """
    check_machine(spec)
    passwd = Block((("groups", parts.groups()), ("users", parts.users(spec))))
    storage = Block(
        (
            ("directories", parts.directories(spec)),
            ("files", parts.files(spec)),
            ("links", parts.links(spec)),
        )
    )
    units = Block((("units", parts.units(spec)),))
    return write(
        Block(
            (("variant", "fcos"), ("version", "1.4.0"), ("passwd", passwd), ("storage", storage), ("systemd", units)),
            comment=parts.INTRODUCTION.format(node=spec.node, project=spec.project),
        )
    )
