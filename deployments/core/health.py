"""The line that says how a service is asked whether it works, read strictly.

::

    https://:443/healthz        a status from 200 to 399 is good
    http://:8080/
    tcp://:5432                 something takes the connection
    command: /app/check --fast  run in the container, ends with status 0; from the node only

A port is one that the service publishes, by its number on the host.

::

    HealthCheckError (a ValueError; its text is a sentence for whoever wrote the line)
    ├── TooLong
    ├── BadCharacter    a control character, a line break, something beyond ASCII, a space in an address
    ├── UnknownForm     none of the four forms
    ├── BadPort         no port, or no number from 1 to 65535
    ├── BadPath
    ├── BadCommand
    ├── NotPublished    the service publishes no such TCP port
    └── WrongSide       a command from anywhere but the node
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from .health_values import COMMAND, NODE, SIDES, TCP, HealthCheck

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

MAX_LINE = 300
MAX_PATH = 200
MAX_WORDS, MAX_WORD = 32, 256

# ffs-node checks all of it again (nodekit/parts/20-options.bash and 77-probe.bash).
PATH = r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*"
_ADDRESS = re.compile(r"(https?|tcp)://([^/:?]*)(?::([^/?]*))?(.*)")
_FORMS = "Write https://:443/healthz, http://:8080/, tcp://:5432 or command: /app/check --fast."
_HIGHEST_PORT = 65535


class HealthCheckError(ValueError):
    """The line is no health check, or none for this service."""


class TooLong(HealthCheckError):
    """More characters or words than are taken."""


class BadCharacter(HealthCheckError):
    """A character that may not stand there."""


class UnknownForm(HealthCheckError):
    """None of the forms that there are."""


class BadPort(HealthCheckError):
    """No port, or no number of one."""


class BadPath(HealthCheckError):
    """Not the path of a URL, or a path where none may be."""


class BadCommand(HealthCheckError):
    """Words that are no command."""


class NotPublished(HealthCheckError):
    """A port at which nobody finds the service."""


class WrongSide(HealthCheckError):
    """It cannot be asked from there."""


def parse_health_check(line: str) -> HealthCheck:
    """Read a line that is not empty. Raises HealthCheckError."""
    if len(line) > MAX_LINE:
        raise TooLong(f"It has {len(line)} characters; at most {MAX_LINE} are taken.")
    if re.search(r"[^ -~]", line):
        raise BadCharacter("It is one line of plain ASCII, without tabs and control characters.")
    if line.startswith(f"{COMMAND}:"):
        return _command(line.partition(":")[2])
    if " " in line:
        raise BadCharacter("There is no space in an address: write %20 in a path.")
    found = _ADDRESS.fullmatch(line)
    if found is None:
        raise UnknownForm(f"It is none of the forms that there are. {_FORMS}")
    kind, host, port, path = found.groups()
    if host:
        raise UnknownForm(f"It names a host; the node itself is asked, so leave it out. {_FORMS}")
    return HealthCheck(kind, _port(port), _path(kind, path))


def health_check(line: str, asked_from: str, tcp_ports: Collection[int]) -> HealthCheck | None:
    """The health check of a service that publishes these host ports by TCP; None for "". Raises HealthCheckError.

    ``asked_from`` is one of ``SIDES``.
    """
    if not line:
        return None
    check = parse_health_check(line)
    if asked_from not in SIDES:
        raise WrongSide("A health check is asked from the node, from the dashboard, or from both.")
    if check.kind == COMMAND:
        if asked_from != NODE:
            raise WrongSide("A command is run in the container, so it can only be asked from the node.")
    elif check.port not in tcp_ports:
        ports = ", ".join(map(str, sorted(tcp_ports))) or "none"
        raise NotPublished(f"The service does not publish TCP port {check.port} of the host (it publishes {ports}).")
    return check


def tcp_ports(ports: Iterable[Mapping[str, object]]) -> frozenset[int]:
    """The host's TCP ports among published ones, as the model of a service keeps them."""
    return frozenset(int(str(port["host"])) for port in ports if port["protocol"] == "tcp")


def _port(digits: str | None) -> int:
    if not digits:
        raise BadPort(f"It names no port. {_FORMS}")
    if not re.fullmatch(r"[1-9][0-9]{0,4}", digits) or int(digits) > _HIGHEST_PORT:
        raise BadPort("A port is a number from 1 to 65535.")
    return int(digits)


def _path(kind: str, path: str) -> str:
    if kind == TCP:
        if path:
            raise BadPath("A TCP connection has no path: write tcp://:5432.")
        return ""
    if len(path) > MAX_PATH:
        raise TooLong(f"Its path has {len(path)} characters; at most {MAX_PATH} are taken.")
    path = path or "/"
    if not re.fullmatch(PATH, path):
        raise BadPath("Its path has a character that a URL has not, or a #. Write it as %XX.")
    return path


def _command(text: str) -> HealthCheck:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise BadCommand(f"The command cannot be read: {error}.") from None
    if not words or not words[0]:
        raise BadCommand("The command is empty: write command: /app/check --fast.")
    if words[0].startswith("-"):
        raise BadCommand("A command does not begin with a hyphen.")
    if len(words) > MAX_WORDS or any(len(word) > MAX_WORD for word in words):
        raise TooLong(f"A command has at most {MAX_WORDS} words of at most {MAX_WORD} characters.")
    return HealthCheck(COMMAND, words=words)
