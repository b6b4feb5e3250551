"""The preflight: each row at its limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deployments.core.facts_values import Disk, PendingSwitch
from deployments.core.filetree import FileEntry, tree_of
from deployments.core.layout import NODE_VERSION, PROTOCOL
from deployments.core.plan import Check, Desired, FilesPlan, Held, LayersPlan
from deployments.core.preflight import MARGIN, preflight, unit_digest, version_of
from deployments.core.quadlet import Mode
from deployments.core.sizes import shown_bytes
from tests.core.example_facts import NEW_IMAGE, NODE, NOW, SERVICE

DESIRED = Desired("service:12", "serbest", "www", "node-a", 4, NEW_IMAGE, "amd64", (), "", Mode.SUPERVISOR)
HELD = Held(facts=NODE, read_at=NOW, now=NOW)
NOTHING = FilesPlan(0, (), (), (), staged=False, bytes_to_send=0)


def rows(desired: Desired = DESIRED, held: Held = HELD, image: int = 0) -> dict[str, Check]:
    checks = preflight(desired, held, NOTHING, LayersPlan((), 0, image))
    assert len({check.name for check in checks}) == len(checks)
    assert all(check.text.endswith((".", "?")) for check in checks)
    return {check.name: check for check in checks}


def verdict(name: str, held: Held = HELD, desired: Desired = DESIRED, image: int = 0) -> str:
    return rows(desired, held, image)[name].verdict


def node(**changes: Any) -> Held:
    return replace(HELD, facts=replace(NODE, **changes))


def service(**changes: Any) -> Held:
    return node(services={"www": replace(SERVICE, **changes)})


def test_a_good_node_is_green_throughout() -> None:
    assert {check.verdict for check in rows().values()} == {"green"}


def test_without_facts_there_is_one_red_row_with_the_reason() -> None:
    for error, words in (("Timed out.", "Timed out."), ("", "never read")):
        found = rows(held=Held(facts=None, error=error))
        assert [(check.verdict, words in check.text) for check in found.values()] == [("red", True)]


def test_a_cordon_refuses_with_who_why_and_since_when_whatever_else_is_known() -> None:
    said = "node-a is cordoned by bob since 2026-11-24 00:35 UTC: Its disk is replaced."
    for held in (replace(HELD, cordon=said), Held(facts=None, cordon=said)):
        row = rows(held=held)["Cordon"]
        assert (row.verdict, row.text) == ("red", f"{said} Uncordon it on the node's page first.")
    assert verdict("Cordon") == "green"


def test_a_service_that_the_node_does_not_know_is_no_obstacle() -> None:
    assert {check.verdict for check in rows(held=node(services={})).values()} == {"green"}


@pytest.mark.parametrize(
    ("name", "held", "expected"),
    [
        ("Reading", replace(HELD, now=NOW + 3600), "green"),
        ("Reading", replace(HELD, now=NOW + 3601), "amber"),
        ("ffs-node", node(protocol=PROTOCOL - 1), "red"),
        ("ffs-node", node(protocol=PROTOCOL + 1), "red"),
        ("ffs-node", node(protocol=PROTOCOL - 1, version="99"), "red"),
        ("ffs-node", node(version="0.0.9"), "amber"),
        ("ffs-node", node(version="0"), "amber"),
        ("ffs-node", node(version=f"{NODE_VERSION}.1"), "green"),
        ("ffs-node", node(version="99..1"), "green"),
        ("Architecture", node(arch="aarch64"), "red"),
        ("Clock", node(time=NOW + 60), "green"),
        ("Clock", node(time=NOW - 61), "amber"),
        ("Clock", node(time=NOW + 300), "amber"),
        ("Clock", node(time=NOW - 301), "red"),
        ("podman", node(podman=""), "red"),
        ("podman", node(podman="4.5.9"), "red"),
        ("podman", node(podman="4.9.4"), "red"),
        ("podman", node(podman="5.0.0-dev"), "green"),
        ("podman", node(podman="10.1"), "green"),
        ("systemd", node(systemd="253"), "amber"),
        ("systemd", node(systemd=""), "amber"),
        ("systemd", node(systemd="254.1"), "green"),
        ("Reboot", node(reboot_pending=True), "amber"),
        ("Pending switch", service(pending=PendingSwitch("op-1", 5)), "red"),
        ("Unit file", replace(HELD, unit="[Unit]\n"), "amber"),
        ("Unit file", replace(service(unit_sha256=unit_digest("x")), unit="x"), "green"),
        ("Unit file", replace(service(unit_sha256=None), unit="x"), "green"),
    ],
)
def test_a_node_is_judged(name: str, held: Held, expected: str) -> None:
    assert verdict(name, held) == expected


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("podman", {"mode": Mode.OWN}, "green"),
        ("Supervision", {"mode": Mode.NONE}, "amber"),
        ("Architecture", {"architecture": "arm64"}, "red"),
        ("Architecture", {"architecture": "amd64/v3"}, "green"),
        ("Architecture", {"architecture": "x86_64"}, "green"),
        ("Certificate", {"certificate": "f", "certificate_days": 15}, "green"),
        ("Certificate", {"certificate": "f", "certificate_days": 14}, "amber"),
        ("Certificate", {"certificate": "f", "certificate_days": 0}, "amber"),
        ("Certificate", {"certificate": "f", "certificate_days": -1}, "red"),
        ("Certificate", {"certificate": "f", "certificate_days": 90, "certificate_from": "2027-01-01"}, "red"),
    ],
)
def test_what_is_wanted_is_judged(name: str, changes: dict[str, Any], expected: str) -> None:
    assert verdict(name, node(podman="4.9.4") if name == "podman" else HELD, replace(DESIRED, **changes)) == expected


def test_the_arm_image_fits_the_arm_node() -> None:
    assert verdict("Architecture", node(arch="aarch64"), replace(DESIRED, architecture="arm64")) == "green"


def test_the_image_needs_room_on_its_disk_and_a_margin() -> None:
    disk = Disk(free=MARGIN + 1000, total=10_000)
    assert verdict("Disk for images", node(disk_images=disk), image=1000) == "green"
    assert verdict("Disk for images", node(disk_images=disk), image=1001) == "red"
    large = Disk(free=MARGIN + 1000, total=10 * MARGIN + 100)
    assert verdict("Disk for images", node(disk_images=large), image=1000) == "amber"


def test_files_count_in_full_unless_they_are_staged() -> None:
    wanted = replace(DESIRED, files=tree_of([FileEntry("a", 0o644, 5000, "a" * 64)]))
    small = node(disk_var=Disk(free=MARGIN + 4999, total=10_000))
    assert verdict("Disk for data", small, wanted) == "red"
    staged = preflight(wanted, small, replace(NOTHING, staged=True), LayersPlan((), 0, 0))
    assert {check.verdict for check in staged} == {"green"}


def test_one_disk_for_both_has_to_hold_both() -> None:
    disk = Disk(free=MARGIN + 1000, total=10_000)
    found = rows(held=node(disk_images=disk, disk_var=disk), image=1001)
    assert found["Disk"].verdict == "red"
    assert "Disk for images" not in found


@pytest.mark.parametrize(
    ("text", "version"),
    [("5.4.2", (5, 4)), ("4.6", (4, 6)), ("5", None), ("", None), ("v5.4", None), ("9" * 50, None)],
)
def test_versions_are_read(text: str, version: tuple[int, int] | None) -> None:
    assert version_of(text) == version


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (20_000_000, "20 MB"), (1_500_000_000, "1.5 GB")],
)
def test_sizes_are_shown(count: int, text: str) -> None:
    assert shown_bytes(count) == text


def test_the_health_check_is_told_of_and_one_that_cannot_be_asked_is_refused() -> None:
    assert rows()["Health check"].text == "The service has none."
    asked = replace(DESIRED, health="The gate asks tcp://:5432 from the node.")
    assert rows(asked)["Health check"] == Check("Health check", "green", asked.health)
    odd = rows(replace(DESIRED, unhealthy="The service does not publish TCP port 1."))["Health check"]
    assert (odd.verdict, odd.text.startswith("The service does not publish TCP port 1. Change")) == ("red", True)


def test_a_service_that_nobody_watches_but_its_health_check_is_told_of_so() -> None:
    nobody = replace(DESIRED, mode=Mode.NONE)
    assert "Nobody says that the service is ready: only a crash" in rows(nobody)["Supervision"].text
    checked = replace(nobody, health="The gate asks tcp://:5432 from the node.")
    assert rows(checked)["Supervision"].text.endswith("After the gate only a crash will be noticed.")
