"""A conversation with ``ffs-node``: a command goes out, its output goes into the log, an answer comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from deployments.core import layout
from deployments.core.facts import NodeFacts, facts_of
from deployments.core.node_argv import Argv
from deployments.core.node_commands import facts
from deployments.core.node_events import Answer, BadAnswer, Event, Log, last_answer, parse_event
from ffsweb.remote import Command, Line, Session

if TYPE_CHECKING:
    from ffsweb.remote.values import Stdin

SHORT = 30.0
LONG = 3600.0
"""Seconds for a question, and for work whose length depends on bytes; a stop ends either at once."""
FACTS_BYTES = 8 * 1024 * 1024

Tell = Callable[[Event], None]
OnText = Callable[[str, str], None]
"""Called with a text and a stream of the operation's log."""


class NodeProgram:
    """``ffs-node`` over one connection. ``log`` takes what it prints; ``stop`` ends a command that runs."""

    def __init__(self, session: Session, *, log: OnText, stop: threading.Event) -> None:
        self.session = session
        self._log = log
        self.stop = stop

    def over(self, session: Session) -> NodeProgram:
        """The same conversation over another connection."""
        return NodeProgram(session, log=self._log, stop=self.stop)

    def ask(
        self, argv: Argv, *, stdin: Stdin = None, timeout: float | None = SHORT, tell: Tell | None = None
    ) -> Answer:
        """Run one verb and return its successful answer. Two round trips and the verb's own time.

        Raises Refused (the node said no, and why), BadAnswer, and RemoteError. ``tell`` is given every event but the
        log lines, which go to the log.
        """
        result = self.session.run(
            Command(argv, stdin=stdin, timeout=timeout),
            on_line=lambda line: self._take(line, tell),
            stop=self.stop,
        )
        if not result.out.strip() and not result.ok:
            raise BadAnswer(_no_answer(result.exit_status, result.err))
        return last_answer(result.out).check()

    def facts(self, services: tuple[str, ...] = ()) -> tuple[NodeFacts, dict[str, object]]:
        """The node's facts, checked, and as they came (for a stored reading). One command, below a second."""
        answer = self.facts_answer(services)
        return facts_of(answer), dict(answer.fields)

    def facts_answer(self, services: tuple[str, ...] = ()) -> Answer:
        """The same before anybody looked at it: another protocol may have another form."""
        result = self.session.run(Command(facts(services), timeout=SHORT), stop=self.stop, keep=FACTS_BYTES)
        if not result.out.strip():
            raise BadAnswer(_no_answer(result.exit_status, result.err))
        return last_answer(result.out).check()

    def _take(self, line: Line, tell: Tell | None) -> None:
        if line.stream == "err":
            self._log(line.text, "err")
            return
        try:
            event = parse_event(line.text)
        except BadAnswer:
            # A line that is cut in pieces because it is too long, or words of somebody else's: shown, not believed.
            self._log(line.text[:500], "out")
            return
        if isinstance(event, Log):
            self._log(event.text, "out")
        elif event is not None and tell is not None:
            tell(event)


def _no_answer(status: int, err: str) -> str:
    said = err.strip()[-400:]
    # Both are sudo's words (sudo 1.9, plugins/sudoers/sudoers.c).
    if status == 127 or "command not found" in said:
        return f"The node has no {layout.NODE_PROGRAM}. Nothing was changed. Install the machine from its file."
    if "sudo" in said or "password is required" in said:
        return (
            "The user ffsweb may not run ffs-node by sudo on this node. Nothing was changed. Check the file "
            f"{layout.SUDO_RULE} there, or install the machine anew from its file."
        )
    return f"ffs-node gave no answer (status {status}). {said}".strip()
