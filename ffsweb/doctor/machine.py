"""The machine, or the container: Python, packages, open files, memory, and the clock."""

from __future__ import annotations

import ctypes
import platform
import re
import resource
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from .findings import Finding, fail, ok, skipped, some, warn

OLDEST_PYTHON: Final = (3, 11)
FEW_FILES: Final = 4096
LITTLE_MEMORY: Final = 256 * 1024 * 1024
TOO_LITTLE_MEMORY: Final = 64 * 1024 * 1024
TIME_ERROR: Final = 5
"""What adjtimex(2) answers when nothing keeps the clock right."""


def look() -> Iterator[Finding]:
    """All of it."""
    yield judge_python(sys.version_info[:2], platform.python_version())
    yield judge_open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    yield judge_memory(_available())
    yield judge_clock(_clock())


def packages() -> Finding:
    """Whether all that ffsweb needs is installed, with the versions that support asks for."""
    try:
        wanted = requires("ffsweb") or []
    except PackageNotFoundError:
        return fail("ffsweb itself is not installed as a package.", "Run `make setup`, and start ffs from .venv/bin.")
    names = [re.split(r"[\[~<>=! ;]", line)[0] for line in wanted if ";" not in line]
    return judge_packages({name: _version(name) for name in names})


def judge_python(found: tuple[int, ...], text: str) -> Finding:
    """Whether this Python is new enough."""
    if found < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return fail(f"Python {text}.", f"ffsweb needs Python {wanted} or later: make its environment anew with one.")
    return ok(f"Python {text} on {platform.system()} {platform.release()} ({platform.machine()}).")


def judge_packages(found: dict[str, str | None]) -> Finding:
    """By name, the version, or None for what is not there."""
    missing = sorted(name for name, known in found.items() if known is None)
    if missing:
        return fail(f"Not installed: {some(missing)}.", "Run `make setup`, or take the image as it was built.")
    main = ("django", "celery", "cryptography", "paramiko", "psycopg", "redis", "uvicorn")
    told = ", ".join(f"{name} {found[name]}" for name in main if found.get(name))
    return ok(f"{len(found)} packages: {told}.")


def judge_open_files(most: int) -> Finding:
    """``most``: the hard limit, which the web process takes; -1 for none."""
    text = f"A process may have {'any number of' if most < 0 else most} open files."
    if 0 <= most < FEW_FILES:
        return warn(
            text, "Each viewer of a log needs one: set LimitNOFILE=65536, or --ulimit nofile=65536 of a container."
        )
    return ok(text)


def judge_memory(available: int | None) -> Finding:
    """``available``: bytes; None where that is not told."""
    if available is None:
        return skipped("This system does not say how much memory is available.")
    text = f"{available // 1024**2} MiB of memory are available."
    if available < TOO_LITTLE_MEMORY:
        return fail(
            text, "Workers will be killed in the middle of operations. Give the machine more, or stop something."
        )
    return warn(text, "Give the machine more, or see what takes it.") if available < LITTLE_MEMORY else ok(text)


def judge_clock(answer: int | None) -> Finding:
    """``answer``: of adjtimex(2); None where it cannot be asked."""
    if answer is None:
        return skipped("Whether the clock is kept right cannot be asked here.")
    if answer == TIME_ERROR:
        return warn(
            "Nothing keeps the clock of this machine right, or says so to the kernel.",
            "Certificates and log-in codes depend on it: start chrony or systemd-timesyncd on the machine.",
        )
    return ok("The clock is synchronised.")


def _available() -> int | None:
    """Bytes that may still be taken: of the machine, or of the container if that has less."""
    try:
        told = re.search(
            r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE
        )
    except OSError:
        return None
    if told is None:
        return None
    machine = int(told[1]) * 1024
    try:
        most = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no limit: the word "max"
        return machine
    return min(machine, max(0, most - used))


def _clock() -> int | None:
    """Asks and sets nothing: a zeroed timex has no modes."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        answer = int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512)))
    except (AttributeError, OSError):
        return None
    return answer if answer >= 0 else None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
