"""A kind of operation whose log grows as a test wants it: the worker reads what to say from a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ffsweb.accounts.models import Project, User
from ffsweb.operations.context import Context
from ffsweb.operations.contract import Outcome, Target
from ffsweb.operations.services import enqueue
from ffsweb.operations.states import State

KIND, END = "sample-script", "THE END"


def follow(context: Context) -> Outcome:
    """Say each line of the script, as it comes, until the one that ends it."""
    target = context.operation.targets[0]
    with context.step("follow", target) as step:
        said = 0
        for line in _lines(context, Path(context.operation.params["script"])):
            context.log(line, target=target, stream="out")
            said += 1
        step.evidence({"lines": said})
    return Outcome(State.SUCCEEDED, "The script is at its end.")


def _lines(context: Context, script: Path) -> Iterator[str]:
    rest = ""
    with script.open(encoding="utf-8", newline="\n") as stream:
        while True:
            *whole, rest = (rest + stream.read()).split("\n")
            for line in whole:
                if line == END:
                    return
                yield line
            context.checkpoint()
            context.stop.wait(0.05)


def begin(scripts: str, title: str) -> None:
    """Ask for an operation that follows a script named ``title``; prints its number. For a process of the installation."""
    script = Path(scripts) / title
    script.touch()
    operation = enqueue(
        kind=KIND,
        project=Project.objects.get(),
        actor=User.objects.get(username="alice"),
        title=title,
        params={"script": str(script)},
        targets=[Target("service:1", "www@node-a")],
        holds=[],
    )
    print(operation.pk)
