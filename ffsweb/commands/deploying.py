"""``ffs deploy`` and ``ffs rollback``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ffsweb.commands.arguments import Parser, run
from ffsweb.commands.client import Client, quoted
from ffsweb.commands.errors import Ended
from ffsweb.commands.finding import name_of, path_of, service_of
from ffsweb.commands.planning import carry_out, with_start
from ffsweb.commands.showing import tell
from ffsweb.commands.uploading import upload_files, upload_image


def deploy(arguments: list[str]) -> int:
    """Deploy a release to a service: the newest one, or a new one of an image and files."""
    return run(deploy_parser(), arguments, _deploy)


def rollback(arguments: list[str]) -> int:
    """Take a service back to the release before the live one whose parts are all on the node still."""
    return run(rollback_parser(), arguments, _rollback)


def deploy_parser() -> Parser:
    """Its arguments."""
    parser = with_start(Parser("deploy", deploy.__doc__ or "").service())
    parser.add_argument("--user", default="core", help="taken for the scripts' sake: the dashboard has its own user")
    parser.add_argument("--first-deploy", action="store_true", help="nothing runs there yet, and that is right")
    parser.add_argument("--release", type=int, help="an existing release, by its number")
    parser.add_argument(
        "--image",
        metavar="ARCHIVE|REF|-",
        help="make a release of this image: an archive, a name, standard input",
    )
    parser.add_argument("--files", metavar="DIR", help="make a release with the files of this directory")
    parser.add_argument("--note", default="", help="what is new in it")
    return parser


def rollback_parser() -> Parser:
    """Its arguments."""
    parser = with_start(Parser("rollback", rollback.__doc__ or "").service())
    parser.add_argument("--release", type=int, help="go back to this one, though it may have to be sent again")
    return parser


def _deploy(client: Client, given: argparse.Namespace) -> int:
    service = service_of(client, given)
    if service["live_release"] is None and not given.first_deploy:
        raise Ended(f"Nothing was proven to run as {name_of(service)} yet. If that is right, say --first-deploy.")
    return carry_out(client, given, service, release=given.release or _release(client, given, service["project"]))


def _release(client: Client, given: argparse.Namespace, project: str) -> int:
    """The number of the newest release; or of a new one, of what was given and for the rest what that one has."""
    path = quoted("projects", project)
    newest: dict[str, Any] | None = next(client.pages(f"{path}/releases", most=1, limit=1), None)
    if not given.image and not given.files:
        if newest is None:
            raise Ended(f"{project} has no release. Name an image with --image.")
        return int(newest["number"])
    image = given.image or (newest["image"] if newest else "")
    if not image:
        raise Ended(f"{project} has no release, so there is no image to go with the files. Name one with --image.")
    if image == "-" or Path(image).is_file():
        image = upload_image(client, project, image)
    files = upload_files(client, project, given.files) if given.files else newest["files"] if newest else None
    made = client.post(f"{path}/releases", {"image": image, "files": files, "note": given.note})
    tell(f"Release {made['number']} was made of {made['reference'] or made['image']}.")
    return int(made["number"])


def _rollback(client: Client, given: argparse.Namespace) -> int:
    service = service_of(client, given)
    if service["live_release"] is None:
        raise Ended(f"What runs as {name_of(service)} is not known, so there is nothing to go back from.")
    ways = client.get(f"{path_of(service)}/releases")
    older = [way for way in ways if way["present"] is not None]
    chosen = given.release or next((way["release"] for way in older if way["present"]), None)
    if chosen is None:
        why = older[0]["lacking"] if older else "there is no older release"
        raise Ended(f"{name_of(service)} cannot go back by itself: {why}. Say --release to have one sent again.")
    return carry_out(client, given, service, release=chosen)
