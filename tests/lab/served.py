"""A machine that is an ffsweb server: a node booted from what ``ffs server`` prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.composed_images import NAMES
from tests.lab.waiting import until

if TYPE_CHECKING:
    from tests.lab.lab import Lab
    from tests.lab.nodes import Node

DOMAIN = "ffs.example.com"
STAYS = ("proxy", "web", "worker", "beat", "valkey", "postgres")
ONCE = ("keys", "migrate")


def ignition(key: Path) -> str:
    """The Ignition file, as an operator makes it; ``key`` is a private key whose public half is beside it."""
    images = [
        word for name, image in NAMES.items() for word in (f"--{name.lower().replace('_', '-')}", image)
    ]  # the variables of the compose file are the options' names
    program = str(Path(sys.executable).with_name("ffs"))
    command = (program, "server", "--domain", DOMAIN, "--ssh-key", f"{key}.pub", "--issuer", "internal", "--ignition")
    return subprocess.run((*command, *images), stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout


class Server:
    """The node, and what is asked of it."""

    def __init__(self, lab: Lab, key: Path) -> None:
        self.node: Node = lab.up("server", ignition(key))

    def exec(self, *argv: str, timeout: float = 60.0) -> str:
        """What a program on the machine says; a failure is raised."""
        return self.node.exec(argv, timeout=timeout).check().out

    def state(self) -> dict[str, str]:
        """Each unit with systemd's word for how it is."""
        names = [f"ffsweb-{name}.service" for name in (*ONCE, *STAYS)]
        words = self.node.exec(("systemctl", "is-active", *names)).out.split()
        return dict(zip((*ONCE, *STAYS), words, strict=True))

    def up(self) -> bool:
        """Whether every unit is active: those of the services become it by being healthy."""
        return set(self.state().values()) == {"active"}

    def come_up(self, seconds: float) -> None:
        """Wait for all of it; a failure says what the units said."""
        try:
            until("all units are active", self.up, seconds, every=0.5)
        except Exception as error:
            raise AssertionError(f"{self.state()}\n{self.node.journal(lines=150)}") from error

    def container(self, name: str) -> dict[str, Any]:
        """What podman says of a service's container."""
        return dict(json.loads(self.exec("podman", "inspect", f"ffsweb-{name}"))[0])

    def page(self, path: str) -> str:
        """A page through the proxy, over TLS; "" unless it is there."""
        resolve = f"{DOMAIN}:443:127.0.0.1"
        command = ("curl", "--silent", "--fail", "--insecure", "--max-time", "10", "--resolve", resolve)
        return self.node.exec((*command, f"https://{DOMAIN}{path}")).out

    def secrets(self) -> str:
        """Every secret with its checksum, owner and mode."""
        places = "/etc/ffsweb/secrets $(podman volume inspect --format {{.Mountpoint}} ffsweb-keys ffsweb-web-keys)"
        return self.exec("sh", "-c", f"find {places} -type f -exec stat -c '%n %u %a' {{}} + -exec sha256sum {{}} +")

    def private_keys(self) -> dict[str, set[str]]:
        """The rings whose private half each of our three finds in its container."""
        found = {}
        for name in ("web", "worker", "beat"):
            look = "find / /keys /web-keys -xdev -name '*.private' 2>/dev/null; true"
            files = self.exec("podman", "exec", f"ffsweb-{name}", "sh", "-c", look).split()
            found[name] = {Path(file).parent.name for file in files}
        return found

    def where_passwords_show(self) -> list[str]:
        """Where a password is seen that should not be: arguments of processes, podman's word, units, the journal."""
        look = """cd /etc/ffsweb/secrets
            {{ cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'
               podman ps --all --quiet | xargs podman inspect
               cat /etc/containers/systemd/* /etc/systemd/system/ffsweb* /run/systemd/generator/ffsweb*
               journalctl --no-pager; }} 2>/dev/null | grep --count --text --fixed-strings --file={file} || true"""
        return [
            name
            for name in ("database_password", "broker_password")
            if self.exec("sh", "-c", look.format(file=name)).strip() != "0"
        ]
