"""The program's own functions, called without the verb around them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from deployments.nodekit.assemble import assemble

if TYPE_CHECKING:
    from tests.nodekit.conftest import Program


def run(program: Program, lines: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """What becomes of these lines of bash after all functions, in a process of its own."""
    whole = assemble(root=str(program.root)).rpartition('main "$@"')[0]
    # As a file: the kernel takes no argument of 128 KiB.
    file = program.root.parent / "functions.bash"
    file.write_text(f"{whole}\n{lines}")
    return subprocess.run(["bash", str(file)], input=stdin, capture_output=True, check=False, env={})


def printed(program: Program, lines: str) -> list[str]:
    """What they print; they succeed."""
    done = run(program, lines)
    assert (done.returncode, done.stderr) == (0, b""), done
    return done.stdout.decode().splitlines()
