"""The environment variables of ffsweb, as the documentation lists them: ``docs/settings.md`` is made from here."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable as the documentation shows it."""

    name: str
    default: str
    meaning: str


VARIABLES: Final = (
    Variable("FFSWEB_ENVIRONMENT", "development", "`development` or `production`; production refuses weak settings."),
    Variable("FFSWEB_ADDRESS", "127.0.0.1:8000", "Where the web process listens: `HOST:PORT` or `[IPv6]:PORT`."),
    Variable("FFSWEB_PUBLIC_URL", "http://FFSWEB_ADDRESS", "The address in the browser; https in production."),
    Variable("FFSWEB_HOSTS", "host of the public URL", "Further host names to answer to, separated by commas."),
    Variable(
        "FFSWEB_TRUSTED_PROXIES", "none", "Addresses or networks whose `X-Forwarded-*` headers count, by commas."
    ),
    Variable("FFSWEB_DATA", "var/data", "Database (SQLite), images, files, logs."),
    Variable("FFSWEB_KEYS", "var/keys", "Keys, mode 0700, outside FFSWEB_DATA and its backups."),
    Variable("FFSWEB_STATIC", "static", "Where `collectstatic` puts style sheets and scripts."),
    Variable("FFSWEB_SECRET_KEY", "made in FFSWEB_KEYS", "Signs sessions and links; at least 50 characters."),
    Variable("DATABASE_URL", "SQLite in FFSWEB_DATA", "`postgres://USER:PASSWORD@HOST/NAME`, or `sqlite:////PATH`."),
    Variable(
        "FFSWEB_REDIS_URL",
        "a private Valkey",
        "`redis://…`, `rediss://…` or `unix:///PATH` of a Redis (7.2 or later) or Valkey.",
    ),
    Variable(
        "FFSWEB_EMAIL_URL",
        "none",
        "`smtp+tls://USER:PASSWORD@HOST:PORT`, until an administrator enters a mail server under *System*, *Mail*.",
    ),
    Variable("FFSWEB_EMAIL_FROM", "ffsweb@HOST", "The sender of mail by that server."),
    Variable("FFSWEB_UPLOAD_LIMIT", "20", "The largest upload in GB: an image archive, as a rule."),
    Variable(
        "FFSWEB_BANDWIDTH",
        "no limit",
        "What all pushes of images together may send, such as `5 MB/s` or `40 Mbit/s`. A node may have less.",
    ),
    Variable(
        "FFSWEB_FORMS_LIMIT",
        "20",
        "GB in FFSWEB_DATA for compressed layers and differences between layers; what is longest unused goes.",
    ),
    Variable("FFSWEB_KEEP_OPERATIONS_DAYS", "90", "Days for which operations that ended are kept, with their logs."),
    Variable("FFSWEB_KEEP_OPERATIONS", "200", "Operations of each project that are kept however old they are."),
    Variable("FFSWEB_KEEP_RELEASES", "20", "Releases of each project that are kept, beside those that are needed."),
    Variable("FFSWEB_BACKUP_DAYS", "7", "Administrators are mailed when the newest backup is older."),
    Variable("FFSWEB_KEEP_IMAGES_DAYS", "30", "Days for which images and files are kept that nothing refers to."),
    Variable(
        "FFSWEB_DASHBOARD_ADDRESSES",
        "any",
        "Addresses or networks from which the dashboard reaches nodes: machine files let SSH in from these alone.",
    ),
    Variable(
        "FFSWEB_WEBHOOK_PRIVATE",
        "none",
        "Addresses or networks, by commas, that webhooks may reach though they are private, and by plain http too.",
    ),
    Variable("FFSWEB_METRICS_TOKEN", "none", "What Prometheus sends to read `/metrics`; at least 20 characters."),
    Variable(
        "FFSWEB_METRICS_ADDRESSES",
        "none",
        "Addresses or networks that read `/metrics` without the token, by commas.",
    ),
    Variable("FFSWEB_LOG_FORMAT", "console, json in production", "`console` or `json`."),
    Variable("FFSWEB_LOG_LEVEL", "INFO", "`DEBUG`, `INFO`, `WARNING` or `ERROR`."),
    Variable("FFSWEB_DEBUG", "false", "Django's debug pages; development only."),
    Variable("FFSWEB_PROCESS", "set by `ffs`", "Which process this is: web, worker, beat or command."),
)
OF_THE_COMMANDS: Final = frozenset({"FFSWEB_URL", "FFSWEB_TOKEN", "FFSWEB_USER"})
"""What the commands read that are clients of a dashboard: ``docs/commands.md``."""
OF_COMPOSE: Final = frozenset(
    {
        *("FFSWEB_ENVIRONMENT", "FFSWEB_ADDRESS", "FFSWEB_PUBLIC_URL", "FFSWEB_TRUSTED_PROXIES", "FFSWEB_DATA"),
        *("FFSWEB_KEYS", "FFSWEB_STATIC", "DATABASE_URL", "FFSWEB_REDIS_URL", "FFSWEB_DEBUG", "FFSWEB_PROCESS"),
    }
)
"""What docker-compose.yml and the image settle."""
OF_THE_TESTS: Final = frozenset({"FFSWEB_TEST_REQUIRE", "FFSWEB_SCREENSHOTS"})


