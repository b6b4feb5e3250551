"""docker-compose.yml, run by podman-compose on a node: its podman is the node's."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Any, Final

from tests.lab import machine
from tests.lab.composed_images import CHECKOUT, NAMES
from tests.lab.inside import PATH

if TYPE_CHECKING:
    from tests.lab.nodes import Node

DOMAIN: Final = "ffs.example.org"
PODMAN: Final = """\
#!/bin/sh
# podman-compose ties containers together (--requires), for which podman restarts none whose one-off services have ended.
# docker compose only starts them in order, and so does this.
for word; do
    shift
    case $word in --requires=*) ;; *) set -- "$@" "$word" ;; esac
done
exec {enter} podman "$@"
"""
RESULT: Final = "RESULT "
FILES: Final = ("docker-compose.yml", "docs/compose/Caddyfile", ".env.example")


class Composed:
    """The services of the compose file on ``node``; ``directory`` is the same path there and here."""

    def __init__(self, node: Node, directory: Path, images: Path) -> None:
        self.node, self.directory = node, directory
        load(node, images)
        for name in FILES:
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, file)
        self.settings(
            {"DOMAIN": DOMAIN, "ISSUER": "internal", "DATABASE_PASSWORD": "a" * 32, "BROKER_PASSWORD": "b" * 32}
        )
        node.exec(("mkdir", "-p", str(directory))).check()
        tar = subprocess.run(("tar", "-C", str(directory), "-c", "."), capture_output=True, check=True).stdout
        node.exec(("tar", "-C", str(directory), "-x"), stdin=tar).check()
        self.podman = directory.parent / "podman-of-the-node"
        self.podman.write_text(PODMAN.format(enter=join(_entering(node, ()))))
        self.podman.chmod(0o755)

    def settings(self, values: dict[str, str]) -> None:
        """Fill the example in, as the operator is told to."""
        text = (CHECKOUT / ".env.example").read_text()
        for name, value in {**values, **NAMES}.items():
            text, found = re.subn(rf"^#?{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
            assert found == 1, f".env.example has no {name}"
        (self.directory / ".env").write_text(text)

    def compose(self, *arguments: str, timeout: float = 300.0) -> str:
        """What ``podman-compose`` says; a failure is raised with it."""
        program = Path(sys.executable).with_name("podman-compose")
        command = (str(program), "--podman-path", str(self.podman), "--in-pod=false", *arguments)
        done = subprocess.run(
            command,
            cwd=self.directory,
            env={"PATH": os.environ["PATH"], "HOME": str(self.directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{join(arguments)}: {done.stdout[-6000:]}"
        return done.stdout

    def container(self, service: str) -> dict[str, object]:
        """What podman says of a service's container."""
        told = self.node.exec(("podman", "inspect", f"ffsweb_{service}_1")).check().out
        return dict(json.loads(told)[0])

    def run(self, service: str, *argv: str, stdin: bytes | None = None, timeout: float = 60.0) -> str:
        """Run a program in a service's container; what it says."""
        interactive = ("--interactive",) if stdin is not None else ()
        command = ("podman", "exec", *interactive, f"ffsweb_{service}_1", *argv)
        return self.node.exec(command, stdin=stdin, timeout=timeout).check().out

    def job(self, name: str, *arguments: object) -> Any:
        """What a function of ``composed_job`` gives, run in the web container. Raises RuntimeError with what it said."""
        self._bring_job()
        code = f"import sys; sys.path.insert(0, '/tmp/job'); import composed_job; composed_job.main(*{[name, *arguments]!r})"
        command = ("podman", "exec", "ffsweb_web_1", "ffs", "manage", "shell", "--no-imports", "--command", code)
        done = self.node.exec(command, timeout=300)
        result = done.out.rpartition(f"\n{RESULT}")[2] if f"\n{RESULT}" in done.out else ""
        if done.status or not result:
            raise RuntimeError(f"{name}: {done.out[-2000:]}\n{done.err[-4000:]}")
        return json.loads(result)

    def _bring_job(self) -> None:
        """Its /tmp is memory, and empty after each start."""
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tar:
            tar.add(CHECKOUT / "tests" / "lab" / "composed_job.py", "composed_job.py")
            for name in ("__init__.py", "demo", "certificates"):
                tar.add(CHECKOUT / "tests" / name, f"tests/{name}", filter=_no_caches)
        unpack = "mkdir -p /tmp/job && tar -C /tmp/job -x"
        self.node.exec(
            ("podman", "exec", "--interactive", "ffsweb_web_1", "sh", "-c", unpack), stdin=file.getvalue(), timeout=60
        )

    def kill(self, service: str) -> None:
        """End the service's first process as the kernel does when there is no memory left."""
        state: Any = self.container(service)["State"]
        self.node.exec(("kill", "-9", str(state["Pid"]))).check()

    def healthy(self, service: str) -> bool:
        """Whether it runs, and its health check says so if it has one."""
        state: Any = self.container(service)["State"]
        told = (state.get("Health") or {}).get("Status") or "healthy"
        return bool(state["Running"]) and told == "healthy"


def load(node: Node, images: Path) -> None:
    """Put an archive of images into the node's store: half a minute."""
    with images.open("rb") as stream:
        command = _entering(node, ("podman", "load", "--quiet"))
        subprocess.run(command, stdin=stream, check=True, timeout=300, stdout=subprocess.DEVNULL)


def _entering(node: Node, argv: tuple[str, ...]) -> tuple[str, ...]:
    leader = machine.leader(node.cgroup)
    assert leader is not None
    return machine.enter_command(leader, node.cgroup, PATH, argv)


def _no_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member
