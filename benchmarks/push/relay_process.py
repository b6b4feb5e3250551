"""A relay in a process of its own, so that who is measured does not share a Python with it.

``python -m benchmarks.push.relay_process HOST PORT DELAY RATE BUFFER`` prints its port; then, for each line that it
is given, what it counted. All as JSON, a line each. It ends with its input.
"""

from __future__ import annotations

import json
import sys

from benchmarks.push.relay import Relay


def main(host: str, port: str, delay: str, rate: str, buffer: str) -> None:
    """Delay in seconds, rate in bytes a second and buffer in bytes; 0 for none."""
    with Relay((host, int(port)), delay=float(delay), rate=float(rate) or None, buffer=int(buffer) or None) as relay:
        _say(port=relay.port)
        for _ in sys.stdin:
            _say(to_node=relay.to_target.passed, from_node=relay.from_target.passed)


def _say(**values: int) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
