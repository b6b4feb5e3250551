"""The trees that become layers: a Debian base, a site-packages, an application's own files."""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.push import recipe
from tests.lab.base import BUILD_TIMEOUT
from tests.lab.run import LabError, check

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_OUT: Final = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
CACHES: Final = ("var/cache/apt/*.bin", "var/lib/apt/lists/*_*", "var/log/*.log", "var/log/apt/*")
WORDS: Final = ("self", "value", "result", "request", "response", "items", "index", "count", "name", "path", "query")
CALLS: Final = ("filter", "update", "append", "get", "strip", "split", "join", "encode", "render", "save", "load")


def base(tree: Path, which: str) -> None:
    """Debian's minimal system with Python, from the archive as ``which`` names it. Half a minute and a mirror."""
    exclude = tuple(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT)
    check(
        (
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(recipe.PACKAGES)}"),
            *exclude,
            *(recipe.SUITE, str(tree), *sources(which)),
        ),
        timeout=BUILD_TIMEOUT,
    )
    for pattern in CACHES:
        for file in tree.glob(pattern):
            if file.is_file():
                file.unlink()


def sources(which: str) -> tuple[str, ...]:
    """The lines for apt of a base, with the archives that this machine itself has its packages from.

    Raises LabError if its apt knows none, or none of security updates (apt-get(8), indextargets).
    """
    listed = check(("apt-get", "indextargets", "--format", "$(CODENAME) $(SITE)", "Identifier: Packages"))
    sites = dict(line.split() for line in listed.splitlines() if len(line.split()) == 2)
    mirror = next((site for name, site in sites.items() if "-" not in name), "")
    security = next((site for name, site in sites.items() if name.endswith("-security")), "")
    if not mirror or not security:
        raise LabError("This machine's apt names no archive of Debian, or none of its security updates.")
    return tuple(line.format(mirror=mirror, security=security, suite=recipe.SUITE) for line in recipe.BASES[which])


def dependencies(tree: Path, which: str) -> None:
    """What ``pip install`` makes of the list, compiled, every file as new as the installation."""
    target = tree / "usr/local/lib/python3/site-packages"
    target.mkdir(parents=True)
    check(
        (
            *(uv(), "pip", "install", "--quiet", "--no-config", "--only-binary=:all:", "--link-mode=copy"),
            *(f"--python-version={recipe.PYTHON}", "--python-platform=x86_64-manylinux_2_28", f"--target={target}"),
            *(recipe.DJANGO[which], *recipe.DEPENDENCIES),
        ),
        timeout=BUILD_TIMEOUT,
    )
    at = recipe.BEGAN + (recipe.DAY if which == "old" else 30 * recipe.DAY)
    date(tree, at)
    # A compiled module carries the time of its source, so all of them differ too.
    check((sys.executable, "-m", "compileall", "-q", str(target)), timeout=BUILD_TIMEOUT)
    date(tree, at)


def application(tree: Path, which: str) -> None:
    """Some 1600 small modules and templates, and some pictures that no compression helps; then one line changed."""
    chance = random.Random(recipe.SEED)
    for number in range(recipe.FILES):
        kind = "py" if number % 4 else "html"
        file = tree / "srv" / f"app/module_{number // 16:02}/part_{number % 16:02}.{kind}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(_lines(chance, chance.randint(20, 400))) + "\n")
    for number in range(recipe.ASSETS):
        file = tree / "srv" / f"app/static/picture_{number:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(chance.randbytes(recipe.ASSET_BYTES))
    date(tree, recipe.BEGAN + 2 * recipe.DAY)
    if which == "changed":
        file = tree / "srv" / recipe.CHANGED
        lines = file.read_text().splitlines()
        lines[len(lines) // 2] = "    return not result"
        file.write_text("\n".join(lines) + "\n")
        at = recipe.BEGAN + 10 * recipe.DAY
        os.utime(file, (at, at))


def _lines(chance: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        one, two, three = chance.choices(WORDS, k=3)
        call, number = chance.choice(CALLS), chance.randint(0, 9999)
        yield (
            "    " * chance.randint(0, 4) + f"{one}_{number} = {two}.{call}({three}, {chance.choice(WORDS)}={number})"
        )


def uv() -> str:
    """The installer that the project's own environment is made with."""
    own = Path(__file__).resolve().parents[2] / "var/tools/bin/uv"
    return shutil.which("uv") or str(own)


def date(tree: Path, at: int) -> None:
    """Give everything in a tree one modification time."""
    for directory, _, files in os.walk(tree, topdown=False):
        for name in files:
            os.utime(Path(directory) / name, (at, at), follow_symlinks=False)
        os.utime(directory, (at, at))
