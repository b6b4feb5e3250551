"""Settings for the workers that the tests start: the engine without the fleet it does not know, and a short lease."""

from __future__ import annotations

from ffsweb.settings import *  # noqa: F403
from ffsweb.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app not in {"deployments", "certificates", "ffsweb.backup"}),
    "tests.operations.sample",
]
ROOT_URLCONF = "ffsweb.operations.urls"
OPERATIONS_LEASE = 3.0

if DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3":  # as short, beside such a lease
    DATABASES["default"]["OPTIONS"]["options"] = "-c idle_in_transaction_session_timeout=4s"
