"""skopeo with a configuration of a test's own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .pushing import Served


class Skopeo:
    """skopeo with its own configuration, logged in as bob."""

    def __init__(self, directory: Path, served: Served, text: str) -> None:
        self.directory, self.registry, self.text = directory, f"docker://127.0.0.1:{served.port}", text
        (directory / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')

    def run(self, *arguments: str, fails: str = "") -> str:
        command = ["skopeo", "--policy", f"{self.directory}/policy.json", *arguments]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "TMPDIR": str(self.directory)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
        assert (fails in done.stderr) if fails else done.returncode == 0, done.stderr
        return done.stdout

    def archive(self, content: bytes, name: str = "image.tar") -> str:
        path = self.directory / name
        path.write_bytes(content)
        return str(path)

    def push(self, source: str, to: str, *options: str, fails: str = "") -> None:
        login = ["--dest-tls-verify=false", "--dest-creds", f"bob:{self.text}"]
        self.run("copy", "--quiet", *login, *options, source, f"{self.registry}/{to}", fails=fails)

    def pull(self, name: str, to: str, *options: str) -> None:
        login = ["--src-tls-verify=false", "--src-creds", f"bob:{self.text}"]
        self.run("copy", "--quiet", *login, *options, f"{self.registry}/{name}", to)
