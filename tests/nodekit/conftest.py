"""The real program, assembled for a directory of its own instead of ``/``, run as a plain process."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from deployments.core.node_argv import PREFIX
from deployments.nodekit.assemble import assemble

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TOOLS = ("/usr/bin/bash", "/usr/bin/jq", "/usr/bin/flock", "/usr/bin/setpriv")


@dataclass(frozen=True)
class Said:
    """What the program answered."""

    status: int
    events: list[dict[str, Any]]

    @property
    def result(self) -> dict[str, Any]:
        return self.events[-1]

    @property
    def code(self) -> str:
        return "ok" if self.result["ok"] else self.result["code"]

    @property
    def text(self) -> str:
        return str(self.result["text"])


@dataclass(frozen=True)
class Program:
    """ffs-node below ``root``."""

    root: Path
    path: Path

    def __call__(
        self, *argv: str | bytes, stdin: bytes = b"", environment: Mapping[str, str] | None = None, check: bool = True
    ) -> Said:
        """Run a verb. Its answer has to be well formed whatever is asked: JSON lines, the last one the result."""
        done = subprocess.run(
            (self.path, *argv),
            input=stdin,
            capture_output=True,
            timeout=30,
            env=environment or {},
            check=False,
            cwd="/",
        )
        events = [json.loads(line) for line in done.stdout.decode().splitlines()]
        said = Said(done.returncode, events)
        assert said.result["event"] == "result", done
        assert (said.status == 0) == said.result["ok"], done
        assert done.stderr == b"" or not check, done
        return said

    def command(self, argv: tuple[str, ...], stdin: bytes = b"") -> Said:
        """Run a command as ``deployments.core.node_commands`` builds it."""
        assert argv[: len(PREFIX)] == PREFIX
        return self(*argv[len(PREFIX) :], stdin=stdin)

    @property
    def service(self) -> Path:
        return self.root / "var/lib/ffs/www"

    def leftovers(self) -> list[str]:
        """Unfinished files anywhere below the root."""
        found = [str(path.relative_to(self.root)) for path in self.root.rglob(".ffs.*")]
        return found + [str(path) for path in (self.root / "run/ffs-node").glob("work.*")]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """ffs-node with a root of its own."""
    if missing := [tool for tool in TOOLS if not os.access(tool, os.X_OK)]:
        pytest.skip(f"ffs-node needs {', '.join(missing)}")
    root = tmp_path / "root"
    for directory in ("usr/local/bin", "etc/ffs", "run", "var/lib"):
        (root / directory).mkdir(parents=True)
    path = root / "usr/local/bin/ffs-node"
    path.write_text(assemble(root=str(root)))
    path.chmod(0o755)
    return Program(root, path)


@pytest.fixture
def as_root(program: Program) -> Program:
    """The same, for verbs that give files to other users."""
    if os.geteuid() != 0:
        pytest.skip("giving files to other users needs root")
    return program
