"""What is said to ``ffs-node``: argument lists and standard input. Nothing here runs anything.

Each function returns the command as an argument tuple; what ends in ``_input`` returns what goes to its standard
input. Values are checked here for the sake of a good traceback, and on the node because it does not trust us: a
``ValueError`` is a mistake of the caller.

A fence is ``(epoch, counter)``; the node refuses one that is lower than the highest it has seen (code ``stale``).
An operation is named by its id and the service, so one operation may switch several services of a node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from deployments.core.health_values import COMMAND
from deployments.core.node_argv import PREFIX, Argv, Fence
from deployments.core.node_argv import command as _command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deployments.core.health_values import HealthCheck


def facts(services: Iterable[str] = ()) -> Argv:
    """Everything about the node, or about some services; see :mod:`deployments.core.facts`. Below a second."""
    argv = _command("facts")
    for service in services:
        argv += _command("facts", service=service)[len(PREFIX) + 1 :]
    return argv


def version() -> Argv:
    """Protocol and version alone: the cheapest question there is."""
    return _command("version")


def setup(fence: Fence) -> Argv:
    """What Ignition left to do; may be repeated."""
    return _command("setup", fence)


def prepare_host_key(fence: Fence) -> Argv:
    """First contact, step 1: a fresh host key beside the one in use. Answers ``public_key`` and ``fingerprint``.

    Pin it *beside* the old one before :func:`activate_host_key`; the same key is answered until it is activated.
    """
    return _command("rekey-host", fence)


def activate_host_key(fence: Fence, fingerprint: str) -> Argv:
    """First contact, step 2: the new key (``SHA256:…``) takes the old one's place; new connections see it."""
    return _command("rekey-host", fence, activate=fingerprint)


def confirm_host_key(fence: Fence, fingerprint: str) -> Argv:
    """First contact, step 3, over a connection that saw the new key: the old one is removed from the node."""
    return _command("rekey-host", fence, confirm=fingerprint)


def stage_image(fence: Fence, service: str, project: str, image_id: str, against: str = "") -> Argv:
    """Bring an image as standard input says (``transfer_request``).

    ``against``: the ID of the image whose configuration that is packed against.
    """
    known = against.removeprefix("sha256:")[:12] or None
    return _command("stage-image", fence, service=service, project=project, image_id=image_id, **{"from": known})


def stage_files(fence: Fence, service: str, release: int, base: int | None = None) -> Argv:
    """Put a release's files in place; those not sent are taken from release ``base``."""
    return _command("stage-files", fence, service=service, release=release, base=base)


def stage_certificate(fence: Fence, service: str, fingerprint: str) -> Argv:
    """Put a certificate and its encrypted key in place.

    ``fingerprint`` is the certificate's SHA-256 in hex. The same key encrypted under another passphrase needs another
    place: add ``-`` and up to 16 letters or digits.
    """
    return _command("stage-certificate", fence, service=service, fingerprint=fingerprint)


def stage_supervisor(fence: Fence, service: str, sha256: str) -> Argv:
    """Put the supervisor's file (standard input, at most 512 KiB) in place."""
    return _command("stage-supervisor", fence, service=service, sha256=sha256)


def seal(fence: Fence, service: str, version: str) -> Argv:
    """Seal the credentials of ``seal_input`` for this node as one version; all of them or none."""
    return _command("seal", fence, service=service, version=version)


def verify_certificate(service: str, fingerprint: str, version: str) -> Argv:
    """Does the sealed ``cert_pass`` of ``version`` open the staged key, and is that the certificate's?"""
    return _command("verify-certificate", service=service, fingerprint=fingerprint, version=version)


def check_unit(service: str) -> Argv:
    """Would the node take this unit (standard input)?"""
    return _command("check-unit", service=service)


def switch(fence: Fence, service: str, op: str, deadline: int) -> Argv:
    """Replace the unit by the one on standard input and restart; ends when the service said READY or failed.

    Unless confirmed within ``deadline`` seconds (10 to 99999), or when the node boots before that, the old unit comes
    back. Asking again with the same ``op`` follows the running switch or repeats its answer.
    """
    return _command("switch", fence, service=service, op=op, deadline=deadline)


