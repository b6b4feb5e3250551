"""A podman of a test's own, and an image for it."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from deployments.oci.endpoint import Endpoint, offer
from deployments.oci.store import ImportedImage, Store

from .serving import Counted, listening

Reach = Callable[[Endpoint], AbstractContextManager[int]]

needs_podman = [
    pytest.mark.podman,
    pytest.mark.skipif(shutil.which("podman") is None, reason="podman is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="podman's store needs root here"),
]


class Podman:
    """podman with a store, a configuration and temporary files of its own; it mounts nothing (vfs)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.policy = directory / "policy.json"
        self.policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.registries = directory / "registries.conf"
        self.registries.write_text("")
        (directory / "tmp").mkdir()

    def run(self, *arguments: str) -> str:
        command = ["podman", "--root", str(self.directory / "root"), "--runroot", str(self.directory / "run")]
        command += ["--storage-driver", "vfs", *arguments]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory / "tmp"),
            "CONTAINERS_REGISTRIES_CONF": str(self.registries),
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def pull(
        self, store: Store, image: ImportedImage, *, gzip_level: int = 1, reach: Reach = listening
    ) -> tuple[str, Counted]:
        """Pull as a node does: through a port of 127.0.0.1 and a random path, under a stable name.

        ``reach`` gives the port under which podman reaches an endpoint while a block lasts.
        """
        counted, token = Counted(), secrets.token_hex(16)
        endpoint = offer(
            store,
            image.manifest_digest,
            token=token,
            repository="app",
            gzip_level=gzip_level,
            on_bytes=counted,
        )
        with reach(endpoint) as port:
            self.registries.write_text(
                f'[[registry]]\nprefix = "ffs.internal"\nlocation = "127.0.0.1:{port}/{token}"\ninsecure = true\n'
            )
            name = f"ffs.internal/app@{image.manifest_digest}"
            pulled = self.run("pull", "--quiet", "--signature-policy", str(self.policy), name)
        return f"sha256:{pulled}", counted
