"""Keys by which operators log in to the nodes of a project, and the ledger of what is where."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from deployments.core.access import bare, fingerprint
from deployments.core.access_ledger import OWED, Wanted, expect, settle
from deployments.core.layout import ADMIN_USER, DASHBOARD_USER
from ffsweb.accounts.models import Project

from .dashboard_key import DashboardKey
from .node import HostKey, Node

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from deployments.core.access import Held

LOOK_EVERY = timedelta(hours=6)
REMOVED_KEPT = 100
"""Lines about keys that are gone that are kept for each user of a node."""


class AccessKey(models.Model):
    """A key of an operator's, for the user ``core`` on every node of the project: wanted, then removed."""

    class State(models.TextChoices):
        WANTED = "wanted", "To be on every node"
        REMOVED = "removed", "To be on no node"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="access_keys")
    public_key = models.TextField(help_text="Type and base64, without a comment.")
    fingerprint = models.CharField(max_length=60, help_text="SHA256:… as ssh-keygen -l prints it.")
    comment = models.CharField(max_length=100, blank=True)
    break_glass = models.BooleanField(default=False, help_text="Never removed by the dashboard.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WANTED)
    added_at = models.DateTimeField(db_default=Now())
    added_by = models.CharField(max_length=150)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["comment", "pk"]
        constraints = [models.UniqueConstraint(fields=["project", "fingerprint"], name="one_access_key_per_project")]

    def __str__(self) -> str:
        return self.comment or self.fingerprint

    @property
    def short(self) -> str:
        """What is typed to confirm that this one is meant."""
        return self.fingerprint.removeprefix("SHA256:")[:8]

    @property
    def line(self) -> str:
        """As it stands in a file of keys."""
        return f"{self.public_key} {self.comment}".strip()


class KeyOnNode(models.Model):
    """One line of the ledger: what one key is on one node, for one user."""

    class State(models.TextChoices):
        PRESENT = "present", "On the node"
        OWED_ADD = "owed_add", "Owed: to be added"
        OWED_REMOVE = "owed_remove", "Owed: to be removed"
        REMOVED = "removed", "Removed"
        FOREIGN = "foreign", "On the node, and not known here"

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="keys")
    user = models.CharField(max_length=10)
    public_key = models.TextField()
    fingerprint = models.CharField(max_length=60)
    comment = models.CharField(max_length=100, blank=True)
    files = models.JSONField(default=list, help_text="Where it was read the last time.")
    state = models.CharField(max_length=12, choices=State.choices)
    since = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When it was last read there.")

    class Meta:
        ordering = ["user", "state", "comment", "pk"]
        constraints = [models.UniqueConstraint(fields=["node", "user", "fingerprint"], name="one_line_per_key")]

    def __str__(self) -> str:
        return f"{self.fingerprint} of {self.user} on {self.node}: {self.get_state_display()}"


class NodeAccessQuerySet(models.QuerySet["NodeAccess"]):
    """Sets of nodes, by when their keys were read."""

    def payable(self, now: datetime) -> list[NodeAccess]:
        """Those whose ``core`` is owed something, that were read since they were last tried, and whose pause is over.

        One query. A key that ``ffsweb`` is owed is nothing that these operations could bring.
        """
        owed = Q(node__keys__user=ADMIN_USER, node__keys__state__in=OWED)
        read = Q(node__readings__error="", node__readings__taken_at__gt=models.F("tried_at"))
        rows = self.filter(owed, read).distinct().select_related("node__project")
        return [row for row in rows if row.tried_at + row.pause <= now]


