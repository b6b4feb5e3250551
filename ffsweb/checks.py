"""What an installation must not be started with. Decides from facts; ``ffsweb.runtime.prepare`` gathers them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

SHORTEST_SECRET: Final = 50
KNOWN_SECRETS: Final = ("insecure", "django-insecure", "changeme", "change-me", "secret", "test")
KNOWN_PASSWORDS: Final = frozenset(
    {"", "postgres", "password", "passwd", "changeme", "change-me", "secret", "ffsweb", "admin"}
)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file or directory that holds keys: ``mode`` is its permission bits."""

    path: Path
    mode: int
    owner: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the checks look at; paths are resolved. ``secret_key`` None: none was given and none is kept."""

    production: bool
    debug: bool
    secret_key: str | None
    public_url: str
    hosts: tuple[str, ...]
    database_url: str
    data: Path
    keys: Path
    key_files: tuple[KeyFile, ...]
    uid: int


def problems(facts: Facts) -> tuple[str, ...]:
    """Why nothing may be started, one line each; empty if all is well."""
    always = (*_key_place(facts), *_modes(facts), *_secret_key(facts))
    return (*always, *_production(facts)) if facts.production else always


def _key_place(facts: Facts) -> list[str]:
    if facts.keys == facts.data or facts.data in facts.keys.parents:
        return [
            f"FFSWEB_KEYS ({facts.keys}) is inside FFSWEB_DATA ({facts.data}): a backup of the data would hold the "
            "keys. Move the keys elsewhere and set FFSWEB_KEYS."
        ]
    return []


def _modes(facts: Facts) -> list[str]:
    found = []
    for file in facts.key_files:
        if file.mode & 0o077:
            found.append(
                f"{file.path} has mode {file.mode:04o}, so others can read or change it. If nobody did: "
                f"chmod go= {file.path}"
            )
        if file.owner not in {facts.uid, 0}:
            found.append(f"{file.path} belongs to user {file.owner}, and ffsweb runs as user {facts.uid}.")
    return found


def _secret_key(facts: Facts) -> list[str]:
    key = facts.secret_key
    if key is None:
        return ["There is no secret key. Run `ffs prepare`, or set FFSWEB_SECRET_KEY_FILE."]
    if not facts.production:
        return []
    if len(key) < SHORTEST_SECRET or len(set(key)) < 10 or key.lower().startswith(KNOWN_SECRETS):
        return [
            f"The secret key is weak: it has {len(key)} characters or is a known one. Remove FFSWEB_SECRET_KEY, and "
            "ffsweb makes one in FFSWEB_KEYS; or set 50 random characters."
        ]
    return []


def _production(facts: Facts) -> list[str]:
    found = []
    if facts.debug:
        found.append("FFSWEB_DEBUG is on: its pages show settings and code. Switch it off in production.")
    if not facts.public_url.startswith("https://"):
        found.append(
            f"FFSWEB_PUBLIC_URL is {facts.public_url}: passwords would cross the network in the clear. Put a proxy "
            "with TLS before ffsweb and write its https address."
        )
    if "*" in facts.hosts:
        found.append("FFSWEB_HOSTS allows any name (*). Write the names under which ffsweb is reached.")
    database = urlsplit(facts.database_url)
    if database.scheme != "sqlite" and unquote(database.password or "") in KNOWN_PASSWORDS and database.hostname:
        found.append("The password in DATABASE_URL is missing or a default one. Give the database user a real one.")
    return found
