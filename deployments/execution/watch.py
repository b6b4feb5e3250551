"""Watching a service that was switched, until the gate has a verdict."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from deployments.core import node_commands
from deployments.core.gates import FAILED, PASSED, GateSpec, Sample, Verdict, judge, to_be_probed
from deployments.execution.errors import NODE_ERRORS
from deployments.execution.probing import probed

if TYPE_CHECKING:
    from deployments.execution.conversation import Conversation
    from ffsweb.operations.context import Context

SAMPLE_EVERY = 1.0
JOURNAL_LINES = 30


def watch(context: Context, line: Conversation, service: str, spec: GateSpec) -> tuple[Verdict, int]:
    """Read ``service`` about once a second until the verdict is final; the verdict, and the number of samples.

    A node that cannot be read for a while is no verdict: the deadlines of ``spec`` decide. Raises what ends the run.
    """
    samples: list[Sample] = []
    verdict = judge(spec, samples, time.monotonic())
    while verdict.state not in {PASSED, FAILED}:
        context.checkpoint()
        _sample(context, line, service, spec, samples)
        verdict = judge(spec, samples, time.monotonic())
        if verdict.state not in {PASSED, FAILED}:
            context.stop.wait(SAMPLE_EVERY)
    return verdict, len(samples)


def show_journal(line: Conversation, service: str) -> None:
    """The evidence: what the service itself said, into the log."""
    try:
        line.program().ask(
            node_commands.logs(service, lines=JOURNAL_LINES),
            tell=lambda event: line.log(getattr(event, "text", ""), "out"),
        )
    except NODE_ERRORS as error:
        line.log(f"Its journal could not be read: {error}", "warning")


def _sample(context: Context, line: Conversation, service: str, spec: GateSpec, samples: list[Sample]) -> None:
    try:
        facts, _ = line.program().facts((service,))
    except NODE_ERRORS as error:
        context.checkpoint()
        line.log(f"The node could not be read: {error}", "warning")
        line.close()
        return
    found = facts.service(service)
    if found is not None:
        sample = Sample.of(found, time.monotonic())
        if to_be_probed(spec, sample):
            sample = replace(sample, probes=probed(context, line, service, spec))
        samples.append(sample)
