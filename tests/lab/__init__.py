"""The lab: nodes that look like Fedora CoreOS where it matters, a second and a half each, on one Linux
machine.

A node is systemd, sshd, podman and systemd-creds in a systemd-nspawn container with an address of its own,
provisioned on its first boot by the real Ignition binary. It can be cut from the network, lose its power and
fill its disk.

::

    with Lab.open() as lab:
        node = lab.up("node-a", Path("ffs.ign"))
        node.exec(("systemctl", "is-active", "sshd")).out

Or by hand: ``python -m tests.lab --help``. Needs root on Linux and a few Debian packages (``python -m
tests.lab deps``).

What it is not: there is no SELinux, no rpm-ostree and no Zincati, programs have Debian's versions, and where
the machine keeps its cgroup controllers in version 1 (as many build machines do) nodes have no memory or CPU
limits. A power cut takes every process at once but not the page cache.
"""

from __future__ import annotations

from tests.lab.host import NotPossible, missing
from tests.lab.lab import Lab
from tests.lab.nodes import Node
from tests.lab.run import LabError, Output

__all__ = ["Lab", "LabError", "Node", "NotPossible", "Output", "missing"]
