"""The file of a machine that is an ffsweb server, as Butane text: its Quadlets inline, no secret in it.

The passwords are made on the machine by ``ffsweb-secrets``, the keys by ``ffs web-keys`` in its first container.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from . import firewall, layout, zincati
from .butane_storage import directory, file
from .butane_write import Block, write
from .quadlet_values import Port
from .ssh_line import public_key_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLE_DOMAIN: Final = "ffs.example.org"
EXAMPLE_KEY: Final = "ssh-ed25519 PUT-YOUR-PUBLIC-KEY-HERE you@example.org"
IMAGES: Final = {
    "FFSWEB_IMAGE": "localhost/ffsweb:latest",
    "PROXY_IMAGE": "docker.io/library/caddy:2",
    "VALKEY_IMAGE": "docker.io/valkey/valkey:8-alpine",
    "POSTGRES_IMAGE": "docker.io/library/postgres:17-alpine",
}
"""The images by the variable that names each; podman pulls what is not there, but nothing from localhost."""
ISSUERS: Final = ("acme", "internal")
PORTS: Final = (Port(80, 8080), Port(443, 8443))
ETC: Final = "/etc/ffsweb"
PROGRAM: Final = "/usr/local/bin/ffsweb-secrets"
SERVER_ENV: Final = f"{ETC}/server.env"
_DOMAIN = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_IMAGE = re.compile(
    r"[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._-]*)+(:[\w.-]{1,128})?(@sha256:[0-9a-f]{64})?"
)


class ServerError(Exception):
    """A value that must not be written into the file; its text names it."""


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """What the file says.

    ``keys`` are public keys in OpenSSH's form, for ``core``; ``ssh_from`` addresses or networks that may use SSH,
    none meaning any. ``images`` replaces names of IMAGES. ``quadlets`` and ``units`` are texts by file name,
    ``secrets`` the program that makes the passwords, ``caddyfile`` the proxy's settings.
    """

    quadlets: Mapping[str, str] = field(repr=False)
    units: Mapping[str, str] = field(repr=False)
    secrets: str = field(repr=False)
    caddyfile: str = field(repr=False)
    domain: str = EXAMPLE_DOMAIN
    keys: tuple[str, ...] = (EXAMPLE_KEY,)
    issuer: str = "acme"
    images: Mapping[str, str] = field(default_factory=dict)
    ssh_from: tuple[str, ...] = ()


def butane(spec: ServerSpec) -> str:
    """The Butane text (``fcos`` 1.4.0), the same for the same spec; ``butane.translate`` takes it.

    Raises ServerError.
    """
    _check(spec)
    core = Block((("name", layout.ADMIN_USER), ("ssh_authorized_keys", [key.strip() for key in spec.keys])), _CORE)
    storage = Block((("directories", _directories()), ("files", _files(spec))))
    return write(
        Block(
            (
                ("variant", "fcos"),
                ("version", "1.4.0"),
                ("passwd", Block((("users", [core]),))),
                ("storage", storage),
                ("systemd", Block((("units", _units(spec)),))),
            ),
            comment=_INTRODUCTION,
        )
    )


def server_env(spec: ServerSpec) -> str:
    """``/etc/ffsweb/server.env``: what the units take their ``${…}`` from."""
    images = "".join(f"{name}={spec.images.get(name, image)}\n" for name, image in IMAGES.items())
    return f"{_ENV_HEAD}DOMAIN={spec.domain}\n{_ENV_ISSUER}ISSUER={spec.issuer}\n{_ENV_IMAGES}{images}"


def _check(spec: ServerSpec) -> None:
    if not _DOMAIN.fullmatch(spec.domain):
        raise ServerError(f"{spec.domain!r} is no name of a server, such as {EXAMPLE_DOMAIN}")
    if spec.issuer not in ISSUERS:
        raise ServerError(f"the issuer is {' or '.join(ISSUERS)}, not {spec.issuer!r}")
    _check_keys(spec.keys)
    for name, image in spec.images.items():
        if name not in IMAGES or not _IMAGE.fullmatch(image):
            raise ServerError(f"{image!r} is no full name of an image, such as {IMAGES['PROXY_IMAGE']}")
    try:
        firewall.rules(PORTS, spec.ssh_from)
    except firewall.AddressError as error:
        raise ServerError(str(error)) from None


def _check_keys(keys: tuple[str, ...]) -> None:
    if not keys:
        raise ServerError("there is no SSH key: nobody could log in")
    for number, key in enumerate(keys, 1):
        problem = None if key == EXAMPLE_KEY else public_key_problem(key)
        if problem:
            raise ServerError(f"SSH key {number}: {problem}")
    if len({key.strip() for key in keys}) != len(keys):
        raise ServerError("an SSH key is given twice")


def _directories() -> list[Block]:
    return [
        directory(ETC, 0o755),
        directory(f"{ETC}/proxy", 0o755),
        directory(f"{ETC}/secrets", 0o700, comment="Filled at the first boot, on the machine itself."),
        directory(layout.NODE_ETC, 0o755),
        directory(layout.QUADLETS, 0o755),
    ]


def _files(spec: ServerSpec) -> list[Block]:
    window = zincati.strategy(zincati.window(0, 1))
    return [
        file(SERVER_ENV, 0o644, server_env(spec), comment=_EDIT),
        file(f"{ETC}/settings.env", 0o600, _SETTINGS),
        file("/etc/hostname", 0o644, f"{spec.domain.partition('.')[0]}\n", overwrite=True),
        file(f"{ETC}/proxy/Caddyfile", 0o644, spec.caddyfile),
        file(PROGRAM, 0o755, spec.secrets),
        file(firewall.PATH, 0o600, firewall.rules(PORTS, spec.ssh_from)),
        file("/etc/zincati/config.d/55-ffsweb-updates-strategy.toml", 0o644, window),
        *(file(f"{layout.QUADLETS}/{name}", 0o644, text) for name, text in sorted(spec.quadlets.items())),
    ]


def _units(spec: ServerSpec) -> list[Block]:
    own = [
        Block((("name", name), *((("enabled", True),) if "[Install]" in text else ()), ("contents", text)))
        for name, text in sorted(spec.units.items())
    ]
    return [
        *own,
        Block((("name", firewall.UNIT_NAME), ("enabled", True), ("contents", firewall.UNIT))),
        Block(
            (("name", "docker.service"), ("mask", True)), "Its firewall rules would break podman's published ports."
        ),
        Block((("name", "docker.socket"), ("mask", True))),
    ]


_INTRODUCTION = """\
A machine that is an ffsweb server: docs/server.md. Butane: https://coreos.github.io/butane/
Made by `ffs server`, from the files beside it. It holds no secret: passwords and keys are made on the machine."""
_CORE = "EDIT (1 of 2): the keys of those who may log in to this machine."
_EDIT = "EDIT (2 of 2): the name of this installation, and the image of ffsweb."
_ENV_HEAD = "# What the units of ffsweb are told. Then: systemctl restart ffsweb.target\n# The name in the browser.\n"
_ENV_ISSUER = (
    "# Who signs its certificate: acme, for which ports 80 and 443 must be reached from outside, or internal: the\n"
    "# proxy itself, for a network without a way out.\n"
)
_ENV_IMAGES = (
    "# The images; by digest if you pin them. One of localhost is not pulled: podman load brings it to the machine.\n"
)
_SETTINGS = (
    "# Further settings of ffsweb, NAME=value a line: docs/settings.md. What the units settle counts more.\n"
    "# Then: systemctl restart ffsweb.target\n"
)