class NodeAccess(models.Model):
    """When a node's keys were read, and what was seen besides them."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, related_name="access")
    read_at = models.DateTimeField(null=True, blank=True)
    other_ways = models.JSONField(default=list, help_text="Settings of sshd by which keys count that nobody sees.")
    unread = models.PositiveIntegerField(default=0, help_text="Lines that are no key that is understood.")
    problem = models.TextField(blank=True, help_text="Why the keys could not be read or changed the last time.")
    tried_at = models.DateTimeField(db_default=Now())
    tries = models.PositiveIntegerField(default=0)

    objects = NodeAccessQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"Access to {self.node}"

    @property
    def pause(self) -> timedelta:
        """Before it is tried again: none at first, then from two minutes to a day."""
        return min(timedelta(minutes=2 ** min(self.tries, 20)), timedelta(days=1)) if self.tries else timedelta()


def contacted(project: Project) -> list[Node]:
    """The nodes of a project whose host key is pinned: those that can be logged in to. Two queries."""
    rows = Node.objects.filter(project=project, host_keys__kind=HostKey.Kind.PINNED).distinct()
    return list(rows.select_related("project").prefetch_related("services").order_by("name"))


def wanted_on(node: Node, user: str) -> Wanted:
    """What is wanted on a node for one user. One query."""
    if user == DASHBOARD_USER:
        rows = DashboardKey.objects.filter(node=node).values_list("public_key", "state")
        pending = frozenset(bare(line) for line, state in rows if state == DashboardKey.State.PENDING)
        return Wanted(frozenset({bare(node.public_key)}), frozenset(), pending)
    keys = AccessKey.objects.filter(project=node.project_id)
    found: dict[str, set[str]] = {state: set() for state in AccessKey.State.values}
    glass = set()
    for key, state, break_glass in keys.values_list("public_key", "state", "break_glass"):
        found[state].add(key)
        if break_glass:
            glass.add(key)
    described = {bare(line) for line in node.operator_keys.splitlines()}
    wanted = frozenset(found[AccessKey.State.WANTED])
    return Wanted(wanted, frozenset(found[AccessKey.State.REMOVED]), frozenset(described), wanted & glass)


def keep_reading(node: Node, read: dict[str, Held]) -> None:
    """Let the ledger say what was read, by user; what changed its state gets a new moment.

    Five queries a user, and two for each key that is new or changed its state or its place.
    """
    with transaction.atomic():
        Node.objects.select_for_update().filter(pk=node.pk).values_list("pk").first()
        for user, held in read.items():
            ledger = _Ledger(node, user)
            for key, state in settle(wanted_on(node, user), held, ledger.states).items():
                there = [each for each in held.keys if each.key == key] if state != KeyOnNode.State.REMOVED else []
                ledger.write(key, state, [each.file for each in there], there[0].comment if there else None)
            ledger.seen(held)
        values: dict[str, Any] = {
            "read_at": timezone.now(),
            "other_ways": sorted({way for held in read.values() for way in held.other_ways}),
            "unread": sum(held.unread for held in read.values()),
        }
        NodeAccess.objects.update_or_create(node=node, defaults=values)


def keep_wish(nodes: Iterable[Node]) -> None:
    """Let the ledger say what ``nodes`` are owed for ``core`` now, inside a transaction. A few queries for each."""
    for node in nodes:
        NodeAccess.objects.update_or_create(node=node, defaults={"tries": 0})
        ledger = _Ledger(node, ADMIN_USER)
        for key, state in expect(wanted_on(node, ADMIN_USER), ledger.states).items():
            ledger.write(key, state)


class _Ledger:
    """The lines of one user on one node."""

    def __init__(self, node: Node, user: str) -> None:
        self.node, self.user, self.now = node, user, timezone.now()
        self.rows = {row.public_key: row for row in KeyOnNode.objects.filter(node=node, user=user)}

    @property
    def states(self) -> dict[str, str]:
        """By key, as they were."""
        return {key: row.state for key, row in self.rows.items()}

    def write(self, key: str, state: str, files: list[str] | None = None, comment: str | None = None) -> None:
        """One line, if it says something new. ``files`` None: nobody looked."""
        row = self.rows.get(key)
        if row is not None and row.state == state and (files is None or files == row.files):
            return
        if row is None and comment is None:
            known = AccessKey.objects.filter(project=self.node.project_id, public_key=key).first()
            comment = known.comment if known else ""
        values: dict[str, Any] = {"state": state, "public_key": key}
        if row is None or row.state != state:
            values["since"] = self.now
        if comment is not None:
            values["comment"] = comment[:100]
        if files is not None:
            values["files"] = files
        KeyOnNode.objects.update_or_create(
            node=self.node, user=self.user, fingerprint=fingerprint(key), defaults=values
        )

    def seen(self, held: Held) -> None:
        """The moment of a reading; and a node that shows other keys each time does not fill the ledger."""
        lines = KeyOnNode.objects.filter(node=self.node, user=self.user)
        lines.filter(public_key__in={each.key for each in held.keys}).update(seen_at=self.now)
        removed = lines.filter(state=KeyOnNode.State.REMOVED).order_by("-since", "-pk")
        old = list(removed.values_list("pk", flat=True)[REMOVED_KEPT : REMOVED_KEPT + 1000])
        KeyOnNode.objects.filter(pk__in=old).delete()
