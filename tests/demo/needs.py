"""What the demo needs of this machine, named as the packages of Debian and of Fedora. Decides from facts, no I/O."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

DNF_NAMES: Final = {
    # Fedora's mmdebstrap finds Debian's keys in a package of their own.
    "mmdebstrap": ("mmdebstrap", "debian-keyring"),
    "iproute2": ("iproute",),
    "passwd": ("shadow-utils",),
    "redis-server": ("valkey",),
}
"""Where Fedora has another name; by Debian's."""


def refusals(*, platform: str, uid: int, packages: Collection[str], system: str) -> tuple[str, ...]:
    """Why the demo cannot run here, and what to do, in lines; empty if it can.

    ``packages`` are Debian's names of what is missing; ``system`` is the text of os-release(5).
    """
    if platform != "linux":
        return (f"The demo needs Linux: it boots a small machine in a container. This is {platform}.",)
    lines = []
    if packages:
        lines += ["Some packages are missing. Install them, then run this again:", *_commands(packages, system)]
    if uid != 0:
        lines.append(
            "The demo needs root: it makes a container, mounts and a network link. Run: make setup && sudo make demo"
        )
    return tuple(lines)


def _commands(packages: Collection[str], system: str) -> list[str]:
    """The command of the distribution at hand, or both where it is neither."""
    debian = " ".join(sorted(packages))
    fedora = " ".join(sorted(name for package in packages for name in DNF_NAMES.get(package, (package,))))
    apt, dnf = f"  apt-get install --no-install-recommends {debian}", f"  dnf install {fedora}"
    known = {
        word.strip('"')
        for line in system.splitlines()
        if line.startswith(("ID=", "ID_LIKE="))
        for word in line.partition("=")[2].strip('"').split()
    }
    if "debian" in known:
        return [apt]
    if "fedora" in known:
        return [dnf]
    return [f"{apt}    (Debian)", f"{dnf}    (Fedora)"]
