"""The node's firewall: one nftables table of its own, loaded by a unit of its own. See nft(8).

Never Fedora's ``nftables.service``: its stop and reload flush the whole ruleset, podman's published ports with it.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .quadlet import Port

PATH = "/etc/ffs/firewall.nft"
UNIT_NAME = "ffs-firewall.service"
SSH_PORT = 22

UNIT = f"""\
# The rules of this machine. Fedora's nftables.service stays off: stopping or reloading it removes every table,
# podman's included, and published ports die.
[Unit]
Description=ffs firewall: the nftables table "inet ffs"
DefaultDependencies=no
Requires=local-fs.target
After=local-fs.target
Wants=network-pre.target
Before=network-pre.target

# No Conflicts=shutdown.target: the rules stay until the machine is off.
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {PATH}
ExecReload=/usr/sbin/nft -f {PATH}
ExecStop=/usr/sbin/nft delete table inet ffs

[Install]
WantedBy=multi-user.target
"""


class AddressError(ValueError):
    """Not an IP address or network."""


def rules(ports: Iterable[Port], dashboard: Iterable[str] = ()) -> str:
    """The file for ``nft -f``; loading it again replaces the table in one step.

    ``ports`` are those that services publish; ``dashboard`` the addresses or networks (``10.0.0.0/8``) that may use
    SSH, none meaning any. Raises AddressError, which names the address.
    """
    allowed = _networks(dashboard)
    body = [
        "\t\tct state vmap { established : accept, related : accept, invalid : drop }",
        '\t\tiifname "lo" accept',
        # ICMP and ICMPv6 by number: by name nft needs /etc/protocols, and without it refuses the whole file.
        "\t\tmeta l4proto { 1, 58 } accept",
        '\t\tip6 saddr fe80::/10 udp sport 547 udp dport 546 accept comment "DHCPv6"',
        '\t\tiifname "podman*" meta l4proto { tcp, udp } th dport 53 accept comment "names between containers"',
        *(f"\t\t{rule}" for rule in _ssh(allowed)),
        *(f"\t\t{rule}" for rule in _services(ports)),
    ]
    return "\n".join([_HEAD, *body, "\t}", "}", ""])


_HEAD = """\
#!/usr/sbin/nft -f
# Only our own table; podman keeps its rules in "inet netavark". Declared, removed and defined in one transaction, so
# that loading the file again replaces the old rules at once.
#
# Ports that podman publishes are redirected before the input chain and cross "forward", which is left to podman: a
# drop there would cut the containers off, since no accept of podman's outweighs a drop of ours. They are named below
# for services that use the host's network.
table inet ffs
delete table inet ffs
table inet ffs {
\tchain input {
\t\ttype filter hook input priority filter; policy drop;"""


def _networks(addresses: Iterable[str]) -> dict[int, list[str]]:
    found: dict[int, set[ipaddress.IPv4Network | ipaddress.IPv6Network]] = {4: set(), 6: set()}
    for address in addresses:
        try:
            network = ipaddress.ip_network(address.strip(), strict=False)
        except ValueError:
            raise AddressError(f"{address!r} is no IP address or network") from None
        if getattr(network.network_address, "scope_id", None):
            raise AddressError(f"{address!r} names an interface; give the address alone")
        found[network.version].add(network)
    return {version: [_shown(network) for network in _collapsed(networks)] for version, networks in found.items()}


def _collapsed(
    networks: set[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    # nft refuses sets whose members overlap.
    return sorted(ipaddress.collapse_addresses(networks))  # type: ignore[type-var]


def _shown(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _ssh(allowed: dict[int, list[str]]) -> list[str]:
    if not any(allowed.values()):
        return [f'tcp dport {SSH_PORT} accept comment "SSH from anywhere: the dashboard has no fixed address"']
    families = {4: "ip", 6: "ip6"}
    return [
        f'{families[version]} saddr {{ {", ".join(networks)} }} tcp dport {SSH_PORT} accept comment "dashboard"'
        for version, networks in allowed.items()
        if networks
    ]


def _services(ports: Iterable[Port]) -> list[str]:
    by_protocol: dict[str, set[int]] = {}
    for port in ports:
        by_protocol.setdefault(port.protocol, set()).add(port.host)
    return [
        f'{protocol} dport {{ {", ".join(map(str, sorted(numbers)))} }} accept comment "services"'
        for protocol, numbers in sorted(by_protocol.items())
    ]
