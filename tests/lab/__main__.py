"""The lab by hand: nodes that stay until they are removed, in a session of their own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.lab import host
from tests.lab.base import base
from tests.lab.lab import Lab
from tests.lab.nodes import IMAGES
from tests.lab.run import LabError, run

EPILOG = """\
Nodes made here stay until `rm`, over the end of this command; nodes of test runs are not among them.
Everything is kept below FFSWEB_LAB_CACHE (default /var/tmp/ffsweb-lab). Needs root.
"""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m tests.lab",
        description="Boot nodes that look like Fedora CoreOS where it matters, from Ignition files.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    up = commands.add_parser("up", help="first boot of a node from an Ignition file; prints its address")
    up.add_argument("name")
    up.add_argument("file", type=Path, metavar="FILE.ign")
    up.add_argument("--disk", type=int, metavar="MB", help=f"give {IMAGES} a disk of this size (10^6 bytes)")
    about_one = {
        "start": "boot a node again, disk kept",
        "stop": "orderly shutdown",
        "kill": "power cut: every process gone at once, disk kept",
        "cut": "pull a node's network cable",
        "heal": "put the cable back",
        "rm": "remove a node and its disk",
        "console": "print what the console said",
    }
    for name, help_text in about_one.items():
        commands.add_parser(name, help=help_text).add_argument("name")
    full = commands.add_parser("full", help=f"fill the disk of {IMAGES} (of a node made with --disk)")
    full.add_argument("name")
    full.add_argument("--leave", type=int, default=0, metavar="BYTES", help="bytes to leave free")
    full.add_argument("--drain", action="store_true", help="give the space back instead")
    inside = commands.add_parser("exec", help="run a program in a node as root, past its network")
    inside.add_argument("name")
    inside.add_argument("argv", nargs=argparse.REMAINDER)
    commands.add_parser("ls", help="list the nodes")
    commands.add_parser("base", help="build the nodes' root file system if it is not cached; prints its place")
    deps = commands.add_parser("deps", help="name the packages that this machine lacks")
    deps.add_argument("--install", action="store_true", help="install them with apt-get")
    return top


def main() -> int:
    arguments = parser().parse_args()
    if arguments.command is None:
        parser().print_help()
        return 2
    try:
        try:
            return _do(arguments)
        finally:
            if arguments.command not in ("deps", "base"):
                _leave()
    except (LabError, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _do(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "deps":
            return _deps(install=arguments.install)
        case "base":
            host.require()
            print(base())
        case "ls":
            for node in Lab.kept().nodes():
                print(node.name, node.address, "up" if node.running else "down")
        case "up":
            disks = {IMAGES: arguments.disk} if arguments.disk else None
            node = Lab.kept().up(arguments.name, arguments.file, disks=disks)
            print(node.name, node.address)
        case _:
            return _do_one(arguments)
    return 0


def _do_one(arguments: argparse.Namespace) -> int:
    node = Lab.kept().node(arguments.name)
    match arguments.command:
        case "full" if arguments.drain:
            node.drain()
        case "full":
            node.fill(leave=arguments.leave)
        case "console":
            print(node.console())
        case "exec":
            done = node.exec(arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv, timeout=3600)
            sys.stdout.write(done.out)
            sys.stderr.write(done.err)
            return done.status
        case "rm":
            node.remove()
        case "start" | "stop" | "kill" | "cut" | "heal":
            getattr(node, arguments.command)()
    return 0


def _leave() -> None:
    """A session without nodes is not worth keeping."""
    lab = Lab.kept()
    if not lab.nodes():
        lab.close()


def _deps(*, install: bool) -> int:
    packages = host.packages_missing()
    if not packages:
        print("nothing is missing")
        return 0
    command = ("apt-get", "install", "--yes", "--no-install-recommends", *packages)
    if not install:
        print(" ".join(command))
        return 1
    run(("apt-get", "update", "--quiet"), timeout=600).check()
    run(command, timeout=1800).check()
    return 0


if __name__ == "__main__":
    sys.exit(main())
