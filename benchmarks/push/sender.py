"""This machine, from which images are sent: podman with a store of its own, OCI directories, a registry."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.push.registry import Registry
from tests.lab.base import cached
from tests.lab.mounts import remove_tree
from tests.lab.run import check, run

if TYPE_CHECKING:
    from benchmarks.push.versions import Built

PATIENCE: Final = 600.0
COMPRESSED: Final = {"gzip": ("--dest-compress",), "zstd": ("--dest-compress-format=zstd", "--dest-compress")}


class Sender:
    """Below ``directory``, which goes with it. What is made of a version in advance is made once."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.prepared: dict[tuple[str, str], float] = {}
        """Seconds that it took to make a version ready for a way, by (way, version)."""
        storage = directory / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{directory}/storage"\nrunroot = "{directory}/run"\n'
        )
        (directory / "containers.conf").touch()  # podman would write connections into the machine's own
        home = directory / "home"
        home.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "LANG")},
            "HOME": str(home),
            "CONTAINERS_STORAGE_CONF": str(storage),
            "CONTAINERS_CONF": str(directory / "containers.conf"),
            "TMPDIR": str(directory),
        }
        self._registries: dict[str, Registry] = {}

    def load(self, built: Built) -> None:
        """Have a version in podman's store."""
        if ("podman", built.version.name) in self.prepared:
            return
        began = time.monotonic()
        self.check(("podman", "load", "--quiet", f"--input={built.archive}"))
        self.prepared["podman", built.version.name] = time.monotonic() - began

    def layout(self, built: Built, compression: str) -> Path:
        """A version as an OCI directory with compressed layers."""

        def make(place: Path) -> None:
            target = f"oci:{place}/image:{built.version.name}"
            self.check(("skopeo", "copy", "--quiet", *COMPRESSED[compression], self._source(built), target))

        began = time.monotonic()
        place = cached(f"bench-layout-{compression}-{built.version.name}", (), make, extra=built.image_id)
        self.prepared.setdefault((f"layout {compression}", built.version.name), time.monotonic() - began)
        return place / "image"

    def publish(self, built: Built, compression: str) -> tuple[int, str]:
        """A version in a registry: its port here, and the image's name there.

        Each compression has a registry of its own: skopeo would use again what the other brought.
        """
        if compression not in self._registries:
            self._registries[compression] = Registry(self.directory / f"registry-{compression}", self.environment)
        port, name = self._registries[compression].port, f"bench:{built.version.name}"
        if (f"registry {compression}", built.version.name) not in self.prepared:
            source = f"oci:{self.layout(built, compression)}:{built.version.name}"
            began = time.monotonic()
            target = f"docker://127.0.0.1:{port}/{name}"
            self.check(("skopeo", "copy", "--quiet", "--dest-tls-verify=false", source, target))
            self.prepared[f"registry {compression}", built.version.name] = time.monotonic() - began
        return port, name

    def check(self, argv: tuple[str, ...]) -> str:
        """Run a program of this side that must succeed."""
        return run(argv, timeout=PATIENCE, env=self.environment).check().out

    def close(self) -> None:
        """End the registries and remove everything."""
        for registry in self._registries.values():
            registry.close()
        remove_tree(self.directory)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _source(built: Built) -> str:
        return f"oci-archive:{built.archive}:{built.reference}"


def version_of(program: str) -> str:
    """The first line that a program says of its version."""
    return check((program, "--version")).splitlines()[0]
