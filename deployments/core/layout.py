"""Names and paths that the dashboard, the node and the container share. The one place where they are written."""

from __future__ import annotations

# Users (numeric ids fixed in the machine file, because the container's user is given by number).
ADMIN_USER = "core"
DASHBOARD_USER = "ffsweb"
DASHBOARD_UID = 1601
SERVICE_USER = "ffs"
SERVICE_UID = 1600

# On the node.
NODE_PROGRAM = "/usr/local/bin/ffs-node"
SUDO_RULE = f"/etc/sudoers.d/50-{DASHBOARD_USER}"
SSHD_RULE = f"/etc/ssh/sshd_config.d/30-{DASHBOARD_USER}.conf"
NODE_ETC = "/etc/ffs"
UPGRADE_SIGNERS = f"{NODE_ETC}/upgrade.signers"
NODE_STATE = "/var/lib/ffs-node"
SERVICES = "/var/lib/ffs"
RUNTIME = "/run/ffs"
QUADLETS = "/etc/containers/systemd"
IMAGE_REGISTRY = "ffs.internal"

# In the container.
IN_FILES = "/ffs/files"
IN_CERTS = "/ffs/certs"
IN_DATA = "/ffs/data"
IN_SUPERVISOR = "/ffs/supervisor.py"
IN_CREDENTIALS = "/run/ffs"
IN_SECRETS = "/tmp/secrets"  # noqa: S108 - a tmpfs in the container, not the host's /tmp

PROTOCOL = 2
"""Version of the conversation with ffs-node; a node that speaks another one is upgraded first."""
NODE_VERSION = "0.3.0"
"""Of ffs-node; digits and dots, raised with PROTOCOL too. A node refuses to be given an older one."""


def unit_name(service: str) -> str:
    """The systemd unit of a service: ``ffs-www.service``."""
    return f"ffs-{service}.service"


def quadlet_path(service: str) -> str:
    """The one file whose replacement is the switch."""
    return f"{QUADLETS}/ffs-{service}.container"


def service_directory(service: str) -> str:
    """Where a service's releases, certificates, credentials and data are."""
    return f"{SERVICES}/{service}"


def image_name(project: str, image_id: str) -> str:
    """The name of an image in a node's store; ``image_id`` is ``sha256:`` and 64 hex digits."""
    return f"{IMAGE_REGISTRY}/{project}:{image_id.replace(':', '-')}"
