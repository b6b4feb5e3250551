"""Builds the sample's image from its Containerfile, on a base made of Debian packages: no container registry
is asked.

Everything is cached by a hash of what went in. Versions share all layers but the last; times in the layers
are fixed, so the same sources give the same layers again.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

from deployments.nodekit.supervisor.onefile import source
from tests.lab.base import BUILD_TIMEOUT, cached
from tests.lab.host import cache, locked, require
from tests.lab.mounts import remove_tree
from tests.lab.run import LabError, check
from tests.lab.sample import prune, variants

HERE = Path(__file__).resolve().parent
BASE_NAME = "localhost/ffs-sample-base"
NAME = "localhost/ffs-sample"
MODES = ("docker-archive", "oci-archive")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
LONG_AGO = "--timestamp=1700000000"
"""One time for every file and image, or each build would make other layers."""


def sample_image(version: str, mode: str = "docker-archive", variant: str = "") -> Path:
    """Return an archive of the sample that answers ``version``: for ``podman load`` or an upload. Do not
    change the file. ``variant`` is one of ``variants.VARIANTS``; its health check is in docker archives alone.

    The first call on a machine makes the base (ten seconds), each new version takes some two; after that it
    is a look-up.
    """
    if mode not in MODES:
        raise LabError(f"an archive is one of {', '.join(MODES)}, not {mode!r}")
    if not VERSION.fullmatch(version):
        raise LabError(f"{version!r} cannot be a version: it is a tag of the image")
    store = _store()
    tag = variants.tag_of(version, variant)
    archive = store / f"{tag}.{mode}.tar"
    with locked(store / "lock"):
        if not archive.exists():
            _build(store, version)
            if variant:
                _vary(store, version, variants.VARIANTS[variant], tag)
            _export(store, tag, mode, archive)
    return archive


def prepare() -> None:
    """Do now what every version needs."""
    sample_image("1.0")


def _store() -> Path:
    """The directory of buildah's storage and of the archives, with the base image in it."""
    require()
    tree = cached("samplebase", (Path(prune.__file__),), prune.build)
    sources = (
        HERE / "Containerfile",
        *sorted(HERE.glob("app/*.py")),
        *sorted(HERE.glob("vendor/*.py")),
        Path(variants.__file__),
        Path(__file__),
    )

    def start(store: Path) -> None:
        # COPY takes a tree as it is; from an archive it would be the same layer.
        _bud(store, tree, 'FROM scratch\nCOPY . /\nCMD ["/bin/sh"]\n', BASE_NAME)

    return cached("sample", sources, start, extra=tree.name)


def _build(store: Path, version: str) -> None:
    with tempfile.TemporaryDirectory(dir=cache(), prefix="context-") as directory:
        context = Path(directory)
        for part in ("app", "vendor"):
            shutil.copytree(HERE / part, context / part, ignore=shutil.ignore_patterns("__pycache__"))
        _bud(
            store,
            context,
            (HERE / "Containerfile").read_text(),
            f"{NAME}:{version}",
            f"--build-arg=VERSION={version}",
        )


def _vary(store: Path, version: str, more: str, tag: str) -> None:
    with tempfile.TemporaryDirectory(dir=cache(), prefix="context-") as context:
        (Path(context) / "supervisor.py").write_bytes(source())
        (Path(context) / "supervisor.py").chmod(0o644)
        _bud(store, Path(context), f"FROM {NAME}:{version}\n{more}", f"{NAME}:{tag}", "--format=docker")


def _export(store: Path, tag: str, mode: str, archive: Path) -> None:
    unfinished = archive.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    target = f"{mode}:{unfinished}:{NAME}:{tag}"
    _buildah(
        store,
        "push",
        "--quiet",
        "--format=oci" if mode == "oci-archive" else "--format=v2s2",
        f"{NAME}:{tag}",
        target,
    )
    unfinished.rename(archive)


def _bud(store: Path, context: Path, containerfile: str, tag: str, *more: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".Containerfile") as file:
        file.write(containerfile)
        file.flush()
        _buildah(
            *(
                store,
                "bud",
                "--quiet",
                "--layers",
                "--pull-never",
                "--isolation=chroot",
                "--network=host",
                LONG_AGO,
            ),
            *(*more, f"--file={file.name}", f"--tag={tag}", str(context)),
        )


def _buildah(store: Path, command: str, *arguments: str) -> None:
    """Run buildah on a storage of its own, where nobody else's images are and none of ours stay when the
    cache is deleted."""
    runroot = tempfile.mkdtemp(prefix="ffsweb-lab-buildah-", dir="/run")
    try:
        check(
            (
                # buildah leaves its storage mounted on itself; in a mount namespace of its own that goes with
                # it.
                *("unshare", "--mount", "--propagation=private"),
                # vfs and not overlay: the cache may be on any file system, and what it costs in copies is
                # small here.
                *("buildah", f"--root={store}/storage", f"--runroot={runroot}", "--storage-driver=vfs"),
                *(command, *arguments),
            ),
            timeout=BUILD_TIMEOUT,
        )
    finally:
        remove_tree(Path(runroot))


if __name__ == "__main__":
    print(sample_image(*sys.argv[1:3]))
