"""Where every address of the dashboard leads, in the order of the navigation bar."""

from __future__ import annotations

urlpatterns: list[object] = []
