"""``ffs server``: the file that boots a Fedora CoreOS machine which is an ffsweb server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from deployments.core import server_machine
from deployments.core.butane import translate
from ffsweb.runtime.loading import refuse

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
"""Beside the packages in a checkout, and in the image."""


def run(arguments: list[str]) -> int:
    """Print the Butane text, or with ``--ignition`` what it is made into. It is asked for nothing else."""
    given = _parser().parse_args(arguments)
    spec = spec_of(given)
    if given.ignition and spec.keys == (server_machine.EXAMPLE_KEY,):
        refuse("Nobody could log in to that machine: give --ssh-key FILE.")
    if given.ignition and spec.domain == server_machine.EXAMPLE_DOMAIN:
        refuse("That machine would have the example's name: give --domain NAME.")
    try:
        text = server_machine.butane(spec)
    except server_machine.ServerError as error:
        refuse(f"{str(error)[:1].upper()}{str(error)[1:]}. Nothing was written.")
    sys.stdout.write(translate(text) + "\n" if given.ignition else text)
    return 0


def spec_of(given: argparse.Namespace) -> server_machine.ServerSpec:
    """What the arguments say; ends the process if a file of them cannot be read."""
    named = {name: getattr(given, name.lower()) for name in server_machine.IMAGES}
    units = DOCS / "server" / "units"
    quadlets = DOCS / "server" / "quadlet"
    if not quadlets.is_dir():
        refuse(f"{quadlets} is missing: run it in a checkout, or in the image.")
    return server_machine.ServerSpec(
        quadlets={path.name: path.read_text() for path in quadlets.iterdir()},
        units={path.name: path.read_text() for path in units.iterdir()},
        secrets=(DOCS / "server" / "ffsweb-secrets").read_text(),
        caddyfile=(DOCS / "compose" / "Caddyfile").read_text(),
        domain=given.domain,
        keys=_keys(given.ssh_key) or (server_machine.EXAMPLE_KEY,),
        issuer=given.issuer,
        images={name: image for name, image in named.items() if image},
        ssh_from=tuple(given.ssh_from),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ffs server",
        description="Print the Butane file of a Fedora CoreOS machine that is an ffsweb server.",
        allow_abbrev=False,
    )
    parser.add_argument("--domain", default=server_machine.EXAMPLE_DOMAIN, help="the name in the browser")
    parser.add_argument(
        "--ssh-key", action="append", default=[], metavar="FILE", help="public keys of core; - is standard input"
    )
    parser.add_argument(
        "--ssh-from", action="append", default=[], metavar="NETWORK", help="who may use SSH; else everybody"
    )
    parser.add_argument("--issuer", default="acme", choices=server_machine.ISSUERS, help="who signs the certificate")
    parser.add_argument("--ignition", action="store_true", help="print the Ignition file instead")
    for name, image in server_machine.IMAGES.items():
        option = "--image" if name == "FFSWEB_IMAGE" else f"--{name.lower().replace('_', '-')}"
        parser.add_argument(option, dest=name.lower(), default="", metavar="NAME", help=f"instead of {image}")
    return parser


def _keys(files: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    for name in files:
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text()
        except (OSError, UnicodeDecodeError) as error:
            refuse(f"{name} could not be read: {error}. Nothing was written.")
        found += [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return tuple(found)
