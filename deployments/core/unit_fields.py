"""What a unit's values may be: the check before anything is written into a unit file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .unit_quote import quote_word, word_problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .quadlet_values import Port, UnitSpec

NONE = "none"
NO_IMAGE = "none"
MAX_LINE = 32_000
MAX_WORDS = 200
"""Bytes of a line and words of a command that ffs-node takes (nodekit/parts/30-unit.bash)."""

# These patterns are also those of ffs-node (nodekit/parts/20-options.bash), which checks each unit again.
PROJECT = re.compile(r"[a-z][a-z0-9-]{0,31}")
SERVICE = re.compile(r"[a-z][a-z0-9-]{0,30}")
HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")
SHA256 = re.compile(r"[0-9a-f]{64}")
CERTIFICATE = re.compile(r"[0-9a-f]{64}(-[0-9a-z]{1,16})?")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
OPERATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
CREDENTIAL = re.compile(r"cert_pass|env\.[A-Za-z_][A-Za-z0-9_]{0,127}")
PROGRAM = re.compile(r"(?=.{1,200}\Z)(/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)+")
PROBE = re.compile(r"https?://[!-\"$-~]{1,190}|tcp:[A-Za-z0-9.:\[\]_-]{1,190}")
DOCUMENTATION = re.compile(r"https?://[A-Za-z0-9._~:/?#@!&()*+,;=-]{1,500}")

OURS = ("WATCHDOG_USEC", "WATCHDOG_PID", "NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY")
"""Variables that systemd, podman or the unit itself set."""


class UnitError(Exception):
    """A value that must not be written into a unit. ``field`` names it."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        self.message = message
        super().__init__(f"{field}: {message}")


def check_spec(spec: UnitSpec) -> None:
    """Raise UnitError for the first value of ``spec`` that a unit cannot hold."""
    _match("project", spec.project, PROJECT)
    _match("service", spec.service, SERVICE)
    _match("node", spec.node, HOST)
    for field, pattern in (
        ("certificate", CERTIFICATE),
        ("credentials_version", VERSION),
        ("operation", OPERATION),
    ):
        value = getattr(spec, field)
        if value:
            _match(field, value, pattern)
    if spec.probe:
        _match("probe", spec.probe, PROBE)
    if spec.documentation:
        _match("documentation", spec.documentation, DOCUMENTATION)
    check_ports(spec.ports)
    _check_environment(spec.environment)
    _check_credentials(spec)
    _check_times(spec)
    _check_release(spec)


def check_ports(ports: Iterable[Port]) -> None:
    """Raise UnitError unless the ports are numbers, tcp or udp, and each host port is given once."""
    seen: set[tuple[int, str]] = set()
    for port in ports:
        for number in (port.host, port.container):
            if not _is_number(number) or not 1 <= number <= 65535:
                raise UnitError("ports", f"{number!r} is no port number (1 to 65535)")
        if port.protocol not in {"tcp", "udp"}:
            raise UnitError("ports", f"{port.protocol!r} is neither tcp nor udp")
        if (port.host, port.protocol) in seen:
            raise UnitError("ports", f"the host's {port.protocol} port {port.host} is published twice")
        seen.add((port.host, port.protocol))


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _match(field: str, value: object, pattern: re.Pattern[str]) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise UnitError(field, f"{_shown(value)} is not allowed here")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _check_environment(environment: Iterable[tuple[str, str]]) -> None:
    seen: set[str] = set()
    for name, value in environment:
        _match("environment", name, VARIABLE)
        if name in seen:
            raise UnitError("environment", f"{name} is given twice")
        if name in OURS:
            raise UnitError("environment", f"{name} is set by systemd or podman")
        seen.add(name)
        # The value may be what an operator holds for private: it is not repeated in the message.
        word = f"{name}={value}"
        problem = word_problem(word)
        if problem is None and len(quote_word(word).encode()) > MAX_LINE:
            problem = f"it is longer than {MAX_LINE} bytes; let it be a file of the project"
        if problem:
            raise UnitError("environment", f"the value of {name} cannot be passed: {problem}")


def _check_credentials(spec: UnitSpec) -> None:
    for name in spec.credentials:
        _match("credentials", name, CREDENTIAL)
    if len(set(spec.credentials)) != len(spec.credentials):
        raise UnitError("credentials", "a credential is given twice")
    if spec.credentials and not spec.credentials_version:
        raise UnitError("credentials_version", "there are credentials, but no version of them")
    plain = {name for name, _ in spec.environment}
    both = next((name for name in spec.credentials if name.removeprefix("env.") in plain), None)
    if both:
        raise UnitError("environment", f"{both.removeprefix('env.')} is also a credential")


def _check_times(spec: UnitSpec) -> None:
    if not _is_number(spec.watchdog) or not (spec.watchdog == 0 or 5 <= spec.watchdog <= 86400):
        raise UnitError("watchdog", "it is 0 (none) or 5 to 86400 seconds")
    if not _is_number(spec.start_timeout) or not 1 <= spec.start_timeout <= 86400:
        raise UnitError("start_timeout", "it is 1 to 86400 seconds")


def _check_release(spec: UnitSpec) -> None:
    if not _is_number(spec.release) or not 0 <= spec.release < 10**9:
        raise UnitError("release", f"{_shown(spec.release)} is no release number")
    if not spec.release:
        later = ("image_id", "certificate", "credentials_version", "supervisor", "interpreter", "operation")
        given = next((field for field in later if getattr(spec, field)), None)
        if given:
            raise UnitError(given, "it is given, but there is no release")
        return
    _match("image_id", spec.image_id, IMAGE_ID)
    if spec.mode.value == "supervisor":
        _match("supervisor", spec.supervisor, SHA256)
        _match("interpreter", spec.interpreter, PROGRAM)
        _check_command(spec)


def _check_command(spec: UnitSpec) -> None:
    words = (*spec.entrypoint, *spec.command)
    if not words:
        raise UnitError("command", "the image names neither an entrypoint nor a command")
    for field, part in (("entrypoint", spec.entrypoint), ("command", spec.command)):
        for number, word in enumerate(part, 1):
            problem = word_problem(word)
            if problem:
                raise UnitError(field, f"word {number} cannot be passed to the container: {problem}")
    if len(words) > MAX_WORDS or sum(len(quote_word(word).encode()) + 1 for word in words) > MAX_LINE:
        raise UnitError("command", f"it has more than {MAX_WORDS} words or {MAX_LINE} bytes")
