"""Makes one form of a layer in a child process, at low priority, ended at once when it is not wanted any more."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .descriptors import Descriptor
from .digests import digest_of
from .documents import canonical_json
from .drafts import RESERVE
from .errors import BlobDamaged, DiskFull
from .forms_child import DAMAGED
from .forms_errors import CannotMake, FormFailed, FormStopped
from .forms_values import BEST, CHUNKED, DELTA, DELTA_LIMIT, QUICK, Form, level
from .manifests import OCI_MANIFEST, Manifest, manifest_of, parse_document
from .streams import size_text

if TYPE_CHECKING:
    import threading

    from .forms_values import Wanted
    from .store import Store

MADE = "blob"
ANNOTATIONS = "io.github.containers.zstd-chunked."
NEEDED = frozenset({ANNOTATIONS + "manifest-checksum", ANNOTATIONS + "tarsplit-position"})
"""What podman 5 looks for; skopeo writes both since 1.14 (c/image 5.29)."""
OLDEST_SKOPEO = (1, 14)
NICE = {QUICK: 10, BEST: 19}
"""What somebody waits for, and what nobody does yet."""
_POLL = 0.1
_WORDS = 2000


def make(wanted: Wanted, store: Store, directory: Path, stop: threading.Event) -> Form:
    """Write the form's blob into ``directory`` as ``blob``; the Form has that path.

    Raises FormStopped, CannotMake, FormFailed, DiskFull, BlobMissing or BlobDamaged. What a failure leaves is below
    ``directory``, for the caller to remove.
    """
    _room(directory)
    size = store.blobs.size(wanted.diff_id)
    source, target = str(store.blobs.path(wanted.diff_id)), directory / MADE
    if wanted.kind == CHUNKED:
        return _chunked(wanted, store, directory, stop)
    if wanted.kind == DELTA:
        larger = max(size, store.blobs.size(wanted.base))
        if larger > DELTA_LIMIT:
            raise CannotMake(f"A layer of {larger / 1e9:.1f} GB is too large for a delta.")
        if 2 * larger + 512 * 1024 * 1024 > _memory():
            raise CannotMake("There is too little free memory on the dashboard's machine for a delta.")
        base = str(store.blobs.path(wanted.base))
        words = ("delta", str(level(DELTA, wanted.quality, larger)), wanted.diff_id, base, source, str(target))
    else:
        workers = str(os.cpu_count() or 1)
        words = ("zstd", str(level(wanted.kind, wanted.quality, size)), workers, wanted.diff_id, source, str(target))
    told = json.loads(_run(words, NICE[wanted.quality], stop, directory))
    return Form(
        wanted.kind, told["digest"], told["size"], target, wanted.diff_id, wanted.base, quality=wanted.quality
    )


def _chunked(wanted: Wanted, store: Store, directory: Path, stop: threading.Event) -> Form:
    """skopeo compresses an image of this one layer; its annotations say where the table of contents is."""
    if not can_chunk():
        raise CannotMake("zstd:chunked layers need skopeo 1.14 or later on the dashboard's machine.")
    store.blobs.verify(wanted.diff_id)
    old, new, policy = directory / "old", directory / "new", directory / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    _layout(old, wanted.diff_id, store)
    words = ("exec", "skopeo", "copy", "--quiet", "--policy", str(policy), "--dest-compress-format", "zstd:chunked")
    ways = ("--dest-compress", f"oci:{old}:layer", f"oci:{new}:layer")
    _run((*words, *ways), NICE[wanted.quality], stop, directory)
    index = json.loads((new / "index.json").read_bytes())
    name = str(index["manifests"][0]["digest"])
    manifest = parse_document((new / "blobs/sha256" / name.removeprefix("sha256:")).read_bytes(), "The manifest")
    if not isinstance(manifest, Manifest) or not manifest.layers[0].digest.startswith("sha256:"):
        raise FormFailed("skopeo wrote no image.")
    layer = manifest.layers[0]
    kept = tuple((key, value) for key, value in layer.annotations if key.startswith(ANNOTATIONS))
    if not {key for key, _ in kept} >= NEEDED:
        raise CannotMake("This skopeo writes zstd:chunked layers in an older form, which podman does not read.")
    target = directory / MADE
    (new / "blobs/sha256" / layer.digest.removeprefix("sha256:")).rename(target)
    _check(target, layer.digest)
    for left in (old, new):
        shutil.rmtree(left)
    policy.unlink()
    return Form(CHUNKED, layer.digest, layer.size, target, wanted.diff_id, "", kept, wanted.quality)


def _layout(directory: Path, diff_id: str, store: Store) -> None:
    """An OCI layout with one image of one layer; the layer is linked, not copied, where the disk is the same."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)
    source = store.blobs.path(diff_id)
    try:
        os.link(source, blobs / source.name)
    except OSError:
        (blobs / source.name).symlink_to(source)
    config = canonical_json(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    )
    manifest = manifest_of(config, [(diff_id, source.stat().st_size)], docker=False).encode()
    for data in (config, manifest):
        (blobs / digest_of(data).removeprefix("sha256:")).write_bytes(data)
    name = (("org.opencontainers.image.ref.name", "layer"),)
    entry = Descriptor(OCI_MANIFEST, digest_of(manifest), len(manifest), name).as_json()
    (directory / "index.json").write_bytes(canonical_json({"schemaVersion": 2, "manifests": [entry]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def _check(path: Path, digest: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if f"sha256:{found}" != digest:
        raise FormFailed("skopeo wrote a blob that has another digest than it says.")


def _run(words: tuple[str, ...], nice: int, stop: threading.Event, directory: Path) -> str:
    """The child's standard output."""
    root = Path(__file__).resolve().parents[2]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(root),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(directory),
        "HOME": str(directory),
    }
    argv = [sys.executable, "-m", "deployments.oci.forms_child", str(os.getpid()), str(nice), *words]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, cwd=directory
        )
        try:
            while not _ended(child):
                if stop.is_set():
                    raise FormStopped("The conversion was stopped.")
                _room(directory)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        out.seek(0)
        err.seek(0)
        if child.returncode == DAMAGED:
            raise BlobDamaged("A layer in the store is damaged on this machine's disk.")
        if child.returncode != 0:
            said = err.read()[-_WORDS:].decode(errors="replace").strip()
            raise FormFailed(f"A conversion failed (status {child.returncode}). {said}".strip())
        return out.read(_WORDS).decode()


def _room(directory: Path) -> None:
    """Raises DiskFull when what other writers leave free would be eaten into."""
    free = shutil.disk_usage(directory).free
    if free < RESERVE:
        raise DiskFull(f"The data directory's disk has only {size_text(free)} left; no layer is converted.")


def _ended(child: subprocess.Popen[bytes]) -> bool:
    try:
        child.wait(_POLL)
    except subprocess.TimeoutExpired:
        return False
    return True


@cache
def can_chunk() -> bool:
    """Whether this machine's skopeo makes zstd:chunked layers that podman 5 reads. One process, once."""
    program = shutil.which("skopeo")
    if program is None:
        return False
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    found = re.search(r"(\d+)\.(\d+)", done.stdout)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST_SKOPEO


def _memory() -> int:
    """Bytes that are free or can be made free; plenty where the kernel does not say (proc(5), meminfo)."""
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        return 2**62
    return int(found[1]) * 1024 if found else 2**62
