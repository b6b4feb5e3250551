"""What proves that a deploy has done its work: a reading of each node after its confirmation, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from deployments.execution import readings
from deployments.execution.errors import TargetFailed
from deployments.models import Service
from deployments.models.had import note_change
from ffsweb.operations.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deployments.execution.deploy_target import DeployTarget
    from deployments.execution.target_set import Results, TargetSet
    from deployments.models import Release
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target


class Proof:
    """Reads and judges the services of one deploy. ``fresh``: the targets whose reading is the last one needed."""

    def __init__(self, context: Context, targets: TargetSet, release: Release) -> None:
        self.context, self.targets, self.release = context, targets, release
        self.fresh: set[Target] = set()

    def of_wave(self, targets: Iterable[Target], *, last: bool) -> Results:
        """Read what a wave confirmed: from now on the rows say that it runs. What is not proven, by target.

        A node that cannot be read has failed as long as others wait for it. In the last wave nobody does: then
        nothing is known of it, which is for the end of the operation to say.
        """
        chosen = tuple(targets)
        unread = self.targets.read(chosen) if chosen else {}
        failed: Results = {}
        for target in chosen:
            if target in unread:
                if not last:
                    failed[target] = TargetFailed("It could not be read after its confirmation.")
            elif not self.shown_by(self.targets[target]):
                failed[target] = TargetFailed(f"The reading after its confirmation does not show {self.what}.")
            else:
                self.targets[target].proven_now(self.news)
        self.fresh = {target for target in chosen if last and target not in unread}
        for target, error in failed.items():
            self.context.log(str(error), target=target, stream="error")
        return failed

    def read_all(self) -> Results:
        """A last reading of all that took part, but for what was read a moment ago; what could not be read."""
        return self.targets.read(target for target in self.targets.taking_part if target not in self.fresh)

    def shown_by(self, run: DeployTarget) -> bool:
        """Whether the last reading shows what was deployed, running; then the rows say so. Four queries."""
        found = run.last.service(run.service.name) if run.last else None
        if run.rotation and (found is None or found.certificate != run.wanted.certificate):
            return False
        return run.last is not None and readings.prove_live(
            run.service,
            run.last,
            release_id=self.release.pk,
            image_id=run.wanted.image_id,
            number=self.release.number,
        )

    def keep(self, target: Target) -> None:
        """Let the row say what was proven: only now does a rotated service have its new certificate."""
        run = self.targets[target]
        values: dict[str, object] = {"unit_text": run.unit}
        if run.rotation:
            values["certificate"] = run.rotation.certificate
        Service.objects.filter(pk=run.service.pk).update(**values)
        changed = run.planned.certificate
        note_change(run.service, old=changed.old, new=changed.new, at=timezone.now())
        self.context.mark(target, State.SUCCEEDED, f"{self.news}.")

    @property
    def news(self) -> str:
        """What is true of a service that was proven."""
        rotation = self.targets.rotation
        if rotation:
            return f"The certificate {rotation.certificate} is in place"
        return f"Release {self.release.number} is live"

    @property
    def what(self) -> str:
        """What a reading has to show."""
        return "the new certificate" if self.targets.rotation else f"release {self.release.number}"
