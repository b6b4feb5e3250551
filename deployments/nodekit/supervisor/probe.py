"""Probes: what ``--probe`` may say, and what an answer means."""

from __future__ import annotations

import os
import re
import shlex
import socket

from deployments.nodekit.supervisor.spec import Probe


def parse_probe(text: str) -> Probe:
    """``http(s)://HOST[:PORT]/PATH``, ``tcp:HOST:PORT`` or a command; ``ValueError`` says what is wrong with it."""
    scheme, mark, _ = text.partition("://")
    if mark and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return _url(text, scheme.lower())
    if text.startswith("tcp:"):
        found = re.fullmatch(r"tcp:(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", text)
        if found is None:
            raise ValueError(f"{text!r} is no probe: write tcp:HOST:PORT")
        return Probe("tcp", found.group(1).strip("[]"), _port(found.group(2), text))
    try:
        argv = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no probe: {error}") from error
    if not argv:
        raise ValueError("the probe is empty: give a URL, tcp:HOST:PORT or a command")
    if not _executable(argv[0]):
        raise ValueError(f"the probe's command {argv[0]!r} is not there, or may not be run")
    return Probe("command", argv=argv)


def _url(text: str, scheme: str) -> Probe:
    if scheme not in ("http", "https"):
        raise ValueError(f"{text!r} is no probe: of URLs, only http:// and https:// can be asked")
    found = re.fullmatch(
        r"[^:]+://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(/[!-\"$-~]*)?(\?[!-\"$-~]*)?", text
    )
    if found is None:
        raise ValueError(f"{text!r} is no probe: write {scheme}://HOST[:PORT]/PATH, without user name, space or #")
    port = _port(found.group(2), text) if found.group(2) else 443 if scheme == "https" else 80
    return Probe(scheme, found.group(1).strip("[]"), port, (found.group(3) or "/") + (found.group(4) or ""))


def _port(digits: str, text: str) -> int:
    if not 1 <= int(digits) <= 65535:
        raise ValueError(f"{text!r} is no probe: a port is between 1 and 65535")
    return int(digits)


def _executable(name: str) -> bool:
    places = [name] if "/" in name else [os.path.join(place, name) for place in os.get_exec_path()]  # noqa: PTH118
    return any(os.path.isfile(place) and os.access(place, os.X_OK) for place in places)  # noqa: PTH113


def family(probe: Probe) -> int | None:
    """The kind of socket that reaches it without a name being looked up or TLS spoken; None if there is none."""
    if probe.kind == "valkey":
        return socket.AF_UNIX
    if probe.kind in ("http", "tcp"):
        for kind in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(kind, probe.host)
            except OSError:
                continue
            return kind
    return None


def question(probe: Probe) -> bytes:
    """What is sent once the connection is there; nothing by TCP alone."""
    if probe.kind == "valkey":
        return b"PING\r\n"
    if probe.kind == "tcp":
        return b""
    host = f"[{probe.host}]" if ":" in probe.host else probe.host
    plain = probe.port == (443 if probe.kind == "https" else 80)
    at = host if plain else f"{host}:{probe.port}"
    lines = (f"GET {probe.path} HTTP/1.1", f"Host: {at}", "User-Agent: ffs-probe", "Accept: */*", "Connection: close")
    return "\r\n".join((*lines, "", "")).encode()


def verdict(probe: Probe, answer: bytes) -> str:
    """What is wrong with the answer; empty for a healthy one. A redirection is an answer, and is not followed."""
    if probe.kind == "tcp":
        return ""
    if probe.kind == "valkey":  # -LOADING, -NOAUTH: it is there and speaks
        return "" if answer[:1] in (b"+", b"-") else "no answer to PING"
    if not answer:
        return "closed the connection without an answer"
    found = re.match(rb"HTTP/1\.[01] ([0-9]{3})", answer)
    if found is None:
        return "its answer is not HTTP"
    return "" if found.group(1)[:1] in (b"2", b"3") else f"HTTP {found.group(1).decode()}"
