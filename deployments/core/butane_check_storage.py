"""The rules for directories, files and links (coreos/ignition ``config/v3_3/types/storage.go``, ``node.go``)."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .butane_tree import Findings, Map

_KINDS = {"directories": "directory", "files": "file", "links": "link"}
_DECIMAL = "unreasonable mode would be reasonable if specified in octal; remember to add a leading zero"
_SPECIAL = "setuid/setgid/sticky bits are not supported or functional in spec versions older than 3.6.0"


def check_storage(root: Map, findings: Findings) -> None:
    """Paths, owners, modes, duplicates, links, and clashes with systemd units."""
    seen: set[str] = set()
    links = [link.text("path") or "" for link in root.maps("storage", "links")]
    unit_paths = _unit_paths(root)
    for kind, word in _KINDS.items():
        for node in root.maps("storage", kind):
            path = node.text("path") or ""
            _check_path(node, path, findings)
            if path in seen:
                findings.add(node.at("path"), "duplicate entry defined")
            seen.add(path)
            if any(path.startswith(f"{link}/") for link in links if link):
                findings.add((node.line, node.path), f"{word} path includes link in config")
            if path in unit_paths:
                findings.add(node.at("path"), "path conflicts with systemd unit or dropin")
            _check_owners(node, findings)
            _check_mode(node, directory=kind == "directories", findings=findings)
    for file in root.maps("storage", "files"):
        contents = file.map("contents")
        has_source = contents is not None and (contents.text("source") or contents.text("inline")) is not None
        if file.is_true("overwrite") and not has_source:
            findings.add(file.at("overwrite"), "overwrite must be false if source is unspecified")
    _check_links(root, findings)


def _unit_paths(root: Map) -> set[str]:
    paths = set()
    for unit in root.maps("systemd", "units"):
        path = f"/etc/systemd/system/{unit.text('name') or ''}"
        if unit.text("contents"):
            paths.add(path)
        paths |= {
            f"{path}.d/{dropin.text('name') or ''}" for dropin in unit.maps("dropins") if dropin.text("contents")
        }
    return paths


def clean(path: str) -> str:
    """Go's ``path.Clean`` for an absolute path."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _check_path(node: Map, path: str, findings: Findings) -> None:
    if not path:
        findings.add(node.at("path"), "path not specified")
    elif not path.startswith("/"):
        findings.add(node.at("path"), "path not absolute")
    elif clean(path) != path:
        findings.add(node.at("path"), "path is not fully simplified")


def _check_owners(node: Map, findings: Findings) -> None:
    for key in ("user", "group"):
        owner = node.map(key)
        if owner and owner.number("id") is not None and owner.text("name"):
            findings.add((owner.line, owner.path), "cannot set both id and name")


def _check_mode(node: Map, *, directory: bool, findings: Findings) -> None:
    mode = node.number("mode")
    if mode is None:
        return
    if not 0 <= mode <= 0o7777:
        findings.add(node.at("mode"), "illegal file mode")
        return
    meant = _octal_reading(mode)
    if meant is not None and not _usual(mode, directory=directory) and _usual(meant, directory=directory):
        findings.add(node.at("mode"), _DECIMAL)
    elif mode & 0o7000:
        findings.add(node.at("mode"), _SPECIAL)


def _octal_reading(mode: int) -> int | None:
    """The mode that was meant if decimal digits were written for octal ones: 644 is 0644."""
    digits = str(mode)
    return None if len(digits) > 4 or set(digits) & {"8", "9"} else int(digits, 8)


def _usual(mode: int, *, directory: bool) -> bool:
    """Whether a mode surprises nobody (coreos/butane ``base/util/file.go``, isTypicalMode)."""
    if mode == 0:
        return True
    other, group, user = mode & 7, mode >> 3 & 7, mode >> 6 & 7
    if not _nested(other, group, user):
        return False
    everyone = other | group | user
    if not everyone & 4:
        return False
    if directory:
        return bool(everyone & 1) and not mode & 0o4000 and not (mode & 0o3000 and not everyone & 2)
    special = mode & 0o6000 and (not everyone & 1 or mode & 2)
    return not special and not mode & 0o1000


def _nested(*classes: int) -> bool:
    """From others to the owner: nobody has less than those after him, none writes or runs what he cannot read."""
    had = 0
    for bits in classes:
        if had & ~bits or (bits & 1 and had & 4 and not had & 1) or (bits & 3 and not bits & 4):
            return False
        had |= bits
    return True


def _check_links(root: Map, findings: Findings) -> None:
    directories = {directory.text("path") for directory in root.maps("storage", "directories")}
    for link in root.maps("storage", "links"):
        target = link.text("target")
        if not target:
            findings.add(link.at("target"), "link target is required")
        elif link.is_true("hard"):
            _check_hard_link(link, target, directories, findings)


def _check_hard_link(link: Map, target: str, directories: set[str | None], findings: Findings) -> None:
    # Ignition joins a relative target to the link's own path, not to its directory.
    absolute = target if target.startswith("/") else posixpath.join(link.text("path") or "/", target)
    if clean(absolute) in directories:
        findings.add((link.line, link.path), "hard link target is a directory")
    for key in ("user", "group"):
        owner = link.map(key)
        if owner and owner.entries:
            findings.add((owner.line, owner.path), "user/group ignored for hard link")
