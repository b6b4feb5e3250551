"""A node and a service on it, as facts, for the tests of plans."""

from __future__ import annotations

from deployments.core.facts_values import Container, Disk, NodeFacts, ServiceFacts
from deployments.core.layout import NODE_VERSION, PROTOCOL

NOW = 1_800_000_000.0
OLD_IMAGE, NEW_IMAGE = "sha256:" + "a" * 64, "sha256:" + "b" * 64
LAYERS = tuple("sha256:" + digit * 64 for digit in "123")

SERVICE = ServiceFacts(
    name="www",
    installed=True,
    deployed=True,
    unit_sha256="d" * 64,
    project="serbest",
    release=3,
    image_id=OLD_IMAGE,
    certificate=None,
    credentials="v1",
    operation="9",
    loaded=True,
    active="active",
    sub="running",
    result="success",
    status_text="",
    restarts=0,
    since=1,
    main_pid=7,
    container=Container("c" * 64, OLD_IMAGE, running=True, started="t", health=None),
    heartbeats=None,
    heartbeat_age=None,
    releases=(2, 3),
    certs=(),
    credentials_held=("v1",),
    supervisors=(),
    pending=None,
    disk_used=None,
)

NODE = NodeFacts(
    protocol=PROTOCOL,
    version=NODE_VERSION,
    program_sha256="e" * 64,
    machine_id="f" * 32,
    boot_id="b" * 32,
    hostname="node-a",
    os="Fedora CoreOS 44",
    kernel="6.19",
    arch="x86_64",
    podman="5.8.1",
    systemd="259",
    time=NOW,
    uptime=100,
    disk_images=Disk(50_000_000_000, 100_000_000_000),
    disk_var=Disk(40_000_000_000, 80_000_000_000),
    reboot_pending=False,
    host_keys=(),
    image_ids=frozenset({OLD_IMAGE}),
    diff_ids=frozenset({LAYERS[0]}),
    services={"www": SERVICE},
)
