"""Settings of an installation whose workers know one kind of operation more: one that says what a test tells it."""

from __future__ import annotations

from ffsweb.settings import *  # noqa: F403
from ffsweb.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.browser.live_app.LiveConfig"]
