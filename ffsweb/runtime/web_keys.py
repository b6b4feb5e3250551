"""``ffs web-keys DIRECTORY``: the keys that web, beat and one-off commands need, apart from the worker's own.

Where each process has a file system of its own, as in containers, only the worker's holds what opens the nodes' SSH
keys and the stored secrets: the private half of the ring ``worker``. Everybody else gets this copy.
"""

from __future__ import annotations

import os
from pathlib import Path

from ffsweb.runtime.loading import environment, refuse, tell


def run(arguments: list[str]) -> int:
    """Make the keys if there are none, as ``ffs prepare`` does, and bring the copy up to date."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        refuse("ffs web-keys takes one directory: where the copy is to be.")
    from ffsweb.runtime.prepare import prepare

    values = environment()
    prepare(values)
    target = Path(arguments[0]).resolve()
    if target == values.keys.resolve():
        refuse(f"{target} is FFSWEB_KEYS itself. Name another directory.")
    try:
        changed = copy(values.keys, target)
    except OSError as error:
        refuse(f"{error.filename or target} could not be written: {error.strerror}. The keys are as before.")
    if changed:
        tell(f"{target} has what web and beat need of {values.keys}: {changed} files were brought up to date.")
    return 0


def copy(keys: Path, target: Path) -> int:
    """Make ``target`` hold the secret key, the ring ``web`` and the public half of the ring ``worker``, no more.

    Returns how many files were written or removed. Safe to run twice, and beside processes that read the copy.
    """
    wanted = {path.relative_to(keys): path.read_bytes() for path in _shared(keys)}
    present = {path.relative_to(target) for path in target.rglob("*") if path.is_file()}
    changed = 0
    for place in {target, *((target / name).parent for name in wanted)}:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.chmod(0o700)
    for name, data in sorted(wanted.items()):
        file = target / name
        if name not in present or file.read_bytes() != data:
            _write(file, data)
            changed += 1
    for name in present - set(wanted):
        (target / name).unlink()
        changed += 1
    return changed


def _shared(keys: Path) -> list[Path]:
    single = [path for path in (keys / "secret_key",) if path.is_file()]
    return [*single, *(keys / "web").glob("*.p*"), *(keys / "worker").glob("*.public")]


def _write(file: Path, data: bytes) -> None:
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
