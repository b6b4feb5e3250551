"""One machine with everything that a machine file can say, for the tests."""

from __future__ import annotations

import base64

from deployments.core.machine import MachineService, MachineSpec
from deployments.core.quadlet import Mode, Port


def public_key(seed: int, comment: str = "") -> str:
    """A well-formed Ed25519 public key; nobody has the private one."""
    blob = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + bytes([seed]) * 32
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {comment}".strip()


PRIVATE_KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    + "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    + "QyNTUxOQAAACBub3RhcmVhbGtleW5vdGFyZWFsa2V5bm90YXJlYWxrZXkAAAA=\n"
    + "-----END OPENSSH PRIVATE KEY-----\n"
)

NODE_PROGRAM = """\
#!/usr/bin/bash
# A stand-in of a few lines: tabs, quotes, non-ASCII and an empty line.
set -euo pipefail

case ${1:-} in
\tfacts) printf '{"event":"result","ok":true,"text":"%s"}\\n' "günlük: 100%" ;;
\t*) exit 1 ;;
esac
"""

RESTORE_UNIT = """\
[Unit]
Description=Bring back the last confirmed release of each service
After=local-fs.target

[Service]
Type=oneshot
ExecStart=/usr/local/bin/ffs-node restore --due

[Install]
WantedBy=multi-user.target
"""

EXAMPLE = MachineSpec(
    project="serbest",
    node="node-a",
    services=(
        MachineService("www", (Port(80, 8080), Port(443, 8443))),
        MachineService("dns", (Port(53, 53, "udp"),), Mode.HEALTH),
    ),
    operator_keys=(public_key(1, "alice@example.org"), public_key(2, "bob")),
    dashboard_key=public_key(3, "ffsweb"),
    dashboard_addresses=("192.0.2.7", "2001:db8::/64"),
    host_key_private=PRIVATE_KEY,
    host_key_public=public_key(4),
    ffs_node=NODE_PROGRAM,
    restore_unit=RESTORE_UNIT,
    upgrade_signers=f'ffs-node namespaces="ffs-node-upgrade" {public_key(5)}\n',
    update_slot=1,
    update_slots=3,
)

SMALLEST = MachineSpec(
    project="p1",
    node="n",
    services=(),
    operator_keys=(),
    dashboard_key=public_key(3),
    host_key_private=PRIVATE_KEY,
    host_key_public=public_key(4),
    ffs_node=NODE_PROGRAM,
    restore_unit=RESTORE_UNIT,
)
