"""The dashboard itself on a node: this checkout in /opt/ffsweb with its virtual environment, and the Python that it runs on.

Nodes have no Python, and other libraries than this machine.
"""

from __future__ import annotations

import io
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.run import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.nodes import Node

CHECKOUT = Path(__file__).resolve().parents[2]
HOME, PYTHON = "/opt/ffsweb", "/opt/python"
NAME = f"python{sys.version_info.major}.{sys.version_info.minor}"
LIBRARIES = f"{PYTHON}/lib"
"""Where libraries are: for LD_LIBRARY_PATH."""

PARTS = ("ffsweb", "deployments", "certificates", "templates", "manage.py", "pyproject.toml")
UNUSED = {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "__pycache__", "config"}
DEVELOPERS = ("playwright", "mypy", "ruff", "_pytest", "hypothesis", "grimp", "axe_playwright")
EXTENSIONS = ("_ssl", "_hashlib", "_sqlite3", "_ctypes", "zlib", "_bz2", "_lzma", "_uuid")


def install(node: Node) -> None:
    """Bring it all to the node: some 200 MB, in some ten seconds."""
    standard, packages = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.add(Path(sys.executable).resolve(), f"{PYTHON}/bin/{NAME}")
        tar.add(standard, f"{PYTHON}/lib/{NAME}", filter=_without({*UNUSED, "site-packages", "dist-packages"}))
        for library in _libraries():
            tar.add(library.resolve(), f"{LIBRARIES}/{library.name}")
        for part in PARTS:
            tar.add(CHECKOUT / part, f"{HOME}/{part}", filter=_without({"__pycache__"}))
        tar.add(packages, f"{HOME}/.venv/lib/{NAME}/site-packages", filter=_without({"__pycache__"}, DEVELOPERS))
        _text(tar, f"{HOME}/.venv/pyvenv.cfg", f"home = {PYTHON}/bin\n")
        _text(tar, f"{HOME}/.venv/lib/{NAME}/site-packages/ffsweb.pth", f"{HOME}\n")
        program = f"#!{HOME}/.venv/bin/python\nimport sys\nfrom ffsweb.cli import main\nsys.exit(main())\n"
        _text(tar, f"{HOME}/.venv/bin/ffs", program, 0o755)
        link = tarfile.TarInfo(f"{HOME}/.venv/bin/python")
        link.type, link.linkname = tarfile.SYMTYPE, f"{PYTHON}/bin/{NAME}"
        tar.addfile(link)
    unpack = ("tar", "--extract", "--no-same-owner", "--directory=/")
    node.exec(unpack, stdin=file.getvalue(), timeout=120).check()


def _libraries() -> set[Path]:
    """What the interpreter and its extension modules need, the C library left out."""
    modules = Path(sysconfig.get_config_var("DESTSHARED"))
    found = [path for name in EXTENSIONS for path in modules.glob(f"{name}.*.so")]
    said = check(("ldd", str(Path(sys.executable).resolve()), *map(str, found)))
    paths = {Path(line.split(" => ")[1].split(" (")[0]) for line in said.splitlines() if " => /" in line}
    return {path for path in paths if not path.name.startswith(("libc.", "libm.", "ld-", "libpthread.", "libdl."))}


def _without(
    names: set[str], beginnings: tuple[str, ...] = ("\0",)
) -> Callable[[tarfile.TarInfo], tarfile.TarInfo | None]:
    def keep(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        name = Path(member.name).name
        return None if name in names or name.startswith(beginnings) else member

    return keep


def _text(tar: tarfile.TarFile, path: str, text: str, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(text.encode()), mode
    tar.addfile(member, io.BytesIO(text.encode()))
