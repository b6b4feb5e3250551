"""One machine, and the host keys by which it is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone

from deployments.core.transfer_values import ASSUMED, Link
from ffsweb.accounts.models import Project, User

from .reading import Reading
from .searching import with_words
from .watched import Watched

BOOTSTRAP_COUNTS = timedelta(days=7)
"""How long the host key of a machine file counts; long enough to install a machine, short enough to be forgotten."""
AWAITED = 10
"""Machine files of one node whose host keys count at once; with another download the eldest is retired."""

host_name = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "Use up to 63 lower-case letters, digits and hyphens."
)


def node_key_context(public_key: str) -> str:
    """What a node's sealed private key is bound to."""
    return f"node-key:{public_key}"


class NodeQuerySet(models.QuerySet["Node"]):
    """Sets of nodes."""

    def visible_to(self, user: User) -> NodeQuerySet:
        """The nodes of the projects that ``user`` may see."""
        return self.filter(project__in=Project.objects.visible_to(user))

    def with_last_reading(self) -> NodeQuerySet:
        """Adds ``last_read_at`` and ``last_error`` of the newest reading, in the same query."""
        newest = Reading.objects.filter(node=models.OuterRef("pk")).order_by("-taken_at")
        return self.annotate(
            last_reading_id=models.Subquery(newest.values("pk")[:1]),
            last_read_at=models.Subquery(newest.values("taken_at")[:1]),
            last_error=models.Subquery(newest.values("error")[:1]),
        )

    def without_services(self, *, project: str = "", search: str = "") -> NodeQuerySet:
        """Those on which no service is described yet, filtered as the fleet board is, with their last reading."""
        nodes = self.filter(services=None).select_related("project").with_last_reading()
        if project:
            nodes = nodes.filter(project__name=project)
        nodes = nodes.filter(with_words(search, "name", "address", "project__name"))
        return nodes.order_by("project__name", "name")

    def newest_readings(self) -> dict[int, Reading]:
        """The newest reading of each of these nodes that was ever read, by the node's key. Two queries."""
        newest = Reading.objects.filter(node=models.OuterRef("pk")).order_by("-taken_at").values("pk")[:1]
        keys = self.values_list(models.Subquery(newest), flat=True)
        return {reading.node_id: reading for reading in Reading.objects.filter(pk__in=[key for key in keys if key])}


class Node(Watched):
    """A machine that runs services: its address, its dashboard key and the facts last read from it."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="nodes")
    name = models.CharField(max_length=63, validators=[host_name], help_text="Its host name.")
    address = models.CharField(max_length=255, help_text="The IP address or DNS name the dashboard connects to.")
    ssh_port = models.PositiveIntegerField(default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    tags = models.JSONField(default=list, blank=True)
    operator_keys = models.TextField(
        blank=True, help_text="SSH public keys for the user core, one a line (break-glass access)."
    )
    public_key = models.TextField(help_text="The dashboard's own SSH public key for this node.")
    sealed_private_key = models.BinaryField(help_text="Its private half, sealed for the worker.")
    created_at = models.DateTimeField(auto_now_add=True)
    bandwidth = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Bytes per second that pushes to it may send; empty for no limit."
    )
    link_rate = models.PositiveBigIntegerField(
        null=True, blank=True, editable=False, help_text="Bytes per second, measured by transfers."
    )
    link_round_trip = models.FloatField(null=True, blank=True, editable=False, help_text="Seconds.")
    strength = models.FloatField(
        null=True, blank=True, editable=False, help_text="How fast it makes images of layers, measured; 1 is usual."
    )
    link_measured_at = models.DateTimeField(null=True, blank=True, editable=False)
    pruned_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the clock last looked what it needs no more."
    )
    cordoned_at = models.DateTimeField(null=True, blank=True, editable=False)
    cordoned_by = models.CharField(max_length=150, blank=True, editable=False)
    cordon_reason = models.CharField(max_length=200, blank=True, editable=False)

    objects = NodeQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="one_node_per_name")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("deployments:node", args=[self.project.name, self.name])

    @property
    def resource(self) -> str:
        """The name under which an operation holds the node as a whole."""
        return f"node:{self.pk}"

    @property
    def cordon(self) -> str:
        """Why nothing is deployed to it, since when and by whom; "" if it is not cordoned."""
        if self.cordoned_at is None:
            return ""
        since = self.cordoned_at.astimezone(UTC)
        return f"{self.name} is cordoned by {self.cordoned_by} since {since:%Y-%m-%d %H:%M} UTC: {self.cordon_reason}"

    @property
    def link_milliseconds(self) -> str:
        """The round trip as pages show it."""
        return f"{(self.link_round_trip or 0.0) * 1000:.1f}".removesuffix(".0")

    def link(self) -> Link:
        """The connection as the last transfers found it, or as it is assumed; with the lower of the two limits."""
        limits = [limit for limit in (self.bandwidth, settings.BANDWIDTH) if limit]
        cap = min(limits, default=0)
        if not self.link_rate:
            return replace(ASSUMED, round_trip=self.link_round_trip or ASSUMED.round_trip, cap=cap)
        return Link(float(self.link_rate), self.link_round_trip or ASSUMED.round_trip, measured=True, cap=cap)

    def pins(self, now: datetime) -> list[HostKey]:
        """The host keys that count now: the pinned one, before the first contact those of machine files. 1 query."""
        keys = [key for key in self.host_keys.all() if key.kind != HostKey.Kind.RETIRED]
        pinned = [key for key in keys if key.kind == HostKey.Kind.PINNED]
        return pinned or [key for key in keys if now < key.counts_until]


class HostKey(models.Model):
    """A public host key of a node: handed out in a machine file (bootstrap) or read from the node (pinned)."""

    class Kind(models.TextChoices):
        BOOTSTRAP = "bootstrap", "From a machine file; counts until the first contact"
        PINNED = "pinned", "Pinned"
        RETIRED = "retired", "Retired"

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="host_keys")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    public_key = models.TextField(help_text="OpenSSH form: type and base64, without a comment.")
    fingerprint = models.CharField(max_length=60, help_text="SHA256:… as ssh-keygen -l prints it.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    @property
    def counts_until(self) -> datetime:
        """When a bootstrap key stops to count if its machine was not contacted before."""
        return self.created_at + BOOTSTRAP_COUNTS

    @property
    def expired(self) -> bool:
        """Whether it is a bootstrap key whose time is over."""
        return self.kind == self.Kind.BOOTSTRAP and timezone.now() >= self.counts_until
