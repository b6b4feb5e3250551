"""What is looked at before a deploy touches a node: each row is green, amber (said, and gone on) or red (refused)."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from . import layout
from .architecture import runs
from .plan_values import AMBER, FFS_NODE, GREEN, RED, Check
from .program import version_key
from .quadlet import Mode
from .sizes import shown_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .facts_values import Disk, NodeFacts, ServiceFacts
    from .plan_inputs import Desired, Held
    from .plan_values import FilesPlan, LayersPlan

MARGIN = 200_000_000
"""Bytes that stay free on a disk whatever a deploy brings: podman and systemd need room to work."""
TIGHT = 0.1
SKEW_AMBER, SKEW_RED = 60, 300
OLD_READING = 3600
CERTIFICATE_AMBER = 14
PODMAN, PODMAN_ENTRYPOINT, SYSTEMD = (4, 6), (5, 0), 254


def preflight(desired: Desired, held: Held, files: FilesPlan, layers: LayersPlan) -> tuple[Check, ...]:
    """The rows for one service, the worst of them deciding. Without a reading: one red row (and the cordon)."""
    facts = held.facts
    if facts is None:
        why = held.error or "The node was never read."
        unread = Check("Reading", RED, f"Nothing is known of {desired.node}: {why} Read the node first.")
        return (unread, _cordon(held)) if held.cordon else (unread,)
    service = facts.service(desired.service)
    return (
        _reading(held),
        _cordon(held),
        _protocol(facts),
        _architecture(desired, facts),
        *_disks(desired, facts, files, layers),
        _clock(held, facts),
        _podman(desired, facts),
        _systemd(facts),
        _reboot(facts),
        _certificate(desired),
        _pending(service),
        _unit_on_node(held, service),
        _supervision(desired),
        _health(desired),
    )


def _reading(held: Held) -> Check:
    if held.now - held.read_at > OLD_READING:
        return Check("Reading", AMBER, "The last reading is more than an hour old.")
    return Check("Reading", GREEN, "The node was read within the last hour.")


def _cordon(held: Held) -> Check:
    if held.cordon:
        return Check("Cordon", RED, f"{held.cordon.removesuffix('.')}. Uncordon it on the node's page first.")
    return Check("Cordon", GREEN, "The node is not cordoned.")


def _protocol(facts: NodeFacts) -> Check:
    if facts.protocol != layout.PROTOCOL:
        older = (
            "the node's ffs-node is older; upgrade it" if facts.protocol < layout.PROTOCOL else "this ffsweb is older"
        )
        return Check(FFS_NODE, RED, f"It speaks protocol {facts.protocol}, not {layout.PROTOCOL}: {older}.")
    if version_key(facts.version) < version_key(layout.NODE_VERSION):
        text = f"Version {facts.version} is older than {layout.NODE_VERSION}, which this ffsweb has; upgrade it."
        return Check(FFS_NODE, AMBER, text)
    return Check(FFS_NODE, GREEN, f"Version {facts.version}, protocol {facts.protocol}.")


def _architecture(desired: Desired, facts: NodeFacts) -> Check:
    if runs(facts.arch, desired.architecture):
        return Check("Architecture", GREEN, f"The image for {desired.architecture} fits: the node is {facts.arch}.")
    has = desired.architectures or (desired.architecture,)
    also = f"{', '.join(has[:-1])} and {has[-1]}" if len(has) > 1 else has[0]
    text = f"The image is for {also}, but the node is {facts.arch}. Take in an image that is for {facts.arch} too."
    return Check("Architecture", RED, text)


def _disks(desired: Desired, facts: NodeFacts, files: FilesPlan, layers: LayersPlan) -> Iterator[Check]:
    # A copy of the files may share nothing with the old one, so all of it counts.
    data = 0 if files.staged else desired.files.size
    image, meanwhile = layers.bytes_to_send, layers.temporary
    if facts.disk_images == facts.disk_var:
        yield _disk("Disk", facts.disk_var, data + image, meanwhile)
    else:
        yield _disk("Disk for images", facts.disk_images, image)
        yield _disk("Disk for data", facts.disk_var, data, meanwhile)


def _disk(name: str, disk: Disk, needed: int, meanwhile: int = 0) -> Check:
    """``meanwhile``: bytes that are needed while the image is put together, and free again afterwards."""
    left = disk.free - needed
    if left - meanwhile < MARGIN:
        missing = shown_bytes(MARGIN - left + meanwhile)
        for_a_while = f", and room for {shown_bytes(meanwhile)} more for a while" if meanwhile else ""
        text = f"{name}: {missing} too little is free; {shown_bytes(needed)} are to come{for_a_while}."
        return Check(name, RED, text)
    if left < disk.total * TIGHT:
        return Check(name, AMBER, f"{name}: less than {TIGHT:.0%} will be free afterwards.")
    return Check(name, GREEN, f"{shown_bytes(needed)} are needed; there is room.")


def _clock(held: Held, facts: NodeFacts) -> Check:
    skew = facts.time - held.read_at
    size = abs(skew)
    if size <= SKEW_AMBER:
        return Check("Clock", GREEN, f"It agrees with the dashboard's within {SKEW_AMBER} s.")
    text = f"The node's clock is {size:.0f} s {'ahead' if skew > 0 else 'behind'}."
    if size > SKEW_RED:
        return Check("Clock", RED, f"{text} Certificates and logs would be wrong; set it first (chronyc makestep).")
    return Check("Clock", AMBER, text)


def version_of(text: str) -> tuple[int, int] | None:
    """Major and minor of ``5.4.2``, ``5.4.2-dev`` and the like; None if it is none."""
    match = re.match(r"(\d{1,4})\.(\d{1,4})", text)
    return (int(match[1]), int(match[2])) if match else None


def _podman(desired: Desired, facts: NodeFacts) -> Check:
    version = version_of(facts.podman)
    if version is None:
        return Check("podman", RED, "The node does not say which podman it has. Is podman installed?")
    if version < PODMAN:
        return Check("podman", RED, f"podman {facts.podman} is too old; 4.6 is the oldest that works.")
    if desired.mode is Mode.SUPERVISOR and version < PODMAN_ENTRYPOINT:
        return Check("podman", RED, f"podman {facts.podman} cannot start the supervisor (Entrypoint= needs 5.0).")
    return Check("podman", GREEN, f"podman {facts.podman}.")


def _systemd(facts: NodeFacts) -> Check:
    match = re.match(r"\d{1,4}", facts.systemd)
    if match and int(match[0]) >= SYSTEMD:
        return Check("systemd", GREEN, f"systemd {facts.systemd}.")
    return Check("systemd", AMBER, f"systemd is older than {SYSTEMD}: crashes are restarted without a back-off.")


def _reboot(facts: NodeFacts) -> Check:
    if facts.reboot_pending:
        return Check("Reboot", AMBER, "The node waits for a reboot into an update; the service will restart then.")
    return Check("Reboot", GREEN, "No reboot is pending.")


def _certificate(desired: Desired) -> Check:
    days = desired.certificate_days
    if not desired.certificate or days is None:
        return Check("Certificate", GREEN, "The service has none.")
    if days < 0:
        return Check("Certificate", RED, "The certificate has expired. Choose another one first.")
    if desired.certificate_from:
        return Check("Certificate", RED, f"The certificate is not valid before {desired.certificate_from}. Wait.")
    if days <= CERTIFICATE_AMBER:
        return Check("Certificate", AMBER, f"The certificate expires in {days} days.")
    return Check("Certificate", GREEN, f"{days} days are left.")


def _pending(service: ServiceFacts | None) -> Check:
    if service is not None and service.pending is not None:
        text = f"The switch of operation {service.pending.op} is neither confirmed nor undone yet. Wait for it."
        return Check("Pending switch", RED, text)
    return Check("Pending switch", GREEN, "None.")


def _unit_on_node(held: Held, service: ServiceFacts | None) -> Check:
    installed = (service.unit_sha256 if service else None) or ""
    if held.unit and installed and installed != unit_digest(held.unit):
        return Check("Unit file", AMBER, "The unit file was changed on the node by somebody else; it is replaced.")
    return Check("Unit file", GREEN, "As the dashboard left it.")


def _supervision(desired: Desired) -> Check:
    said = f"Mode {desired.mode.value}. {desired.watched_because}".rstrip()
    if desired.unfit:
        return Check("Supervision", AMBER, f"{said} But it seems not to fit: {desired.unfit}")
    if desired.mode is Mode.NONE:
        ready = "After the gate" if desired.health else "Nobody says that the service is ready:"
        return Check("Supervision", AMBER, f"{said} {ready} only a crash will be noticed.")
    return Check("Supervision", GREEN, said)


def _health(desired: Desired) -> Check:
    if desired.unhealthy:
        return Check("Health check", RED, f"{desired.unhealthy} Change the service's health check or its ports.")
    return Check("Health check", GREEN, desired.health or "The service has none.")


def unit_digest(text: str) -> str:
    """SHA-256 of a unit file, in hex, as ``facts`` tells it."""
    return hashlib.sha256(text.encode()).hexdigest()
