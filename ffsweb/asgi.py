"""The ASGI application that uvicorn serves."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ffsweb.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: E402

from ffsweb.intake import Application  # noqa: E402 - it needs the applications
from ffsweb.operations.route import LiveStreams, streams  # noqa: E402
from ffsweb.web.request_ids import RequestIds  # noqa: E402

application = LiveStreams(Application(), streams)
_trusted = list(settings.ENVIRONMENT.trusted_proxies)
if _trusted:
    application = ProxyHeadersMiddleware(application, trusted_hosts=_trusted)
application = RequestIds(application, _trusted)
