"""The unit of a service: the one Quadlet file whose replacement is the switch, and how it is read back.

``ffs-node`` checks each line against its own allow-list; the lines here are all that may occur. See
podman-systemd.unit(5) and systemd.service(5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import layout
from .quadlet_header import Header, parse_header, unit_diff
from .quadlet_values import Mode, Port, UnitSpec
from .unit_fields import NO_IMAGE, NONE, UnitError, check_spec
from .unit_quote import plain_text, quote_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Header", "Mode", "Port", "UnitError", "UnitSpec", "parse_header", "placeholder", "render", "unit_diff"]


def placeholder(*, project: str, service: str, node: str, ports: Iterable[Port], mode: Mode = Mode.SUPERVISOR) -> str:
    """The unit in the machine file: it has no image and waits for the first deploy. Raises UnitError."""
    return render(UnitSpec(project=project, service=service, node=node, ports=tuple(ports), mode=mode))


def render(spec: UnitSpec) -> str:
    """The Quadlet file of ``spec``, the same text for the same spec. Raises UnitError, which names the field."""
    check_spec(spec)
    sections = (
        _unit(spec),
        _container(spec),
        _service(spec),
        ["[Install]", "WantedBy=multi-user.target"],
        _ffs(spec),
    )
    text = _comment(spec) + "\n\n".join("\n".join(section) for section in sections) + "\n"
    return text


def _comment(spec: UnitSpec) -> str:
    unit = f"# ffs-{spec.service}: {spec.project} on {spec.node}, "
    if spec.release:
        return f"{unit}release {spec.release}. Written by ffsweb; the next deploy replaces it.\n"
    return f"{unit}not deployed yet. It waits for the first deploy, which replaces it.\n"


def _unit(spec: UnitSpec) -> list[str]:
    what = f"release {spec.release}" if spec.release else "not deployed yet"
    return [
        "[Unit]",
        f"Description={plain_text(f'{spec.project} {spec.service}, {what}')}",
        *([f"Documentation={plain_text(spec.documentation)}"] if spec.documentation else []),
        f"ConditionPathExists={layout.service_directory(spec.service)}/deployed",
        # The back-off below never gives up, so the start limit must not either.
        "StartLimitIntervalSec=0",
        "Wants=network-online.target",
        "After=network-online.target ffs-firewall.service ffs-restore.service",
    ]


def _container(spec: UnitSpec) -> list[str]:
    image = layout.image_name(spec.project, spec.image_id or NO_IMAGE)
    low_port = any(port.container < 1024 for port in spec.ports)
    return [
        "[Container]",
        f"ContainerName=ffs-{spec.service}",
        f"Image={image}",
        "Pull=never",
        *_notify(spec),
        f"User={layout.SERVICE_UID}",
        f"Group={layout.SERVICE_UID}",
        "ReadOnly=true",
        "DropCapability=all",
        *(["AddCapability=NET_BIND_SERVICE"] if low_port else []),
        "NoNewPrivileges=true",
        *(f"PublishPort={port}" for port in spec.ports),
        *(f"Environment={quote_word(f'{name}={value}')}" for name, value in _environment(spec)),
        *_volumes(spec),
        f"Mount=type=tmpfs,destination={layout.IN_SECRETS},tmpfs-size=1048576,tmpfs-mode=0700,U=true,notmpcopyup",
        *_exec(spec),
        "LogDriver=journald",
        "StopTimeout=10",
    ]


def _notify(spec: UnitSpec) -> list[str]:
    if spec.notifies:
        return ["Notify=true"]
    # Without a line podman says READY itself when the container has started.
    # A service that turns unhealthy later is killed by podman, which is a failure that systemd restarts.
    return ["Notify=healthy", "HealthOnFailure=kill"] if spec.mode is Mode.HEALTH else []


def _environment(spec: UnitSpec) -> Iterator[tuple[str, str]]:
    yield from sorted(spec.environment)
    if spec.notifies and spec.watchdog:
        # systemd tells podman only; podman does not pass it on.
        yield "WATCHDOG_USEC", str(spec.watchdog * 1_000_000)


def _volumes(spec: UnitSpec) -> Iterator[str]:
    home = layout.service_directory(spec.service)
    if spec.release:
        yield f"Volume={home}/releases/{spec.release}:{layout.IN_FILES}:ro,z"
    if spec.certificate:
        yield f"Volume={home}/certs/{spec.certificate}:{layout.IN_CERTS}:ro,z"
    yield f"Volume={home}/data:{layout.IN_DATA}:rw,z"
    yield f"Volume={layout.RUNTIME}/{spec.service}:{layout.IN_CREDENTIALS}:ro,z"
    if spec.supervisor and spec.mode is Mode.SUPERVISOR:
        yield f"Volume={home}/supervisor/{spec.supervisor}.py:{layout.IN_SUPERVISOR}:ro,z"


def _exec(spec: UnitSpec) -> list[str]:
    if spec.mode is not Mode.SUPERVISOR or not spec.release:
        return []
    words = " ".join(quote_word(word) for word in (*spec.entrypoint, *spec.command))
    # -I -S: Python as it was installed. The image's PYTHONPATH and packages are for the program, not for process 1.
    # systemd's clock for the start began earlier, so with the same time it is not the supervisor that loses patience.
    how = f"--sd-notify --start-timeout {spec.start_timeout}"
    probe = f" --probe {quote_word(spec.probe)}" if spec.probe else ""
    return [f"Entrypoint={spec.interpreter}", f"Exec=-I -S {layout.IN_SUPERVISOR} {how}{probe} -- {words}"]


def _service(spec: UnitSpec) -> list[str]:
    store = f"{layout.service_directory(spec.service)}/credentials/{spec.credentials_version}"
    return [
        "[Service]",
        *(f"LoadCredentialEncrypted={name}:{store}/{name}.cred" for name in sorted(spec.credentials)),
        f"RuntimeDirectory=ffs/{spec.service}",
        "RuntimeDirectoryMode=0755",
        f"ExecStartPre={layout.NODE_PROGRAM} handover {spec.service}",
        "Restart=on-failure",
        "RestartSec=2",
        "RestartSteps=5",
        "RestartMaxDelaySec=60",
        *([f"WatchdogSec={spec.watchdog}", "WatchdogSignal=SIGTERM"] if spec.notifies and spec.watchdog else []),
        f"TimeoutStartSec={spec.start_timeout}",
        "TimeoutStopSec=30",
        "LimitCORE=0",
    ]


def _ffs(spec: UnitSpec) -> list[str]:
    return [
        "[X-FFS]",
        f"Project={spec.project}",
        f"Service={spec.service}",
        f"Release={spec.release}",
        f"ImageId={spec.image_id or NONE}",
        f"Certificate={spec.certificate or NONE}",
        f"Credentials={spec.credentials_version or NONE}",
        f"Operation={spec.operation or NONE}",
    ]
