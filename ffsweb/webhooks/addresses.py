"""Where a webhook may go: which addresses of the internet, and how one is written. Pure.

The dashboard stands inside a network that its admins' admins trust. An address that somebody enters must not be a way
to what is only reachable from there: this machine, private networks, a cloud's metadata service.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST = 500
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*\.?")
_PATH = re.compile(r"[!-~]*")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


class BadAddress(ValueError):
    """Nothing is sent there; the text says why."""


@dataclass(frozen=True, slots=True)
class Destination:
    """An address taken apart; ``path`` with its query."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def shown(self) -> str:
        """Without path: that may be a secret."""
        return f"{'https' if self.tls else 'http'}://{self.netloc}"

    @property
    def netloc(self) -> str:
        """As the header Host has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse(text: str) -> Destination:
    """``text`` as a destination. Raises BadAddress. Nothing is resolved."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadAddress("Write a whole address, such as https://hooks.example.org/ffsweb.") from None
    host = (parts.hostname or "").lower()
    if parts.scheme not in {"https", "http"} or not host or len(text) > LONGEST:
        raise BadAddress("Write a whole address, such as https://hooks.example.org/ffsweb.")
    if parts.username is not None or parts.password is not None:
        raise BadAddress("Write the address without user and password: what is sent is signed.")
    if parts.fragment:
        raise BadAddress("Write the address without what follows #: it would never be sent.")
    host = _host(host)
    if port == 0 or not _PATH.fullmatch(f"{parts.path}?{parts.query}"):
        raise BadAddress("The address has characters that have to be percent-encoded, or port 0.")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(tls, host, port or (443 if tls else 80), path)


def refusal(address: str, allowed: Sequence[str]) -> str:
    """Why nothing is sent to this IP address; "" if it may be. ``allowed`` are networks that may be anyway."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"{address} is no IP address."
    if is_allowed(address, allowed):
        return ""
    inside = _inside(found)
    # Those that only carry an IPv4 address to a translator, or to nobody, are what they carry.
    carriers = isinstance(found, ipaddress.IPv6Address) and (found.ipv4_mapped or found in _NAT64)
    for each in inside if carriers else (found, *inside):
        if not each.is_global or each.is_multicast or each.is_reserved:
            return (
                f"{address} is an address of this machine, of a private network or of no network at all. An "
                "administrator may allow it by FFSWEB_WEBHOOK_PRIVATE."
            )
    return ""


def is_allowed(address: str, allowed: Sequence[str]) -> bool:
    """Whether an IP address is in one of these networks; an IPv4 one that is written as IPv6 counts as itself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    plain = mapped or found
    networks = [ipaddress.ip_network(network) for network in allowed]
    return any(plain.version == network.version and plain in network for network in networks)


def _inside(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 one stands for: mapped, compatible, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or address in _COMPATIBLE:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


def _host(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        name = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        name = ""
    # A name whose last part is a number is an IPv4 address in another spelling (127.1, 0x7f000001) to resolvers.
    last = name.rstrip(".").rpartition(".")[2]
    if not _HOST.fullmatch(name) or len(name) > 253 or last.isdigit() or last.startswith("0x"):
        raise BadAddress("The host of the address is neither a name nor an IP address.")
    return name
