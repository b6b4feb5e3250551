"""``/metrics``, for Prometheus: for programs that know the token, or ask from addresses that need none."""

from __future__ import annotations

import hmac
import platform
import shutil
from collections.abc import Iterator
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.core import Metric

from ffsweb.accounts.access import token_view
from ffsweb.health import missing_migrations
from ffsweb.version import running_version
from ffsweb.web.client import is_of
from ffsweb.web.metrics import CONTENT_TYPE, exposition, gauge, register, single

REFUSED = "Figures are told to who sends the token of FFSWEB_METRICS_TOKEN, or asks from FFSWEB_METRICS_ADDRESSES.\n"


def admit(request: HttpRequest, _kwargs: dict[str, Any]) -> HttpResponse | None:
    """Lets in who may read the figures. Where neither setting is given, nobody may."""
    address = request.META.get("REMOTE_ADDR", "")
    if _knows_token(request.headers.get("Authorization", "")) or is_of(address, settings.METRICS_ADDRESSES):
        return None
    refused = HttpResponse(REFUSED, status=401, content_type="text/plain; charset=utf-8")
    refused["WWW-Authenticate"] = 'Bearer realm="ffsweb metrics"'
    return refused


@token_view(admit)
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """All figures in Prometheus's text format. About twenty-five queries."""
    return HttpResponse(exposition(), content_type=CONTENT_TYPE)


def about() -> Iterator[Metric]:
    """Which version this is, and whether the database is of the same. No query, as a rule."""
    family = gauge("build_info", "The versions that run, as labels; always 1.", "version", "python", "django")
    family.add_metric([running_version(), platform.python_version(), django.get_version()], 1)
    yield family
    yield single("migrations_missing", "Migrations of this version that are not applied.", missing_migrations())


def disk() -> Iterator[Metric]:
    """The file system of FFSWEB_DATA: database (SQLite), images, files, uploads. No query."""
    try:
        usage = shutil.disk_usage(settings.DATA)
    except OSError:  # not there for this process
        return
    yield single("data_size_bytes", "Size of the file system that holds FFSWEB_DATA.", usage.total)
    yield single("data_free_bytes", "What is free of it.", usage.free)


def _knows_token(header: str) -> bool:
    scheme, _, sent = header.partition(" ")
    token: str = settings.METRICS_TOKEN
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), token.encode())


register(about)
register(disk)
