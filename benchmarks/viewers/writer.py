"""A process that runs one operation as a worker does, and writes down when each of its commits was done.

Prints the operation's number, waits for a line on standard input, runs, and prints the commits and where the bursts
begin, as JSON. Times are those of CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from ffsweb.runtime.loading import load_django

if TYPE_CHECKING:
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Outcome

KIND, RATE = "benchmark-lines", 20.0
TEXT = "\x1b[32mline\x1b[0m {}: copying blob sha256:0123456789ab of docker.io/library/python, 12.3 MB of 45.6 MB"


def main(seconds: float, bursts: int, size: int) -> None:
    """The operation's life. ``bursts`` of ``size`` lines, a second apart, follow ``seconds`` of RATE lines each."""
    load_django("worker")
    from django.db import connections

    from ffsweb.accounts.models import Project
    from ffsweb.operations import ending, kinds, runner, services, wakeup

    commits: list[tuple[float, int]] = []
    publish = wakeup.publish

    def noted(operation_id: int) -> None:
        at = time.monotonic()
        publish(operation_id)
        commits.append((at, ending.last_number(operation_id)))

    wakeup.publish = noted
    begins: list[int] = []

    def say(context: Context) -> Outcome:
        from ffsweb.operations.contract import Outcome

        began, said = time.monotonic(), 0
        while time.monotonic() < began + seconds:
            context.log(TEXT.format(said), stream="out")
            said += 1
            time.sleep(max(0.0, began + said / RATE - time.monotonic()))
        time.sleep(1.0)
        begins.append(commits[-1][1] + 1)
        for _ in range(bursts):
            for _ in range(size):
                context.log(TEXT.format(said), stream="out")
                said += 1
            time.sleep(1.0)
        return Outcome("succeeded", "All is said.")

    kinds.register(KIND, say)
    operation = services.enqueue(
        kind=KIND, project=Project.objects.get(), actor=None, title="Lines", params={}, targets=[], holds=[]
    )
    connections.close_all()
    print(operation.pk, flush=True)
    sys.stdin.readline()
    runner.run(operation.pk)
    print(json.dumps({"commits": commits, "bursts": begins[0]}), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
