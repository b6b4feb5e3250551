"""What may go into a machine file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import firewall
from .ssh_line import public_key_problem
from .unit_fields import HOST, PROJECT, SERVICE, UnitError, check_ports
from .unit_text import LINE_MAX, UnitTextError, assignments

if TYPE_CHECKING:
    from .machine import MachineSpec

MAX_PROGRAM = 1_000_000
_PEM = re.compile(
    r"-----BEGIN OPENSSH PRIVATE KEY-----\n([A-Za-z0-9+/=]{1,76}\n){1,100}-----END OPENSSH PRIVATE KEY-----\n?"
)
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,2}")


class MachineError(Exception):
    """A value that must not be written into a machine file. ``field`` names it."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        self.message = message
        super().__init__(f"{field}: {message}")


def check_machine(spec: MachineSpec) -> None:
    """Raise MachineError for the first value that a machine file cannot hold."""
    if not HOST.fullmatch(spec.node):
        raise MachineError("node", f"{spec.node!r} is no host name (up to 63 lower-case letters, digits and hyphens)")
    if not PROJECT.fullmatch(spec.project):
        raise MachineError("project", f"{spec.project!r} is no project name")
    if not _ZONE.fullmatch(spec.timezone):
        raise MachineError("timezone", f"{spec.timezone!r} is no time zone")
    if not 0 <= spec.update_slot < spec.update_slots:
        raise MachineError("update_slot", f"there is no slot {spec.update_slot} of {spec.update_slots}")
    _check_services(spec)
    _check_keys(spec)
    _check_texts(spec)


def _check_services(spec: MachineSpec) -> None:
    names: set[str] = set()
    for service in spec.services:
        if not SERVICE.fullmatch(service.name) or service.name in names:
            raise MachineError("services", f"{service.name!r} is no service name, or occurs twice")
        names.add(service.name)
    ports = [port for service in spec.services for port in service.ports]
    try:
        check_ports(ports)
        firewall.rules(ports, spec.dashboard_addresses)
    except UnitError as error:
        raise MachineError("services", error.message) from None
    except firewall.AddressError as error:
        raise MachineError("dashboard_addresses", str(error)) from None
    if any(port.host == firewall.SSH_PORT and port.protocol == "tcp" for port in ports):
        raise MachineError("services", f"port {firewall.SSH_PORT} is sshd's")


def _check_keys(spec: MachineSpec) -> None:
    for number, line in enumerate(spec.operator_keys, 1):
        problem = public_key_problem(line)
        if problem:
            raise MachineError("operator_keys", f"line {number}: {problem}")
    if len({line.strip() for line in spec.operator_keys}) != len(spec.operator_keys):
        raise MachineError("operator_keys", "a key is given twice")
    if not set(spec.break_glass) <= set(spec.operator_keys):
        raise MachineError("break_glass", "a key is none of the operators'")
    for field in ("dashboard_key", "host_key_public"):
        problem = public_key_problem(getattr(spec, field), kinds=("ssh-ed25519",))
        if problem:
            raise MachineError(field, problem)
    if not _PEM.fullmatch(spec.host_key_private):
        raise MachineError("host_key_private", "it is no OpenSSH private key")


def _check_texts(spec: MachineSpec) -> None:
    if not spec.ffs_node.startswith("#!") or len(spec.ffs_node) > MAX_PROGRAM or "\0" in spec.ffs_node:
        raise MachineError("ffs_node", "it is no script")
    try:
        found = assignments(spec.restore_unit, line_max=LINE_MAX)
    except UnitTextError as error:
        raise MachineError("restore_unit", str(error)) from None
    if not any(line.section == "Install" for line in found):
        raise MachineError("restore_unit", "it has no [Install] section, so it would never run")
    if any(ord(character) < 0x20 and character != "\n" for character in spec.upgrade_signers):
        raise MachineError("upgrade_signers", "it holds control characters")
