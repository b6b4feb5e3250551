"""Operations in every state, run by the engine itself, with the words and the output of real ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from django.utils import timezone

from deployments.models import Service
from ffsweb.accounts.models import User
from ffsweb.operations import claims, kinds, runner, services
from ffsweb.operations.context import Context
from ffsweb.operations.contract import Outcome, Target
from ffsweb.operations.journal import Journal
from ffsweb.operations.models import Operation, OperationTarget
from ffsweb.operations.states import State, StepState, Stream
from ffsweb.operations.writes import Line, Mark, Progress, StepWrite

HOSTILE = "<img src=x onerror=alert(1)> \x1b]0;title\x07\x1b[31mred\x1b[0m </li><script>alert(2)</script> &amp; \u202edesrever"
COLOURS = (
    "\x1b[32m✓ ready\x1b[0m in \x1b[1m1.4 s\x1b[0m",
    "\x1b[33mwarn\x1b[39m  deprecated option \x1b[3m--fast\x1b[23m",
    "\x1b[31;1merror\x1b[0m \x1b[36mGET\x1b[0m /health \x1b[41;37m 500 \x1b[0m \x1b[35mtrace=91c2\x1b[0m",
    "\x1b[2mdim\x1b[22m \x1b[4munderlined\x1b[24m \x1b[7minverse\x1b[27m \x1b[9mstruck\x1b[29m \x1b[34mblue\x1b[0m \x1b[90mgrey\x1b[0m",
    "\x1b[44;97m on blue \x1b[0m\x1b[42;30m on green \x1b[0m\x1b[43;30m on yellow \x1b[0m\x1b[47;30m on white \x1b[0m",
)
GATE = {"samples": 21, "verdict": "passed", "reasons": ["It was ready after 1.4 s.", "It stayed well for 20 s."]}
CHECKS = {
    "Reading": "The node was read within the last hour.",
    "Disk": "12.3 MB are needed; there is room.",
    "podman": "podman 5.8.2.",
}


def _steps(context: Context, *names: str) -> None:
    for target in context.operation.targets:
        context.mark(target, State.RUNNING)
        for name in names:
            with context.step(name, target) as step:
                context.log(f"{name.capitalize()}: {target.label}", target=target)
                step.evidence(
                    {"preflight": CHECKS, "gate": GATE}.get(name, {"seconds": 1.42, "already there": False})
                )
        context.progress(target, 12_300_000, 12_300_000)


def _deploy(context: Context, *, state: State, message: str) -> Outcome:
    _steps(context, "preflight", "stage")
    first = context.operation.targets[0]
    for line in (*COLOURS, HOSTILE, "a line without an end " * 40):
        context.log(line, target=first, stream="out")
    context.log("pasta: could not bind port 443", target=first, stream="err")
    if state is State.SUCCEEDED:
        _steps(context, "switch", "gate", "confirm")
        return Outcome(state, message)
    try:
        with context.step("gate", first):
            raise ValueError("The gate did not open. The service restarted 3 times within the settle window.")
    except ValueError as error:
        context.log(str(error), target=first, stream="error")
        context.mark(first, state, str(error))
    context.log("The old release is put back.", stream="warning")
    return Outcome(state, message)


def _waits(context: Context) -> Outcome:
    _steps(context, "preflight")
    context.park("bursa-1 cannot be reached; it is tried again", 3600)
    raise AssertionError("parked")


def _asks(context: Context) -> Outcome:
    _steps(context, "preflight")
    choices = {"go": "Go on", "back": "Roll back all"}
    context.ask("after wave 1", "Wave 1 of 2 runs release 3. Go on with wave 2?", choices, default="go", seconds=900)
    raise AssertionError("asking")


def _journal(context: Context) -> Outcome:
    target = context.operation.targets[0]
    for number in range(2_600):
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1_795_480_000 + number))
        context.log(f"{at} request {number} \x1b[32m200\x1b[0m in {number % 17} ms", target=target, stream="out")
    return Outcome(State.SUCCEEDED, "This is the journal as it was read.")


MESSAGES = {
    State.SUCCEEDED: "Release 3 is live on www@istanbul-1 and www@ankara-1.",
    State.FAILED: "www@istanbul-1 could not be reached: no answer at 192.0.2.11 port 22 within 15 s. Nothing was changed.",
    State.ROLLED_BACK: "The gate did not open on www@istanbul-1. All services run release 2 again.",
    State.UNKNOWN: "The node did not answer after the switch. Read it again to see what is true.",
    State.NEEDS_HANDS: "www@istanbul-1 could not be brought back. On the node: sudo ffs-node cancel --service www --op 1795480000-17",
}


def all_states(actor: User, chosen: list[Service]) -> dict[str, int]:
    """One operation in each state; their numbers by state, and that of a long journal."""
    project, targets = chosen[0].project, [Target(each.resource, str(each)) for each in chosen]
    put = partial(services.enqueue, project=project, actor=actor, params={}, plan_hash="5e" * 32)
    made: dict[str, int] = {}

    def run(name: str, work: Callable[[Context], Outcome], title: str, of: list[Target]) -> None:
        kinds.register(f"sample-{name}", work)
        made[name] = put(kind=f"sample-{name}", title=title, targets=of, holds=[]).pk
        runner.run(made[name])

    for state, message in MESSAGES.items():
        run(state, partial(_deploy, state=state, message=message), "Deploy release 3 to 2 services", targets)
    run("parked", _waits, "Deploy release 3 to www@bursa-1", targets[1:])
    run("asking", _asks, "Deploy release 3 to 2 services", targets)
    run("journal", _journal, f"Journal of {chosen[0]}", targets[:1])
    cancelled = put(kind="sample-read", title=f"Restart {chosen[1]}", targets=targets[1:], holds=[])
    services.cancel(cancelled, actor=actor)
    made["cancelled"] = cancelled.pk
    made["queued"] = put(kind="sample-read", title="Take in image: serbest-1.3.tar", targets=[], holds=[]).pk
    made["running"] = _running(
        put(
            kind="sample-read",
            title="Deploy release 3 to 2 services",
            targets=targets,
            holds=[each.resource for each in chosen],
        )
    )
    made["waiting"] = put(
        kind="sample-read", title=f"Restart {chosen[0]}", targets=targets[:1], holds=[chosen[0].resource], wait=True
    ).pk
    return made


def _running(operation: Operation) -> int:
    """An operation in the middle of its work, as a worker that is at it has left it."""
    claim = claims.claim(operation.pk, holder=claims.holder_name())
    assert claim is not None
    first = OperationTarget.objects.filter(operation=operation)[0].pk
    now = timezone.now()
    Journal(claim).write(
        [
            Mark(first, State.RUNNING),
            StepWrite("preflight", first, StepState.INTENT, now),
            StepWrite("preflight", first, StepState.DONE, now, "", CHECKS),
            StepWrite("stage", first, StepState.INTENT, now),
            Progress(first, 4_100_000, 12_300_000),
            *(Line(now, first, Stream.OUT, text) for text in COLOURS),
        ]
    )
    return operation.pk
