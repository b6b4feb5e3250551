"""The lab's network: a bridge for each session, a network namespace and a cable for each node.

Names begin with ``ffs`` and the session's id and stay below the kernel's 15 characters, so that two suites on
one machine never meet and a sweep knows what belongs to whom.
"""

from __future__ import annotations

import ipaddress
import json
import random

from tests.lab.run import LabError, check, run

RANGE = ipaddress.IPv4Network("10.66.0.0/16")
"""Sessions take one /24 each from here, the first of those tried at random that overlaps nothing."""


def bridge_name(session: str) -> str:
    return f"ffs{session}"


def link_name(session: str, number: int) -> str:
    """The machine's end of a node's cable."""
    return f"ffs{session}-{number}"


def namespace_name(session: str, node: str) -> str:
    return f"ffs{session}-{node}"


def in_use() -> list[ipaddress.IPv4Network]:
    """Networks that this machine has an address in or a route to, the default route aside."""
    found = set()
    for route in json.loads(check(("ip", "-j", "-4", "route", "show", "table", "all")) or "[]"):
        if (to := route.get("dst", "default")) != "default":
            found.add(ipaddress.IPv4Network(to, strict=False))
    for link in json.loads(check(("ip", "-j", "-4", "address")) or "[]"):
        for address in link.get("addr_info", ()):
            if "local" in address:
                found.add(ipaddress.IPv4Network(f"{address['local']}/{address['prefixlen']}", strict=False))
    return sorted(found)


def free_network(used: list[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """Choose a /24 that overlaps none of ``used``; raises :class:`LabError` when all are taken."""
    candidates = list(RANGE.subnets(new_prefix=24))[1:]
    random.SystemRandom().shuffle(candidates)
    for candidate in candidates:
        if not any(candidate.overlaps(other) for other in used):
            return candidate
    raise LabError(f"every /24 of {RANGE} is in use on this machine")


def make_bridge(session: str, network: ipaddress.IPv4Network) -> None:
    """Make the session's bridge, with the network's first address for this machine, unless it is there."""
    bridge = bridge_name(session)
    if run(("ip", "link", "show", bridge)).status == 0:
        return
    check(("ip", "link", "add", bridge, "type", "bridge"))
    check(("ip", "address", "add", f"{network[1]}/{network.prefixlen}", "dev", bridge))
    check(("ip", "link", "set", bridge, "up"))


def wiring(session: str, node: str, number: int, network: ipaddress.IPv4Network) -> tuple[tuple[str, ...], ...]:
    """The commands that give a node a fresh network namespace and plug its cable in; the last one connects it.

    What a node had in its last namespace (rules, bridges) went with its power. The first two fail if there was none.
    """
    space, link = namespace_name(session, node), link_name(session, number)
    inside = ("ip", "-n", space)
    # An address has one network card for ever: with another behind it, whoever knew the last would talk to nobody for
    # half a minute (arp(7), base_reachable_time).
    card = "02:66:" + ":".join(f"{byte:02x}" for byte in network[number].packed)
    return (
        ("ip", "link", "delete", link),
        ("ip", "netns", "delete", space),
        ("ip", "netns", "add", space),
        ("ip", "link", "add", link, "type", "veth", "peer", "name", "host0", "address", card, "netns", space),
        ("ip", "link", "set", link, "master", bridge_name(session)),
        (*inside, "address", "add", f"{network[number]}/{network.prefixlen}", "dev", "host0"),
        (*inside, "link", "set", "host0", "up"),
        (*inside, "link", "set", "lo", "up"),
        (*inside, "route", "add", "default", "via", str(network[1])),
        ("ip", "link", "set", link, "up"),
    )


def unwire(session: str, node: str, number: int) -> None:
    """Take a node's cable and namespace away, if they are there."""
    run(("ip", "link", "delete", link_name(session, number)))
    run(("ip", "netns", "delete", namespace_name(session, node)))


def plug(session: str, number: int, *, connected: bool) -> None:
    """Pull the cable, or put it back: no packet passes, nothing is refused, and addresses stay."""
    check(("ip", "link", "set", link_name(session, number), "up" if connected else "down"))


def leftovers(session: str) -> tuple[list[str], list[str]]:
    """Links and network namespaces that carry a session's name."""
    links = [link["ifname"] for link in json.loads(check(("ip", "-j", "link")) or "[]")]
    spaces = [space["name"] for space in json.loads(check(("ip", "-j", "netns", "list")) or "[]")]
    bridge = bridge_name(session)
    ours = [name for name in links if name == bridge or name.startswith(f"{bridge}-")]
    return ours, [name for name in spaces if name.startswith(f"{bridge}-")]


def remove_all(session: str) -> None:
    """Remove every link and namespace that carries a session's name."""
    links, spaces = leftovers(session)
    for name in links:
        run(("ip", "link", "delete", name))
    for name in spaces:
        run(("ip", "netns", "delete", name))
