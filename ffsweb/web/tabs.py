"""The navigation: the bar at the top, and the tabs of a project and of the system pages."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse


@dataclass(frozen=True, slots=True)
class Tab:
    """One entry: the name of its address, the word, an icon, and the first path segments that belong to it."""

    name: str
    text: str
    icon: str
    segments: frozenset[str]
    admins_only: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A tab as it is drawn on one page."""

    href: str
    text: str
    icon: str
    current: bool


def _tab(name: str, text: str, icon: str, *segments: str, admins_only: bool = False) -> Tab:
    return Tab(name, text, icon, frozenset(segments), admins_only)


NAVIGATION = (
    _tab("deployments:fleet", "Fleet", "layout-grid", ""),
    _tab("projects:list", "Projects", "stack-2", "projects"),
    _tab("operations:list", "Operations", "activity", "operations"),
    _tab("deployments:served", "Certificates", "certificate", "certificates"),
    _tab("system:home", "System", "settings", "system", admins_only=True),
)
PROJECT = (
    _tab("deployments:project", "Overview", "home", "", "edit", "remove"),
    _tab("deployments:nodes", "Nodes", "server", "nodes", "access-keys"),
    _tab("deployments:services", "Services", "box", "services"),
    _tab("deployments:releases", "Releases", "tag", "releases", "images", "files", "plans", "registry"),
    _tab("certificates:list", "Certificates", "certificate", "certificates"),
    _tab("deployments:settings", "Settings", "adjustments", "settings"),
    _tab("projects:members", "Members", "users", "members", "tokens"),
    _tab("notify:project", "Notifications", "bell", "notifications"),
    _tab("webhooks:project", "Webhooks", "bolt", "webhooks", admins_only=True),
    _tab("audit:project", "Audit", "list-check", "audit", admins_only=True),
)
RELEASES = (
    _tab("deployments:releases", "Releases", "tag", "releases", "plans"),
    _tab("deployments:images", "Images", "package", "images"),
    _tab("deployments:files", "Files", "folder", "files"),
    _tab("deployments:registry", "Registry", "cloud-download", "registry"),
)
SYSTEM = (
    _tab("system:people", "People", "users", "people", "invite", "links"),
    _tab("deployments:store", "Image store", "package", "store"),
    _tab("notify:mail", "Mail", "mail", "mail"),
    _tab("webhooks:system", "Webhooks", "bolt", "webhooks"),
    _tab("deployments:retention", "Retention", "eraser", "retention"),
    _tab("backup:backups", "Backups", "archive", "backups", "restored"),
    _tab("audit:all", "Audit", "list-check", "audit"),
)


def links(tabs: tuple[Tab, ...], segment: str, *, admin: bool, args: tuple[str, ...] = ()) -> list[Link]:
    """``tabs`` for one page: ``segment`` tells which is current; those for admins are left out for others."""
    return [
        Link(reverse(tab.name, args=args), tab.text, tab.icon, segment in tab.segments)
        for tab in tabs
        if admin or not tab.admins_only
    ]
