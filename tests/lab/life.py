"""A dashboard that runs, and the ``ffs`` of somebody at another machine: an address and a token, nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from ffsweb.sealed import Secret
from tests.certificates.material import Issued, issue
from tests.lab import life_begin
from tests.lab.nodes import Node
from tests.support.installation import Installation

FFS = Path(sys.executable).with_name("ffs")
SCRIPT = Path(__file__).resolve().parents[2] / "docs/ci/deploy.sh"
NAMES = ("www.example.org", "example.org")


class Life:
    """One project of alice's, with the certificates ``old`` and ``new``; ``home`` is where she works."""

    def __init__(self, installation: Installation, home: Path, webhook: str) -> None:
        self.installation, self.home = installation, home
        self.old, self.new = issue(NAMES[0], days=60, names=NAMES), issue(NAMES[0], days=90, names=NAMES)
        for name, issued in (("old", self.old), ("new", self.new)):
            (home / f"{name}.pem").write_bytes(issued.pem)
            (home / f"{name}.key").write_bytes(issued.key_pem())
        secret, token = self.begin(str(home), webhook).split()
        self.webhook = Secret(secret)
        self.environment = {
            "PATH": f"{FFS.parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "FFSWEB_URL": installation.address,
            "FFSWEB_TOKEN": token,
        }

    def begin(self, *arguments: str) -> str:
        command = (sys.executable, "-m", life_begin.__name__, *arguments)
        environment = {**self.installation.environment, "FFSWEB_LOG_LEVEL": "WARNING"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    def ffs(self, *arguments: str, code: int = 0, stdin: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The command, which has to end with ``code``."""
        return self.run(str(FFS), *arguments, code=code, stdin=stdin)

    def run(self, *command: str, code: int = 0, stdin: Path | None = None, **more: str) -> Any:
        with (stdin or Path(os.devnull)).open("rb") as stream:
            done = subprocess.run(
                command,
                cwd=self.home,
                env={**self.environment, **more},
                stdin=stream,
                capture_output=True,
                text=True,
                check=False,
                timeout=240,
            )
        said = f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == code, said
        assert self.environment["FFSWEB_TOKEN"] not in done.stdout + done.stderr
        return done

    def api(self, path: str) -> Any:
        asked = urllib.request.Request(
            f"{self.installation.address}/api/v1{path}",
            headers={"Authorization": f"Bearer {self.environment['FFSWEB_TOKEN']}"},
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.loads(answer.read())


def fingerprint(issued: Issued) -> str:
    return hashlib.sha256(issued.certificate.public_bytes(Encoding.DER)).hexdigest()


def served(node: Node) -> str:
    """The fingerprint of what a handshake with the node shows."""
    pem = ssl.get_server_certificate((node.address, 443), timeout=10)
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def image_of(archive: Path) -> str:
    """The image's ID, as a docker archive names it."""
    with tarfile.open(archive) as tar:
        file = tar.extractfile("manifest.json")
        assert file is not None
        return str(json.load(file)[0]["Config"]).removesuffix(".json").rpartition("/")[2]


def image_on(node: Node) -> str:
    """The ID of the image of which the container runs."""
    shown = node.exec(("podman", "container", "inspect", "--format", "{{.Image}}", "ffs-www")).check()
    return shown.out.strip()
