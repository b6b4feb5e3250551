"""What a plan is made from: what a service should be, and what is known of the node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .filetree import FileTree
from .quadlet import Mode

if TYPE_CHECKING:
    from .facts_values import NodeFacts
    from .plan_layers import Layer
    from .plan_values import Check
    from .transfer_values import Transfer


@dataclass(frozen=True, slots=True)
class Desired:
    """A service as it should be.

    ``key`` is the operation's name for it (``service:12``). ``unit`` is the rendered unit, whatever operation it
    names. ``architecture`` is the image's (``amd64``), ``architectures`` are those that the release has an image for.
    ``certificate`` is its version on a node ("" for none) with ``certificate_days`` left, and ``certificate_from``
    when it becomes valid, if that is to come; ``credentials`` is the version of the sealed settings ("" for none),
    and ``credential_names`` what is in it. ``tags`` are the node's.
    ``watched_because`` says why it is this ``mode``, and ``unfit`` why the image cannot run in it ("" if it can).
    ``notes`` are further rows of the preflight, such as those of a rotation.
    ``health`` says which health check the gate asks ("" for none), ``unhealthy`` why it cannot ("" if it can).
    """

    key: str
    project: str
    service: str
    node: str
    release: int
    image_id: str
    architecture: str
    layers: tuple[Layer, ...]
    unit: str
    mode: Mode = Mode.SUPERVISOR
    watched_because: str = ""
    unfit: str = ""
    health: str = ""
    unhealthy: str = ""
    files: FileTree = field(default_factory=FileTree)
    certificate: str = ""
    certificate_days: int | None = None
    certificate_from: str = ""
    credentials: str = ""
    credential_names: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    notes: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of a node and the service on it.

    ``facts`` are those of the last reading, or None with the reason in ``error``. ``read_at`` is when the dashboard
    took it and ``now`` the present (both UTC epochs in seconds by the dashboard's clock). ``unit`` is the unit file
    that the dashboard wrote last ("" if none), ``files`` the files of the release that the node runs, None if not
    known. ``transfer`` is how the image would come to the node by now, None if nobody asked the planner, and
    ``files_bytes`` what the files will probably take, None if nobody looked. ``cordon`` says who wants nothing to be
    deployed to the node, and why ("" if nobody).
    """

    facts: NodeFacts | None
    read_at: float = 0.0
    now: float = 0.0
    error: str = ""
    unit: str = ""
    files: FileTree | None = None
    transfer: Transfer | None = None
    files_bytes: int | None = None
    cordon: str = ""
