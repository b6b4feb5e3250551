"""``rotate-ssh``: a node gets a new key of the dashboard's, and the old one is removed and seen to be refused.

At every moment the node takes the key that its row names: the new one becomes that only after it was used, alone and
on a connection of its own, and the old one goes only after that, with any that the dashboard does not know. So a run
may be killed anywhere; the next one goes on from what the rows and the node say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from deployments.core import access
from deployments.core.layout import DASHBOARD_USER
from deployments.core.node_events import AnswerError
from deployments.execution import first_contact, readings
from deployments.execution.connection import NodeLogin
from deployments.execution.errors import NODE_ERRORS, Offline, TargetFailed
from deployments.execution.node_keys import remove_strangers
from deployments.execution.small import program_for
from deployments.execution.targets import node_of
from deployments.models import DashboardKey, OwedRotation
from deployments.models.dashboard_key import owe_rotation
from deployments.models.node import node_key_context
from ffsweb.remote import AuthRefused, ConnectionLost, Deadline, RemoteError, Unreachable, keys
from ffsweb.web.keys import worker_sealer

if TYPE_CHECKING:
    from deployments.models import Node
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target
    from ffsweb.remote import Session

AWAY = (Unreachable, ConnectionLost, Deadline)
UPGRADE = "Its ffs-node knows nothing of access keys: upgrade it on the node's page first."
STAYS = "The old key stays in use, and nothing was removed."
IN_USE = "The new key is in use and works."


def rotate_node(context: Context, target: Target) -> str:
    """One node, to the end: what is true of it then. A rotation that was begun before is finished, without another.

    Raises TargetFailed; Offline if nothing was begun because the node is away.
    """
    node = node_of(target)
    if first_contact.needed(node):
        raise TargetFailed(f"There was no first contact with {node} yet. Make it on the node's page first.")
    rotation = _Rotation(context, target, node)
    if not DashboardKey.objects.unfinished(node).exists() and not rotation.proven:
        rotation.bring_in()
    return rotation.clear_out()


class _Rotation:
    """The steps of one node, in the order of their methods."""

    def __init__(self, context: Context, target: Target, node: Node) -> None:
        self.context, self.target, self.node = context, target, node

    @property
    def proven(self) -> bool:
        """Whether this operation, in an earlier attempt, has seen the node refuse what it replaced."""
        rows = DashboardKey.objects.filter(node=self.node, operation=self.context.operation.id)
        return rows.exclude(state=DashboardKey.State.PENDING).exists()

    def bring_in(self) -> None:
        """A new key, on the node and proven there, becomes the active one."""
        try:
            pending = self._make()
            self.context.checkpoint()
            self._add(pending)
            self._prove(pending)
        except NODE_ERRORS as error:
            self.context.checkpoint()
            raise TargetFailed(self._words(error, STAYS)) from error
        with self.context.step("switch", self.target) as step:
            if not pending.take_over(self.node, operation=self.context.operation):
                raise TargetFailed(f"Somebody else changed the keys of {self.node} meanwhile. {STAYS}")
            step.evidence({"active": access.fingerprint(pending.public_key)})
        self.node = node_of(self.target)

    def clear_out(self) -> str:
        """Every key but the active one is removed, what it replaced is refused; the active one reads the node."""
        old = list(DashboardKey.objects.unfinished(self.node))
        try:
            besides = self._remove(old)
            for key in old:
                self._refused(key)
        except NODE_ERRORS as error:
            self.context.checkpoint()
            in_use = "" if isinstance(error, AuthRefused) else f"{IN_USE} "
            text = self._words(error, f"{in_use}The old key was not seen to be refused yet.")
            if isinstance(error, AWAY):
                owe_rotation(self.node, operation=self.context.operation, problem=text)
                text = f"{text} This is finished by itself when the node answers."
            else:
                OwedRotation.objects.filter(node=self.node).delete()
            raise TargetFailed(text) from error
        except TargetFailed:
            OwedRotation.objects.filter(node=self.node).delete()
            raise
        OwedRotation.objects.filter(node=self.node).delete()
        now = f"{self.node} takes the key {access.fingerprint(self.node.public_key)}, and the old one no more."
        return " ".join(said for said in (now, besides, self._read()) if said)

    def _make(self) -> DashboardKey:
        with self.context.step("make key", self.target) as step:
            pending = DashboardKey.objects.filter(node=self.node, state=DashboardKey.State.PENDING).first()
            if pending is None:
                private, line = keys.generate(comment=f"ffsweb {self.node.project.name} {self.node.name}")
                pending = DashboardKey.objects.create(
                    node=self.node,
                    state=DashboardKey.State.PENDING,
                    public_key=line,
                    sealed_private_key=worker_sealer().seal(private, node_key_context(line)),
                    operation=self.context.operation.id,
                )
            step.evidence({"new": access.fingerprint(pending.public_key)})
        return pending

    def _add(self, pending: DashboardKey) -> None:
        with self.context.step("add", self.target) as step, self._any_way_in(pending) as session:
            program = program_for(self.context, self.target, session)
            line = pending.public_key
            answer = program.ask(access.add_key(self.context.fence, DASHBOARD_USER), stdin=access.add_input(line))
            step.evidence({"new": access.fingerprint(line), "added": answer.flag("added")})

    def _any_way_in(self, pending: DashboardKey) -> Session:
        """By the active key; where the node does not take it (it was put back to an older state, or somebody tidied
        up), by any other that the dashboard still has."""
        refused: RemoteError | None = None
        retired = DashboardKey.objects.filter(node=self.node, state=DashboardKey.State.RETIRED)
        for key in (None, pending, *retired):
            try:
                session = NodeLogin(self.node, key).connect(stop=self.context.stop)
            except AuthRefused as error:
                refused = refused or error
                continue
            except AWAY as error:
                self.context.checkpoint()
                if refused is not None:
                    raise
                raise Offline(f"{error} Nothing was begun.") from error
            if key is not None:
                name = access.fingerprint(key.public_key)
                text = f"The node refuses the key in use, but takes {name}, which the dashboard has as well."
                self.context.log(text, target=self.target, stream="warning")
            return session
        raise refused or AssertionError("there is always the active key")

    def _prove(self, pending: DashboardKey) -> None:
        with self.context.step("prove new key", self.target) as step:
            with NodeLogin(self.node, pending).connect(stop=self.context.stop) as session:
                program = program_for(self.context, self.target, session)
                answer = program.ask(access.list_keys(DASHBOARD_USER))
            held = access.held(answer)
            if not held.holds(access.bare(pending.public_key)):
                raise TargetFailed(f"The node took the new key, but does not show it among its keys. {STAYS}")
            step.evidence({"files": list(held.files_of(access.bare(pending.public_key)))})

    def _remove(self, old: list[DashboardKey]) -> str:
        """What went besides, or could not be read, in words."""
        with (
            self.context.step("remove old key", self.target) as step,
            NodeLogin(self.node).connect(stop=self.context.stop) as session,
        ):
            program = program_for(self.context, self.target, session)
            for key in old:
                stdin = access.remove_input(key.public_key, mine=self.node.public_key)
                answer = program.ask(access.remove_key(self.context.fence, DASHBOARD_USER), stdin=stdin)
                step.evidence({access.fingerprint(key.public_key): answer.number("removed")})
            cleared = remove_strangers(program, self.node, self.context.fence)
            step.evidence({"not known here": {name: list(files) for name, files in cleared.removed.items()}})
        for sentence in cleared.each:
            self.context.log(sentence, target=self.target, stream="warning")
        return str(cleared)

    def _refused(self, key: DashboardKey) -> None:
        name = access.fingerprint(key.public_key)
        with self.context.step("prove old key refused", self.target) as step:
            try:
                NodeLogin(self.node, key).connect(stop=self.context.stop).close()
            except AuthRefused:
                step.evidence({"refused": name})
            else:
                raise TargetFailed(
                    f"The node still takes the old key {name}, though no file that sshd reads holds it. {IN_USE} See "
                    "on its page by which other ways its sshd takes keys, and rotate again when that is put right."
                )
            DashboardKey.objects.filter(pk=key.pk, refused_at=None).update(refused_at=timezone.now())

    def _read(self) -> str:
        """By the new key, once more; why not, if the node went away. Raises TargetFailed if it is refused."""
        with self.context.step("read", self.target) as step:
            taken = readings.take(NodeLogin(self.node), stop=self.context.stop)
            self.context.checkpoint()
            readings.store(taken)
            if not taken.error:
                return ""
            step.evidence({"error": taken.error})
            try:
                NodeLogin(self.node).connect(stop=self.context.stop).close()
            except AWAY:
                pass
            except NODE_ERRORS as error:
                self.context.checkpoint()
                raise TargetFailed(f"The old key was removed, but now the new one is refused too. {error}") from error
        return f"It could not be read after that. {taken.error}"

    def _words(self, error: Exception, rest: str) -> str:
        if isinstance(error, AnswerError) and access.too_old(error):
            return f"{UPGRADE} {rest}"
        return f"{error} {rest}"
