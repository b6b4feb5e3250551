"""The configuration of an image: what it runs, and the diffIDs of its layers (OCI image-spec, config.md). Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from .descriptors import Platform
from .digests import is_digest
from .documents import Json, parse_json
from .errors import BadLayer, NotAnImage
from .manifests import LAYER_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """HEALTHCHECK: ``test`` is ("CMD", argument…), ("CMD-SHELL", line) or ("NONE",); times are nanoseconds."""

    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    retries: int = 0

    @property
    def active(self) -> bool:
        """Whether there is something to run."""
        return bool(self.test) and self.test[0] != "NONE"


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says about how it is run; the subset that a deployment uses."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    healthcheck: HealthCheck | None = None

    def as_json(self) -> dict[str, object]:
        """For a row: names to plain lists, strings and (labels) pairs; read back by ``from_json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> ImageConfig:
        """Read back what ``as_json`` gave, through JSON. Raises BadDocument if it is something else."""
        node = Json(dict(value), "The stored image")
        check = node.get("healthcheck")
        return cls(
            **{name: node.get(name).texts() for name in ("entrypoint", "cmd", "env", "exposed_ports", "volumes")},
            user=node.get("user").text(""),
            working_dir=node.get("working_dir").text(""),
            stop_signal=node.get("stop_signal").text(""),
            labels=tuple(_pair(item) for item in node.get("labels").items()),
            healthcheck=None
            if check.absent
            else HealthCheck(
                check.get("test").texts(),
                **{name: check.get(name).count(0) for name in ("interval", "timeout", "start_period", "retries")},
            ),
        )


@dataclass(frozen=True, slots=True)
class ParsedConfig:
    """A whole configuration: platform, layers lowest first, and what is run."""

    platform: Platform
    diff_ids: tuple[str, ...]
    config: ImageConfig


def parse_config(data: bytes) -> ParsedConfig:
    """Decode a configuration blob. Raises BadDocument, BadLayer or NotAnImage."""
    node = parse_json(data, "The image's configuration")
    node.refuse_lookalikes()
    rootfs, run = node.get("rootfs"), node.get("config")
    if rootfs.absent:
        raise NotAnImage("The image's configuration lists no layers (rootfs).")
    rootfs.refuse_lookalikes()
    if rootfs.get("type").text() != "layers":
        rootfs.fail("is not of the type layers")
    platform = Platform(node.get("os").text(), node.get("architecture").text(), node.get("variant").text(""))
    if not platform.os or not platform.architecture:
        node.fail("does not say for which system and architecture it is")
    return ParsedConfig(platform, _diff_ids(rootfs.get("diff_ids")), _run(run))


def _diff_ids(node: Json) -> tuple[str, ...]:
    diff_ids = node.texts()
    if not diff_ids:
        raise NotAnImage("The image has no layers.")
    if len(diff_ids) > LAYER_LIMIT:
        raise BadLayer(f"The image has {len(diff_ids)} layers; {LAYER_LIMIT} is the most that can be run.")
    if not all(is_digest(diff_id) for diff_id in diff_ids):
        node.fail("has a digest that is not SHA-256")
    return diff_ids


def _run(node: Json) -> ImageConfig:
    if node.absent:
        return ImageConfig()
    node.refuse_lookalikes()
    return ImageConfig(
        entrypoint=node.get("Entrypoint").texts(),
        cmd=node.get("Cmd").texts(),
        env=node.get("Env").texts(),
        user=node.get("User").text(""),
        working_dir=node.get("WorkingDir").text(""),
        exposed_ports=tuple(sorted(node.get("ExposedPorts").keys())),
        volumes=tuple(sorted(node.get("Volumes").keys())),
        stop_signal=node.get("StopSignal").text(""),
        labels=node.get("Labels").text_map(),
        healthcheck=_health(node.get("Healthcheck")),
    )


def _health(node: Json) -> HealthCheck | None:
    if node.absent:
        return None
    return HealthCheck(
        test=node.get("Test").texts(),
        interval=node.get("Interval").count(0),
        timeout=node.get("Timeout").count(0),
        start_period=node.get("StartPeriod").count(0),
        retries=node.get("Retries").count(0),
    )


def _pair(node: Json) -> tuple[str, str]:
    key, value = node.texts()[:2] if len(node.items()) == 2 else node.fail("is not a pair")
    return key, value
