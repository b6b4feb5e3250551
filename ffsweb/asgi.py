"""The ASGI application that uvicorn serves."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ffsweb.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402

from ffsweb.intake import Application  # noqa: E402 - it needs the applications
from ffsweb.operations.route import LiveStreams, streams  # noqa: E402
from ffsweb.web.request_ids import behind_proxies  # noqa: E402

application = behind_proxies(LiveStreams(Application(), streams), settings.ENVIRONMENT.trusted_proxies)