def markdown() -> str:
    """The text of ``docs/settings.md``."""
    rows = "\n".join(f"| `{v.name}` | {v.default} | {v.meaning} |" for v in VARIABLES)
    return f"{_HEAD}\n| Variable | Default | Meaning |\n| --- | --- | --- |\n{rows}\n"


def example() -> str:
    """The text of ``.env.example``: what docker-compose.yml asks for, then every variable that it leaves open."""
    rest = [variable for variable in VARIABLES if variable.name not in OF_COMPOSE]
    return _EXAMPLE + "".join(f"\n# {v.meaning}\n# Default: {v.default}\n#{v.name}=\n" for v in rest)


def run(arguments: list[str]) -> int:
    """``ffs settings``: print them, with ``--env`` as a file for docker compose."""
    if arguments not in ([], ["--env"]):
        sys.stderr.write("ffs settings takes --env or nothing.\n")
        return 2
    sys.stdout.write(example() if arguments else markdown())
    return 0


_HEAD: Final = """# Settings

Everything that an installation may choose comes from the environment. Each variable may be given as `NAME_FILE` too:
the path of a file that holds the value (for passwords, above all). `ffs` says at the start when an `FFSWEB_*`
variable is set that does not exist, and names a value that cannot be used.

With `FFSWEB_ENVIRONMENT=production` nothing starts with a weak or known secret key, with a public address without
https, with debug pages, with any host name allowed, or with a default database password. Nowhere does anything start
with keys inside `FFSWEB_DATA`, or with keys that others can read.
"""

_EXAMPLE: Final = """\
# Settings of docker-compose.yml: cp .env.example .env, chmod 600 .env, and fill in the first three.
# This file is made by `ffs settings --env`.

# The name in the browser. The proxy gets a certificate for it by ACME: ports 80 and 443 have to be reached.
DOMAIN=
# Two different ones, letters and digits alone: openssl rand -hex 32
DATABASE_PASSWORD=
BROKER_PASSWORD=

# Who signs the certificate: acme, or internal (an authority of the proxy's own, for a network without a way out).
#ISSUER=acme
#HTTP_PORT=80
#HTTPS_PORT=443
# The network of proxy and web, if this one is taken.
#PROXY_NETWORK=172.31.250.0/28
# Other images; by digest if you pin them.
#IMAGE=ffsweb:local
#PROXY_IMAGE=caddy:2
#VALKEY_IMAGE=valkey/valkey:8-alpine
#POSTGRES_IMAGE=postgres:17-alpine
"""
