"""A node's facts as values; :mod:`deployments.core.facts` reads them from what the node says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deployments.core.program import Program

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
    container before this one, ``before_reason`` what went wrong in it, "" for nothing.
    """

    at: float
    state: str
    children: tuple[Child, ...]
    before: str = ""
    before_reason: str = ""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """A service on a node. Release, image, certificate, credentials and operation are what its unit file names.

    ``heartbeat_age``: seconds since the supervisor last heard of the program it has waited for the longest, None if
    it never heard of one; ``status_age``: since it wrote its status. ``restarts`` are systemd's.
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
    status_age: float | None = None

    @property
    def restarts_inside(self) -> int:
        """Restarts by the supervisor, which systemd does not see; the status file of an earlier run tells of none."""
        beats = self.heartbeats
        if beats is None or self.since is None or beats.at < self.since:
            return 0
        return sum(child.restarts for child in beats.children)

    @property
    def last_reason(self) -> str:
        """Why something of it was restarted or ended the last time, as far as the node tells; "" if it does not."""
        beats = self.heartbeats
        children = beats.children if beats else ()
        inside = [(child.name, child.reason) for child in children if child.reason]
        if inside:
            return "; ".join(f"{name}: {reason}" if len(children) > 1 else reason for name, reason in inside)
        if beats and beats.before_reason and self.restarts:  # without a restart, a deploy ended the one before
            return beats.before_reason
        return self.result if self.result != "success" else ""


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
    verbs: frozenset[str] = frozenset()
    """Verbs that an ffs-node of the same protocol may lack."""
    partial_pulls: bool = False
    cpus: int = 0
    fetched: Mapping[str, int] = field(default_factory=dict)
    """What is left of images whose fetching was cut: their bytes by image ID, and those of each blob by its digest
    (all of a layer that was made already, by its diffID). The next attempt goes on from there."""
    staged_images: frozenset[str] = frozenset()
    """``PROJECT:IMAGE_ID`` of what staging finished and named, and of which no layer is missing or damaged. An image
    may be among ``image_ids`` and not here: it was loaded by hand, is another project's, or its pull was killed."""

    @property
    def program(self) -> Program:
        """The node's ffs-node."""
        return Program(self.protocol, self.version, self.program_sha256)

    def has_staged(self, project: str, image_id: str) -> bool:
        """Whether a unit of this project can name the image as the node is."""
        return f"{project}:{image_id}" in self.staged_images

    def service(self, name: str) -> ServiceFacts | None:
        """The facts of one service, or None if the node knows nothing of it."""
        return self.services.get(name)
