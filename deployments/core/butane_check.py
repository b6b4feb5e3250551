"""The rules that Butane and Ignition hold a configuration to, apart from its storage (``butane_check_storage``).

The messages are theirs (coreos/butane ``config/common/errors.go``, coreos/ignition ``config/shared/errors``). What
they only warn about is an error here: Butane exits 0 on a warning, and a machine is installed only once.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from .butane_check_resource import check_resource
from .butane_check_storage import check_storage
from .butane_error import Kind
from .unit_text import LINE_MAX, UnitTextError, assignments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .butane_tree import Findings, Leaf, Map

DUPLICATE = "duplicate entry defined"
_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
_UNITS = frozenset(
    {".service", ".socket", ".device", ".mount", ".automount", ".swap", ".target", ".path", ".timer"}
    | {".snapshot", ".slice", ".scope"}
)


def check_header(root: Map, findings: Findings) -> None:
    """The variant and version that this translator knows."""
    variant, version = root.text("variant"), root.text("version")
    if not variant:
        findings.add(root.at("variant"), "error parsing variant; must be specified")
        return
    if version is None or not _VERSION.fullmatch(version):
        findings.add(root.at("version"), "error parsing version; must be a valid semver")
    elif (variant, version) != ("fcos", "1.4.0"):
        message = f"No translator exists for variant {variant} with version {version}"
        findings.add(root.at("version"), message, Kind.UNSUPPORTED)


def check(root: Map, findings: Findings) -> None:
    """All rules below the header."""
    _check_ignition(root, findings)
    _check_kernel_arguments(root, findings)
    _check_passwd(root, findings)
    _check_units(root, findings)
    for resource in _resources(root):
        check_resource(resource, findings)
    check_storage(root, findings)


def _resources(root: Map) -> Iterable[Map]:
    for file in root.maps("storage", "files"):
        yield from file.maps("append")
        if contents := file.map("contents"):
            yield contents
    ignition = root.map("ignition")
    if ignition is None:
        return
    yield from ignition.maps("config", "merge")
    config = ignition.map("config")
    if config and (replace := config.map("replace")):
        yield replace
    yield from ignition.maps("security", "tls", "certificate_authorities")


def _check_ignition(root: Map, findings: Findings) -> None:
    ignition = root.map("ignition")
    if ignition is None:
        return
    config = ignition.map("config")
    replace = config.map("replace") if config else None
    merges = ignition.maps("config", "merge")
    authorities = ignition.maps("security", "tls", "certificate_authorities")
    for resource in (*merges, *authorities):
        if not resource.text("source") and not {"inline", "local"} & resource.entries.keys():
            findings.add((resource.line, resource.path), "source is required")
    for resource in (*merges, *((replace,) if replace else ())):
        if resource.text("inline") is not None:
            line, path = resource.at("inline")
            findings.add((line, path), f"{path} is not supported yet", Kind.UNSUPPORTED)
    for resources in (merges, authorities):
        sources = [(r.text("source") or r.text("inline") or "", r) for r in resources]
        _check_unique(((value, (r.line, r.path)) for value, r in sources), findings)
    proxy = ignition.map("proxy")
    if proxy:
        _check_proxy(proxy, findings)
        _check_unique_leaves(proxy.items("no_proxy"), f"{proxy.path}.no_proxy", findings)


def _check_proxy(proxy: Map, findings: Findings) -> None:
    for key in ("http_proxy", "https_proxy"):
        value = proxy.text(key)
        if value is None:
            continue
        scheme = value.partition(":")[0]
        if scheme not in {"http", "https"}:
            findings.add(proxy.at(key), "proxies must be http(s)")
        elif key == "https_proxy" and scheme == "http":
            findings.add(proxy.at(key), "insecure plaintext HTTP proxy specified for HTTPS resources")


def _check_kernel_arguments(root: Map, findings: Findings) -> None:
    both = (*root.items("kernel_arguments", "should_exist"), *root.items("kernel_arguments", "should_not_exist"))
    _check_unique_leaves(both, "kernel_arguments", findings)


def _check_passwd(root: Map, findings: Findings) -> None:
    for kind in ("groups", "users"):
        entries = root.maps("passwd", kind)
        for entry in entries:
            if not entry.text("name"):
                findings.add(entry.at("name"), "name is required")
            for key in ("groups", "ssh_authorized_keys"):
                _check_unique_leaves(entry.items(key), f"{entry.path}.{key}", findings)
        _check_unique(((entry.text("name") or "", entry.at("name")) for entry in entries), findings)


def _check_units(root: Map, findings: Findings) -> None:
    units = root.maps("systemd", "units")
    _check_unique(((unit.text("name") or "", unit.at("name")) for unit in units), findings)
    for unit in units:
        name, contents = unit.text("name") or "", unit.text("contents")
        if PurePosixPath(name).suffix not in _UNITS or "/" in name:
            findings.add(unit.at("name"), "invalid systemd unit extension")
        sections = _sections(unit, findings)
        if unit.is_true("enabled") and contents and sections is not None and "Install" not in sections:
            message = f'unit "{name}" is enabled, but has no install section so enable does nothing'
            findings.add(unit.at("contents"), message)
        dropins = unit.maps("dropins")
        for dropin in dropins:
            dropin_name = dropin.text("name") or ""
            _sections(dropin, findings)
            if PurePosixPath(dropin_name).suffix != ".conf" or "/" in dropin_name:
                findings.add(dropin.at("name"), "invalid systemd drop-in extension")
        _check_unique(((dropin.text("name") or "", dropin.at("name")) for dropin in dropins), findings)


def _sections(unit: Map, findings: Findings) -> set[str] | None:
    """The sections of a unit's contents that assign anything; None if they cannot be read."""
    try:
        return {assignment.section for assignment in assignments(unit.text("contents") or "", line_max=LINE_MAX)}
    except UnitTextError as error:
        findings.add(unit.at("contents"), f"invalid unit content: {error}")
        return None


def _check_unique_leaves(leaves: Iterable[Leaf | Map], path: str, findings: Findings) -> None:
    _check_unique(((str(getattr(leaf, "value", "")), (leaf.line, path)) for leaf in leaves), findings)


def _check_unique(entries: Iterable[tuple[str, tuple[int, str]]], findings: Findings) -> None:
    seen: set[str] = set()
    for value, where in entries:
        if value in seen:
            findings.add(where, DUPLICATE)
        seen.add(value)
