"""What all parts of one run share: the children, the rules, and whether and how it ends."""

from __future__ import annotations

import selectors
import signal
import time
from collections.abc import Sequence

from deployments.nodekit.supervisor.child import Child
from deployments.nodekit.supervisor.spec import Policy, Spec
from deployments.nodekit.supervisor.telling import Notifier, Say


class Course:
    """One run. ``single``: of one program, whose end is the end of the run."""

    def __init__(self, specs: Sequence[Spec], policy: Policy, say: Say, notifier: Notifier, *, single: bool) -> None:
        self.policy, self.say, self.notifier, self.single = policy, say, notifier, single
        self.selector = selectors.DefaultSelector()
        self.children = {spec.name: Child(spec) for spec in specs}
        self.signal = int(signal.SIGTERM)  # what the programs are asked to end by
        self.stopping, self.asked = False, 0.0  # when the end began, by the monotonic clock
        self.code, self.verdict = 0, ""

    @property
    def over(self) -> bool:
        """Whether the run is at its end."""
        return self.stopping and all(child.over for child in self.children.values())

    def last(self, child: Child) -> bool:
        """Whether no other is left that was started after it because it needs it."""
        return all(other.over for other in self.children.values() if child.spec.name in other.spec.after)

    def stop(self, why: str) -> None:
        """Begin to end everything."""
        self.say("", why)
        self.stopping, self.asked = True, time.monotonic()
        self.notifier.send("STOPPING", "1")
