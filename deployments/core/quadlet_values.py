"""What the unit of a service says, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

WATCHDOG_SECONDS = 180
START_TIMEOUT = 120


class Mode(Enum):
    """Who says that the service is healthy (design: supervision modes). The values are those of the Service model."""

    SUPERVISOR = "supervisor"
    OWN = "own"
    HEALTH = "health"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Port:
    """A published port: on the host, in the container, ``tcp`` or ``udp``."""

    host: int
    container: int
    protocol: str = "tcp"

    def __str__(self) -> str:
        return f"{self.host}:{self.container}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class UnitSpec:
    """All that a unit says. ``render`` refuses values that could say more than that.

    ``release`` is 0 and ``image_id`` empty before the first deploy. ``entrypoint`` and ``command`` are those of the
    image; they, ``interpreter``, ``supervisor`` (the SHA-256 of its file) and ``probe`` (what the supervisor asks, if
    the program writes no heartbeats) count in supervisor mode only.
    ``environment`` holds plain settings, never sealed ones. ``credentials`` names what systemd hands to the service
    (``env.NAME``, ``cert_pass``), all of one ``credentials_version``. Times are in seconds; a ``watchdog`` of 0 means
    none (it counts only where the container notifies by itself).
    """

    project: str
    service: str
    node: str
    mode: Mode = Mode.SUPERVISOR
    release: int = 0
    image_id: str = ""
    ports: tuple[Port, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    certificate: str = ""
    credentials_version: str = ""
    credentials: tuple[str, ...] = ()
    supervisor: str = ""
    interpreter: str = ""
    probe: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    operation: str = ""
    documentation: str = ""
    watchdog: int = WATCHDOG_SECONDS
    start_timeout: int = START_TIMEOUT

    @property
    def notifies(self) -> bool:
        """Whether READY (and the watchdog's pings) come from inside the container."""
        return self.mode in {Mode.SUPERVISOR, Mode.OWN}
