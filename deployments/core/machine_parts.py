"""The parts of a machine file: users, directories, files, links and units, each with the reason for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from . import firewall, layout, quadlet, zincati
from .access import bare
from .butane_storage import directory, file, owner
from .butane_write import Block, Octal

if TYPE_CHECKING:
    from .butane_write import Value
    from .machine import MachineSpec

INTRODUCTION = """\
Machine file of {node} ({project}). Butane, written by ffsweb: https://coreos.github.io/butane/
It holds one secret, the private half of the bootstrap host key. The key counts until the dashboard's first contact,
which replaces it. Keep the file private until then. It installs one machine; make another file for another one."""

_HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
# /home is a link to /var/home on Fedora CoreOS; Ignition follows it.
_HOME = f"/home/{layout.DASHBOARD_USER}"
_KEYS = f"{_HOME}/.ssh/authorized_keys.d"


def groups() -> list[Block]:
    """The groups of the two users whose numbers are fixed."""
    return [
        Block((("name", layout.SERVICE_USER), ("gid", layout.SERVICE_UID))),
        Block((("name", layout.DASHBOARD_USER), ("gid", layout.DASHBOARD_UID))),
    ]


def users(spec: MachineSpec) -> list[Block]:
    """The three users of a node."""
    keys: tuple[tuple[str, Value], ...] = ()
    if spec.operator_keys:
        keys = (("ssh_authorized_keys", [key.strip() for key in spec.operator_keys]),)
    return [
        Block(
            (("name", layout.ADMIN_USER), *keys),
            "For people, when the dashboard cannot help (break-glass)."
            + ("" if keys else "\nNo key was given: nobody can log in as core."),
        ),
        Block(
            (
                ("name", layout.SERVICE_USER),
                ("uid", layout.SERVICE_UID),
                ("primary_group", layout.SERVICE_USER),
                ("gecos", "what runs in the containers"),
                ("no_create_home", True),
                ("home_dir", "/"),
                ("shell", "/usr/sbin/nologin"),
            ),
            "Owner of the services' data. Its number is the user inside the containers.",
        ),
        Block(
            (
                ("name", layout.DASHBOARD_USER),
                ("uid", layout.DASHBOARD_UID),
                ("primary_group", layout.DASHBOARD_USER),
                ("gecos", "the dashboard"),
                ("shell", "/bin/bash"),
            ),
            "The dashboard logs in as this user. Its key is below, its only privilege in /etc/sudoers.d.",
        ),
    ]


def directories(spec: MachineSpec) -> list[Block]:
    """Every directory whose owner or mode matters: what Ignition makes on the way is root's, 0755."""
    dashboard = layout.DASHBOARD_USER
    tree = [
        directory(_HOME, 0o700, dashboard),
        directory(f"{_HOME}/.ssh", 0o700, dashboard),
        directory(_KEYS, 0o700, dashboard, "sshd of Fedora CoreOS reads every file in here."),
        directory(layout.NODE_ETC, 0o755),
        directory(layout.QUADLETS, 0o755),
        directory(layout.NODE_STATE, 0o700, comment="What ffs-node remembers: fences, operations, pending switches."),
        directory(layout.SERVICES, 0o755),
    ]
    for service in spec.services:
        home = layout.service_directory(service.name)
        tree += [
            directory(home, 0o755),
            directory(f"{home}/releases", 0o755),
            directory(f"{home}/certs", 0o755),
            directory(f"{home}/supervisor", 0o755),
            directory(f"{home}/credentials", 0o700),
            directory(f"{home}/data", 0o750, layout.SERVICE_USER, "The only place that the service may write to."),
        ]
    return tree


def files(spec: MachineSpec) -> list[Block]:
    """The files of a machine."""
    return [*_identity(spec), *_access(spec), *_program(spec), *_policy(spec), *(_services(spec))]


def _identity(spec: MachineSpec) -> list[Block]:
    node = {"node": spec.node, "project": spec.project, "protocol": layout.PROTOCOL}
    why = "The bootstrap host key, this file's only secret: the dashboard knows the machine by it at first contact."
    return [
        file("/etc/hostname", 0o644, f"{spec.node}\n", overwrite=True),
        file(_HOST_KEY, 0o600, spec.host_key_private.rstrip("\n") + "\n", comment=why),
        file(f"{_HOST_KEY}.pub", 0o644, f"{spec.host_key_public.strip()}\n"),
        file(f"{layout.NODE_ETC}/node.json", 0o644, json.dumps(node, sort_keys=True) + "\n"),
    ]


