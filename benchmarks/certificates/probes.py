"""What an operator would run instead: ``openssl s_client`` for each endpoint, so many at a time by xargs."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Final

from benchmarks.certificates.report import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

PROBE: Final = (
    "timeout 5 openssl s_client -connect $1 -servername www.example.org </dev/null 2>/dev/null"
    " | openssl x509 -noout -fingerprint -sha256 -enddate"
)


def openssl(endpoints: Sequence[tuple[str, int]], rounds: int, *, at_once: int) -> Row:
    """Fingerprint and end of each of the (address, port) pairs."""
    told = "".join(f"{address}:{port}\n" for address, port in endpoints)
    argv = ("xargs", "-P", str(at_once), "-n", "1", "sh", "-c", PROBE, "sh")
    seconds, seen = [], len(endpoints)
    for _ in range(rounds):
        began = time.monotonic()
        done = subprocess.run(argv, input=told, capture_output=True, text=True, check=False)
        seconds.append(time.monotonic() - began)
        seen = min(seen, done.stdout.lower().count("sha256 fingerprint="))
    return Row(f"`openssl s_client` by `xargs -P {at_once}`", tuple(seconds), seen)