def confirm(fence: Fence, service: str, op: str) -> Argv:
    """Keep the new unit. Refused with ``rolled-back`` when it came too late."""
    return _command("confirm", fence, service=service, op=op)


def rollback(fence: Fence, service: str, op: str, *, confirmed: bool = False) -> Argv:
    """Put back the unit from before the switch ``op``, now, and restart it. A running switch is stopped first.

    One that was confirmed is undone only if ``confirmed`` says so, and only while no other switch came after it.
    """
    argv = _command("rollback", fence, service=service, op=op)
    return (*argv, "--confirmed") if confirmed else argv


def cancel(service: str, op: str) -> Argv:
    """Like :func:`rollback` without a fence: it can only undo this very, unconfirmed, switch."""
    return _command("cancel", service=service, op=op)


def follow(service: str, op: str) -> Argv:
    """Follow a switch begun before, from its first line on; ends with its result."""
    return _command("follow", service=service, op=op)


def follow_rollback(service: str, op: str) -> Argv:
    """Follow the rollback of a switch."""
    return (*_command("follow", service=service, op=op), "--rollback")


def control(fence: Fence, service: str, action: Literal["start", "stop", "restart"]) -> Argv:
    """Start, stop or restart a service; ends when systemd has done it."""
    if action not in {"start", "stop", "restart"}:
        raise ValueError(f"{action!r} is not start, stop or restart")
    return (*_command("control", fence, service=service), action)


def reset_restarts(service: str) -> Argv:
    """Let systemd forget how often it restarted a service that is active; answers ``restarts``, what it forgot."""
    return _command("reset-restarts", service=service)


def logs(
    service: str, *, lines: int | None = None, follow: bool = False, grep: str | None = None, since: int | None = None
) -> Argv:
    """The journal of a service, oldest first: at most 99999 ``lines`` (200), since a UTC epoch, holding a text."""
    argv = _command("logs", service=service, lines=lines, grep=grep, since=since)
    return (*argv, "--follow") if follow else argv


def probe(service: str, check: HealthCheck) -> Argv:
    """Ask a health check on the node, once: ``good`` and ``said``. At most 5 s, of a command 12 s.

    The words of a command go to standard input: ``probe_input``.
    """
    if check.kind == COMMAND:
        return _command("probe", service=service, kind=check.kind)
    return _command("probe", service=service, kind=check.kind, port=check.port, path=check.path or None)


def served(service: str, ports: Iterable[int], name: str = "") -> Argv:
    """Which certificate is served: that of the first of at most four ``ports`` that speaks TLS; at most 6 s for each.

    ``name`` is asked for by SNI. Answers ``port``, ``fingerprint``, ``not_after`` (UTC epoch, or null) and ``said``.
    """
    return _command("served", service=service, ports=",".join(map(str, ports)), name=name or None)


def prune(
    fence: Fence,
    service: str,
    keep: Iterable[int],
    *,
    certificates: Iterable[str] | None = None,
    credentials: Iterable[str] | None = None,
    images: Iterable[str] | None = None,
) -> Argv:
    """Remove releases but those in ``keep``, and, where a list is given, other certificates, credentials, images.

    What a unit names, running or pending, stays in any case; ``data`` is never touched.
    """
    lists = {
        "keep": tuple(map(str, keep)),
        "keep_certificates": certificates,
        "keep_credentials": credentials,
        "keep_images": images,
    }
    joined = {name: ",".join(values) for name, values in lists.items() if values is not None}
    if not all(joined.values()):
        raise ValueError("A list of what to keep is not empty; leave it out to keep everything of its kind")
    return _command("prune", fence, service=service, **joined)


def remove(fence: Fence, service: str, *, with_data: bool = False) -> Argv:
    """Stop a service and remove its unit and all that can be staged again; its data only if ``with_data``."""
    argv = _command("remove", fence, service=service)
    return (*argv, "--with-data") if with_data else argv


def upgrade(fence: Fence) -> Argv:
    """Replace ``ffs-node`` by the signed script of ``upgrade_input``."""
    return _command("upgrade", fence)
