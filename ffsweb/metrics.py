"""``/metrics``, for Prometheus: for programs that know the token, or ask from addresses that need none."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.core import Metric

from ffsweb.accounts.access import token_view
from ffsweb.web.metrics import CONTENT_TYPE, exposition, gauge, register

REFUSED = "Figures are told to who sends the token of FFSWEB_METRICS_TOKEN, or asks from FFSWEB_METRICS_ADDRESSES.\n"


def admit(request: HttpRequest, _kwargs: dict[str, Any]) -> HttpResponse | None:
    """Lets in who may read the figures. Where neither setting is given, nobody may."""
    if _knows_token(request.headers.get("Authorization", "")) or _may_ask(request.META.get("REMOTE_ADDR", "")):
        return None
    refused = HttpResponse(REFUSED, status=401, content_type="text/plain; charset=utf-8")
    refused["WWW-Authenticate"] = 'Bearer realm="ffsweb metrics"'
    return refused


@token_view(admit)
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """All figures in Prometheus's text format. About fifteen queries."""
    return HttpResponse(exposition(), content_type=CONTENT_TYPE)


def about() -> Iterator[Metric]:
    """Which version this is."""
    try:
        known = version("ffsweb")
    except PackageNotFoundError:
        known = "unknown"
    family = gauge("build_info", "The version that runs, as a label; always 1.", "version")
    family.add_metric([known], 1)
    yield family


def _knows_token(header: str) -> bool:
    scheme, _, sent = header.partition(" ")
    token: str = settings.METRICS_TOKEN
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), token.encode())


def _may_ask(address: str) -> bool:
    try:
        asking = ipaddress.ip_address(address)
    except ValueError:  # a unix socket has none
        return False
    return any(asking in ipaddress.ip_network(network) for network in settings.METRICS_ADDRESSES)


register(about)
