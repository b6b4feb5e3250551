"""The ASGI application that uvicorn serves."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ffsweb.settings")
django.setup(set_prefix=False)

from ffsweb.intake import Application  # noqa: E402 - it needs the applications
from ffsweb.operations.route import LiveStreams, streams  # noqa: E402

application = LiveStreams(Application(), streams)
