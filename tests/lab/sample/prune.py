"""The sample's base: Python, OpenSSL and a shell out of Debian's packages, without all that a container does
not run."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.lab.base import BUILD_TIMEOUT
from tests.lab.run import check

SUITE = "trixie"
PACKAGES = ("python3-minimal", "libpython3-stdlib", "openssl", "dash")
"""libpython3-stdlib, because python3-minimal has no http.server."""

PROGRAMS = {"dash", "sh", "openssl", "python3", "python3.13"}
"""All that stays of /usr/bin; packages bring their installers along."""

UNWANTED = (
    *("usr/share", "usr/sbin", "usr/games", "usr/libexec", "usr/include", "usr/lib/init", "usr/lib/systemd"),
    *("usr/lib/x86_64-linux-gnu/gconv", "usr/lib/aarch64-linux-gnu/gconv", "usr/lib/dpkg", "usr/lib/apt"),
    *("usr/lib/python3.13/test", "usr/lib/python3.13/pydoc_data", "usr/lib/python3.13/unittest"),
    *("usr/lib/python3.13/ensurepip", "usr/lib/python3.13/sqlite3", "usr/lib/python3.13/asyncio"),
    *(
        "usr/lib/python3",
        "var",
        "etc/apt",
        "etc/alternatives",
        "etc/cron.daily",
        "etc/dpkg",
        "etc/logrotate.d",
    ),
    # Written from this machine's own by mmdebstrap.
    *("etc/fstab", "etc/hostname", "etc/resolv.conf"),
)
UNWANTED_PATTERNS = (
    "usr/lib/*/perl*",
    "usr/lib/*/libdb-5*",
    "usr/lib/*/libsqlite3*",
    "usr/lib/python3.13/lib-dynload/_test*",
)

DIRECTORIES = (
    "dev",
    "proc",
    "sys",
    "run",
    "tmp",
    "var/tmp",
    "root",
    "ffs/files",
    "ffs/certs",
    "ffs/data",
    "app",
)
LINKS = {"bin": "usr/bin", "sbin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"}

FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nffs:x:1600:1600::/ffs/data:/bin/sh\n",
    "etc/group": "root:x:0:\nffs:x:1600:\n",
}

COMPILE = """\
import argparse, dataclasses, hashlib, http.server, json, pathlib, py_compile, selectors, signal, socket, ssl
import subprocess, sys, threading, urllib.parse
for module in list(sys.modules.values()):
    if (file := getattr(module, "__file__", None)) and file.endswith(".py"):
        by_content = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(file, doraise=True, invalidation_mode=by_content)
"""
"""Compiles what the application imports: a read-only container would do it again at every start."""


def build(tree: Path) -> None:
    """Fill an empty directory with the base's tree (some 40 MB). Packages are unpacked, their scripts are not
    run."""
    check(
        (
            *("mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(PACKAGES)}"),
            *(SUITE, str(tree)),
        ),
        timeout=BUILD_TIMEOUT,
    )
    for program in (tree / "usr/bin").iterdir():
        if program.name not in PROGRAMS:
            program.unlink()
    for path in (
        *(tree / name for name in UNWANTED),
        *(path for pattern in UNWANTED_PATTERNS for path in tree.glob(pattern)),
    ):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name in DIRECTORIES:
        (tree / name).mkdir(parents=True, exist_ok=True)
    (tree / "tmp").chmod(0o1777)
    for name, target in LINKS.items():
        (tree / name).symlink_to(target)
    for name, text in FILES.items():
        (tree / name).write_text(text)
    check(("chroot", str(tree), "/usr/bin/python3", "-c", COMPILE))
