"""The endpoints of loopback, by each way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.certificates.probes import openssl
from benchmarks.certificates.report import OURS, Row
from tests.certificates.material import issue
from tests.support.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def measured(count: int, rounds: int, place: Path, *, at_once: int) -> list[Row]:
    """Ours, then the other way."""
    pair = issue("www.example.org", names=("www.example.org",))
    (place / "pair.pem").write_bytes(pair.pem + pair.key_pem())
    argv = (sys.executable, "-m", "benchmarks.certificates.endpoints", str(count), str(place / "pair.pem"))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdin is not None
        assert serving.stdout is not None
        try:
            ports: list[int] = json.loads(serving.stdout.readline())
            told = {"ports": ports, "chain": pair.pem.decode(), "key": pair.key_pem().decode()}
            mine = _ours(told, rounds, place)
            other = openssl([("127.0.0.1", port) for port in ports], rounds, at_once=at_once)
        finally:
            serving.stdin.close()
    return [mine, other]


def _ours(told: Mapping[str, object], rounds: int, place: Path) -> Row:
    installation = Installation(place / "installation")
    for arguments in (("prepare",), ("migrate", "--verbosity", "0")):
        done = installation.ffs(*arguments)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
    looked = subprocess.run(
        (sys.executable, "-m", "benchmarks.certificates.ours", str(rounds)),
        env={**os.environ, **installation.environment, "DJANGO_SETTINGS_MODULE": "ffsweb.settings"},
        input=json.dumps(told) + "\n",
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in looked.stdout.splitlines()]
    return Row(OURS, tuple(each["seconds"] for each in found), min(each["seen"] for each in found))
