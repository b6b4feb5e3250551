"""A node's facts as values; :mod:`deployments.core.facts` reads them from what the node says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system in bytes."""

    free: int
    total: int


@dataclass(frozen=True, slots=True)
class PendingSwitch:
    """A switch that is not confirmed: it is undone at ``deadline`` (UTC epoch, seconds) or at the next boot."""

    op: str
    deadline: int


@dataclass(frozen=True, slots=True)
class Container:
    """What podman says of a service's container."""

    id: str
    image_id: str
    running: bool
    started: str | None
    health: str | None


@dataclass(frozen=True, slots=True)
class Child:
    """A program under the supervisor; ages are seconds at the time of the heartbeats."""

    name: str
    state: str
    beat_age: float | None
    restarts: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """The supervisor's own word at ``at`` (UTC epoch, by the node's clock). The service could forge it.

    ``reason`` of a child is why it is not well, or was not the last time; ``before`` is the last word of the
    container before this one, and why its programs were restarted.
    """

    at: float
    state: str
    children: tuple[Child, ...]
    before: str = ""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """A service on a node. Release, image, certificate, credentials and operation are what its unit file names.

    ``heartbeat_age``: seconds since the supervisor last heard of the program it has waited for the longest.
    """

    name: str
    installed: bool
    deployed: bool
    unit_sha256: str | None
    project: str | None
    release: int | None
    image_id: str | None
    certificate: str | None
    credentials: str | None
    operation: str | None
    loaded: bool
    active: str
    sub: str
    result: str
    status_text: str
    restarts: int
    since: int | None
    main_pid: int
    container: Container | None
    heartbeats: Heartbeats | None
    heartbeat_age: float | None
    releases: tuple[int, ...]
    certs: tuple[str, ...]
    credentials_held: tuple[str, ...]
    supervisors: tuple[str, ...]
    pending: PendingSwitch | None
    disk_used: int | None


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node at ``time`` (UTC epoch in seconds, by its own clock)."""

    protocol: int
    version: str
    program_sha256: str
    machine_id: str
    boot_id: str
    hostname: str
    os: str
    kernel: str
    arch: str
    podman: str
    systemd: str
    time: float
    uptime: int
    disk_images: Disk
    disk_var: Disk
    reboot_pending: bool
    host_keys: tuple[str, ...]
    image_ids: frozenset[str]
    diff_ids: frozenset[str]
    services: Mapping[str, ServiceFacts]
    chunked: frozenset[str] = frozenset()
    """diffIDs of layers that came in chunks, so that a partial pull can take files of them."""
    tools: frozenset[str] = frozenset()
    """Programs that are there, of skopeo, zstd, curl and rsync."""
    partial_pulls: bool = False
    cpus: int = 0
    fetched: Mapping[str, int] = field(default_factory=dict)
    """Bytes of images whose fetching was cut, by image ID: the next attempt goes on from there."""

    def service(self, name: str) -> ServiceFacts | None:
        """The facts of one service, or None if the node knows nothing of it."""
        return self.services.get(name)
