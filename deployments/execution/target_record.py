"""What the journal says of one target of a deploy: how far this and earlier attempts have brought it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffsweb.operations.states import State

if TYPE_CHECKING:
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target

RAN = "ran before"
"""Under this the preflight's evidence has what systemd said of the service."""


SERVED = "served before"
"""Under this it has the fingerprint of the certificate that was served, where a rotation looked."""


class TargetRecord:
    """Answers without a query: what was done was read when the run began."""

    def __init__(self, context: Context, target: Target) -> None:
        self.context, self.target = context, target

    @property
    def staged(self) -> bool:
        """Whether this or an earlier attempt has everything on the node: from then on it may have switched."""
        return self.context.done("stage", self.target) is not None

    @property
    def confirmed(self) -> bool:
        """Whether this or an earlier attempt told the node that the new unit stays."""
        return self.context.done("confirm", self.target) is not None

    @property
    def left_out(self) -> dict[str, Any]:
        """Evidence that the target takes no part, because its node could not be reached at the beginning; or {}."""
        return self.context.done("leave out", self.target) or {}

    @property
    def given_up(self) -> dict[str, Any]:
        """Evidence that the target failed and goes back alone (why, wave, then); or {}."""
        return self.context.done("give up", self.target) or {}

    @property
    def gone_back(self) -> bool:
        """Whether this or an earlier attempt brought the old unit back."""
        return self.context.done("go back", self.target) is not None

    @property
    def proven(self) -> bool:
        """Whether a reading after the confirmation showed what was deployed, in this or an earlier attempt."""
        return self.context.done("prove", self.target) is not None

    @property
    def was_well(self) -> bool:
        """Whether the old release ran when the deploy began."""
        before = self.context.done("preflight", self.target) or {}
        return str(before.get(RAN, "")).startswith("active")

    @property
    def served_before(self) -> str:
        """Fingerprint of the certificate that was served when a rotation began; "" if nobody looked or saw none."""
        return str((self.context.done("preflight", self.target) or {}).get(SERVED, ""))

    def leave_out(self, why: str) -> None:
        """From now on the operation goes on without this target."""
        self.context.log(f"It is left out: {why}", target=self.target, stream="warning")
        with self.context.step("leave out", self.target) as step:
            step.evidence({"why": why})
        self.context.mark(self.target, State.CANCELLED, f"Left out: {why}")

    def give_up(self, why: str, wave: int, then: str) -> None:
        """From now on this target goes back alone; ``then`` is what follows for the others."""
        with self.context.step("give up", self.target) as step:
            step.evidence({"why": why, "wave": wave, "then": then})

    def proven_now(self, news: str) -> None:
        """A reading has just shown what was deployed; ``news``: that, in words."""
        with self.context.step("prove", self.target):
            self.context.mark(self.target, State.SUCCEEDED, f"{news}.")
