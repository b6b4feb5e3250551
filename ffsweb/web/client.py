"""Where a request came from."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from allauth.account.adapter import get_adapter
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """The client's IP address as the log-in limits see it (trusted proxies counted), or "" if it is unknown."""
    try:
        return str(get_adapter().get_client_ip(request))
    except PermissionDenied:
        return ""


def is_of(address: str, networks: Iterable[str]) -> bool:
    """Whether an IP address is in one of ``networks``; what is no address (a unix socket has none) is in none."""
    try:
        asking = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(asking in ipaddress.ip_network(network) for network in networks)
