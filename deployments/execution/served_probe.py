"""A look at the certificate that a port serves: a TLS handshake from the dashboard, without SSH.

What answers is anyone: it is verified by nothing, no more than the handshake is read, within one time limit.
"""

from __future__ import annotations

import hashlib
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from deployments.core.health_values import DASHBOARD, HTTPS, HealthCheck, Probe, Probed
from deployments.execution.dashboard_probe import SECONDS, Question, tls

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable
    from datetime import datetime

    from deployments.core.health_values import ServedProbe


@dataclass(frozen=True, slots=True)
class Look:
    """The certificate that ``port`` serves: SHA-256 of its DER form in hex; its end and beginning (UTC) if
    they can be read.

    Or ``error``, a sentence that says why none was seen; then ``port`` is 0.
    """

    port: int = 0
    fingerprint: str = ""
    not_after: datetime | None = None
    error: str = ""
    not_before: datetime | None = None


def look(
    address: str, ports: Iterable[int], *, name: str = "", stop: threading.Event, seconds: float = SECONDS
) -> Look:
    """The certificate of the first of ``ports`` that speaks TLS; ``name`` is asked for by SNI.

    Takes at most ``seconds`` for each port. Raises Interrupted within 0.2 s of ``stop``.
    """
    said = []
    for port in ports:
        question = _Handshake(Probe(DASHBOARD, HealthCheck(HTTPS, port), address), seconds, name)
        answer = question.answer(stop)
        if question.der:
            begin, end = _life(question.der)
            return Look(port, hashlib.sha256(question.der).hexdigest(), end, not_before=begin)
        said.append(f"port {port} {answer.said}")
    return Look(error=f"{'; '.join(said)}." if said else "it publishes no TCP port.")


def judged(probe: ServedProbe, seen: Look, *, whose: str = "The") -> Probed:
    """Whether what somebody saw is the certificate that is waited for; ``whose`` begins the sentence."""
    if not seen.fingerprint:
        said = f"showed no certificate: {seen.error}"
        return Probed(probe.side, f"{whose} TLS handshake", good=False, said=said)
    what = f"{whose} TLS handshake with port {seen.port}"
    if seen.fingerprint == probe.fingerprint:
        return Probed(probe.side, what, good=True, said=f"shows the certificate {seen.fingerprint[:16]}")
    old = ", the one from before: the container did not load the new file" if seen.fingerprint == probe.old else ""
    said = f"shows the certificate {seen.fingerprint[:16]}, not {probe.fingerprint[:16]}{old}"
    return Probed(probe.side, what, good=False, said=said)


class _Handshake(Question):
    """Shakes hands and hangs up."""

    def __init__(self, probe: Probe, seconds: float, name: str) -> None:
        super().__init__(probe, seconds)
        self._name = name
        self.der = b""

    def _asked(self) -> tuple[bool, str]:
        address, port = self._probe.address, self._probe.check.port
        with socket.create_connection((address, port), timeout=self._left()) as plain:
            self._wire = plain
            plain.settimeout(self._left())
            with tls().wrap_socket(plain, server_hostname=self._name or address) as wire:
                self._wire = wire
                self.der = wire.getpeercert(binary_form=True) or b""
        return True, "showed no certificate"


def _life(der: bytes) -> tuple[datetime | None, datetime | None]:
    with suppress(Exception):  # whoever answers made it: any fault in it means that its life is not known
        read = x509.load_der_x509_certificate(der)
        return read.not_valid_before_utc, read.not_valid_after_utc
    return None, None
