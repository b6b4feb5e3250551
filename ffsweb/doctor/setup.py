"""The settings: what is refused at a start, what contradicts itself, what is only unwise; and the style sheets."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .findings import Finding, fail, ok, some, warn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ffsweb.env import Environment


def look(values: Environment) -> Iterator[Finding]:
    """What every start looks at, and more."""
    from ffsweb import checks
    from ffsweb.runtime.prepare import gathered

    refused = checks.problems(gathered(values))
    yield from (fail(text, "No process starts like this.") for text in refused)
    unwise = list(judge(values))
    yield from unwise
    if not refused and not unwise:
        kind = "production" if values.production else "development"
        yield ok(f"Settings for {kind}; the address is {values.public_url}.")


def judge(values: Environment) -> Iterator[Finding]:
    """What a start does not refuse. Pure."""
    if values.unknown:
        yield warn(f"There is no such setting: {some(values.unknown)}.", "Is it misspelt? See docs/settings.md.")
    yield from _exposed(values)
    for name, networks in (
        ("FFSWEB_TRUSTED_PROXIES", values.trusted_proxies),
        ("FFSWEB_METRICS_ADDRESSES", values.metrics_addresses),
    ):
        if wide := _wide(networks):
            yield fail(f"{name} has {some(wide)}: that is everybody.", "Write the addresses that are meant.")
    if values.production and values.log_level == "DEBUG":
        yield warn("FFSWEB_LOG_LEVEL is DEBUG.", "Set INFO once what is looked for is found: it is much, and slow.")
    if urlsplit(values.database_url).scheme == "sqlite" and not values.private_valkey:
        yield warn(
            "The database is SQLite, and the broker is one for several machines.",
            "SQLite serves one machine. For more, set DATABASE_URL to a PostgreSQL.",
        )


def _exposed(values: Environment) -> Iterator[Finding]:
    https = values.public_url.startswith("https://")
    if not values.production and not _is_local(values.host):
        yield warn(
            f"Development settings, and it listens on {values.host}: others reach it.",
            "Set FFSWEB_ENVIRONMENT=production, which refuses weak settings.",
        )
    if not values.production and https:
        text = "The public address has https, and FFSWEB_ENVIRONMENT is development."
        yield warn(text, "Set FFSWEB_ENVIRONMENT=production.")
    if https and not values.trusted_proxies:
        yield warn(
            "A proxy is in front (https), and FFSWEB_TRUSTED_PROXIES names none.",
            "Everybody comes from the proxy's address then, in the audit log and for the limits of log-ins. Name it.",
        )


def static_files() -> Finding:
    """Whether the style sheets and scripts of this version are where the web process looks."""
    from django.conf import settings

    root: Path = settings.STATIC_ROOT
    try:
        manifest = json.loads((root / "staticfiles.json").read_text(encoding="utf-8"))
        names = list(manifest["paths"].values())
    except (OSError, ValueError, KeyError, TypeError):
        return judge_static(str(root), None, [])
    return judge_static(str(root), len(names), [name for name in names if not (root / name).is_file()])


def judge_static(root: str, number: int | None, missing: list[str]) -> Finding:
    """``number``: files in the manifest, None if there is none that can be read."""
    advice = "Run `ffs manage collectstatic --no-input`."
    if number is None:
        return fail(f"{root} has no manifest that can be read: pages would have no style.", advice)
    if missing:
        return fail(f"{len(missing)} of {number} files are missing in {root}: {some(missing, 3)}.", advice)
    return ok(f"{number} files in {root}.")


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _wide(networks: Iterable[str]) -> list[str]:
    return [network for network in networks if ipaddress.ip_network(network).prefixlen == 0]