def _access(spec: MachineSpec) -> list[Block]:
    key = Block(
        (
            ("path", f"{_KEYS}/{layout.DASHBOARD_USER}"),
            *owner(layout.DASHBOARD_USER),
            ("mode", Octal(0o600)),
            ("contents", Block((("inline", f"restrict,port-forwarding {spec.dashboard_key.strip()}\n"),))),
        ),
        "No terminal, no agent, no X11: commands, and a port forwarded back for the transfer of images.\n"
        "A fragment of its own, so that neither Ignition's nor anybody's authorized_keys is touched.",
    )
    rule = f"{layout.DASHBOARD_USER} ALL=(root) NOPASSWD: {layout.NODE_PROGRAM}\n"
    sudo = file(layout.SUDO_RULE, 0o440, rule, comment="That one program, nothing else.")
    why = (
        "A connection whose other end is gone (a cut cable) ends within a minute or so, and what ran for it as well."
    )
    alive = file(layout.SSHD_RULE, 0o600, "ClientAliveInterval 15\nClientAliveCountMax 4\n", comment=why)
    return [key, sudo, alive, *_break_glass(spec)]


def _break_glass(spec: MachineSpec) -> list[Block]:
    if not spec.break_glass:
        return []
    kept = "".join(f"{bare(line)}\n" for line in spec.break_glass)
    why = "Keys of core that ffs-node never removes."
    return [file(f"{layout.NODE_ETC}/break-glass", 0o644, kept, comment=why)]


def _program(spec: MachineSpec) -> list[Block]:
    signers = f"{layout.NODE_ETC}/upgrade.signers"
    return [
        file(layout.NODE_PROGRAM, 0o755, spec.ffs_node),
        *(
            [file(signers, 0o644, spec.upgrade_signers, comment="Whose upgrades of ffs-node count.")]
            if spec.upgrade_signers
            else []
        ),
    ]


def _policy(spec: MachineSpec) -> list[Block]:
    ports = [port for service in spec.services for port in service.ports]
    window = zincati.strategy(zincati.window(spec.update_slot, spec.update_slots))
    updates = "Otherwise every node reboots as soon as an update is there. The nodes of a project take turns."
    return [
        file(firewall.PATH, 0o600, firewall.rules(ports, spec.dashboard_addresses)),
        file("/etc/zincati/config.d/55-ffs-updates-strategy.toml", 0o644, window, comment=updates),
    ]


def _services(spec: MachineSpec) -> list[Block]:
    comment = (
        "Waits for the first deploy (ConditionPathExists=). podman makes the systemd unit from it; its [Install]\n"
        "section enables it, so it does not stand under systemd.units."
    )
    return [
        file(
            layout.quadlet_path(service.name),
            0o644,
            quadlet.placeholder(
                project=spec.project, service=service.name, node=spec.node, ports=service.ports, mode=service.mode
            ),
            comment=comment,
        )
        for service in spec.services
    ]


def links(spec: MachineSpec) -> list[Block]:
    """The time zone, which systemd keeps as a link."""
    target = f"../usr/share/zoneinfo/{spec.timezone}"
    return [Block((("path", "/etc/localtime"), ("target", target), ("overwrite", True)))]


def units(spec: MachineSpec) -> list[Block]:
    """The units of a machine; those of its services are made by podman."""
    docker = (
        "A stray `docker` command would start dockerd, whose firewall rules break podman's published ports.\n"
        "Fedora CoreOS advises to mask it where podman is used."
    )
    return [
        Block((("name", firewall.UNIT_NAME), ("enabled", True), ("contents", firewall.UNIT))),
        Block(
            (("name", "ffs-restore.service"), ("enabled", True), ("contents", spec.restore_unit)),
            "After a power cut between a switch and its confirmation: back to the release that was proven.",
        ),
        Block((("name", "docker.service"), ("mask", True)), docker),
        Block((("name", "docker.socket"), ("mask", True))),
    ]
