"""``ffs prepare --project P --name www``: from a ``.env`` to the files that a machine is installed from."""

from __future__ import annotations

import argparse
import getpass
import os
import re
import sys
from pathlib import Path
from typing import Any, Final

from ffsweb.commands.arguments import Parser, run
from ffsweb.commands.client import Client, quoted
from ffsweb.commands.errors import Ended, Refused
from ffsweb.commands.finding import certificate_of
from ffsweb.commands.showing import as_json, printable, say, tell

_EMPTY: Final = re.compile(r"^([ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=)[ \t]*$", re.MULTILINE)
_ESCAPED: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\", "$": "\\$", "`": "\\`"}


def prepare(arguments: list[str]) -> int:
    """Store a .env as sealed settings, describe node and service, and write ffs.bu and ffs.ign."""
    return run(prepare_parser(), arguments, _prepare)


def prepare_parser() -> Parser:
    """Its arguments."""
    parser = Parser("prepare", prepare.__doc__ or "")
    parser.add_argument("--project", required=True, help="the project")
    parser.add_argument("--create", action="store_true", help="make the project if there is none of that name")
    parser.add_argument("--name", required=True, help="the service's name, such as www")
    parser.add_argument("--node", default="", help="the machine's host name")
    parser.add_argument("--address", default="", help="where the dashboard will reach it")
    parser.add_argument("--ports", nargs="*", default=[], help="published ports, such as 443:8443")
    parser.add_argument("--certificate", default="", help="the service's: its number, label or fingerprint")
    parser.add_argument("--operator-key", default="", metavar="FILE", help="an SSH public key for the user core")
    parser.add_argument("--env", default=".env", metavar="FILE", help="the settings (.env)")
    parser.add_argument("--plain", nargs="*", default=[], metavar="NAME", help="settings that are no secrets")
    parser.add_argument("--out", default=".", metavar="DIR", help="where ffs.bu and ffs.ign go")
    parser.add_argument("--yes", action="store_true", help="ask nothing, and write over older files")
    return parser


def _prepare(client: Client, given: argparse.Namespace) -> int:
    project = quoted("projects", given.project)
    new = _is_new(client, given, project)
    text = _settings(given)
    node = _wanted(given, "node", "Host name of the machine")
    files = [Path(given.out) / f"ffs.{kind}" for kind in ("bu", "ign")]
    there = [str(file) for file in files if file.exists()]
    if there and not given.yes and not _agreed(f"Write over {' and '.join(there)}?"):
        raise Ended(f"{there[0]} is there. Nothing was done: say --yes to write over it, or --out.")
    if new:
        client.post("/projects", {"name": given.project})
        tell(f"The project {given.project} was made.")
    _describe(client, given, project, node)
    if text:
        names = client.post(f"{project}/settings", {"text": text, "plain": given.plain})["names"]
        tell(f"{len(names)} settings were stored: {', '.join(map(printable, names))}.")
    ways: list[dict[str, Any]] = []
    for file in files:
        made = client.post(f"{project}/nodes{quoted(node)}/machine", {"kind": file.suffix[1:]})
        _write(file, made["text"])
        ways = made["ways"]
    if given.json:
        as_json({"node": node, "service": given.name, "files": [str(file) for file in files], "ways": ways})
        return 0
    say(f"Written: {files[0]} and {files[1]}. They hold a private host key: give them to nobody else.")
    for way in ways:
        say(f"\n{way['title']}. {way['why']}\n\n{way['command']}")
    return 0


def _is_new(client: Client, given: argparse.Namespace, project: str) -> bool:
    """Whether the project is to be made. Raises Refused if it is not there and nobody wants that."""
    try:
        client.get(project)
    except Refused as error:
        question = f"There is no project {given.project}, or the token is not for it. Make it?"
        if error.status != 404 or not (given.create or (not given.yes and _agreed(question))):
            raise
        return True
    return False


def _settings(given: argparse.Namespace) -> str:
    """The text of the ``.env``, with what was asked for where a value is empty."""
    try:
        text = Path(given.env).read_text(encoding="utf-8")
    except FileNotFoundError:
        if given.env != ".env":
            raise Ended(f"There is no {given.env}. Nothing was done.") from None
        tell("There is no .env here: settings stay as they are.")
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise Ended(f"{given.env} cannot be read: {error}. Nothing was done.") from error
    if given.yes or not sys.stdin.isatty():
        return text

    def asked(found: re.Match[str]) -> str:
        value = getpass.getpass(f"{found[2]} (not shown; empty: leave it empty): ")
        return f'{found[1]}"{"".join(_ESCAPED.get(each, each) for each in value)}"' if value else found[0]

    return _EMPTY.sub(asked, text)


def _describe(client: Client, given: argparse.Namespace, project: str, node: str) -> None:
    """Node and service, as far as they are not there."""
    certificate = certificate_of(client, given.project, given.certificate) if given.certificate else None
    if _missing(client, f"{project}/nodes{quoted(node)}"):
        body: dict[str, Any] = {"name": node, "address": _wanted(given, "address", "Address of the machine")}
        if given.operator_key:
            try:
                body["operator_keys"] = Path(given.operator_key).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise Ended(f"{given.operator_key} cannot be read: {error}. Nothing was done.") from error
        client.post(f"{project}/nodes", body)
        tell(f"The node {node} was described.")
    if _missing(client, f"{project}/nodes{quoted(node)}/services{quoted(given.name)}"):
        of_service: dict[str, Any] = {"name": given.name, "ports": given.ports}
        if certificate:
            of_service["certificate"] = certificate["id"]
        client.post(f"{project}/nodes{quoted(node)}/services", of_service)
        tell(f"The service {given.name}@{node} was described.")


def _missing(client: Client, path: str) -> bool:
    try:
        client.get(path)
    except Refused as error:
        if error.status == 404:
            return True
        raise
    return False


def _wanted(given: argparse.Namespace, name: str, question: str) -> str:
    value = str(getattr(given, name))
    if not value and not given.yes and sys.stdin.isatty():
        sys.stderr.write(f"{question}: ")
        sys.stderr.flush()
        value = sys.stdin.readline().strip()
    if not value:
        raise Ended(f"Say --{name}. Nothing was done.")
    return value


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _write(file: Path, text: str) -> None:
    """For the owner alone, whatever was there."""
    try:
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise Ended(f"{file} cannot be written: {error.strerror}. Make it again when it can.") from error
