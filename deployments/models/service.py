"""A project installed on a node under an instance name."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.urls import reverse

from deployments.core import health
from deployments.core.health_values import BOTH, DASHBOARD, NODE, HealthCheck
from deployments.core.quadlet_values import WATCHDOG_SECONDS
from ffsweb.accounts.models import Project, User

from .node import Node
from .watched import Watched

service_name = RegexValidator(
    r"^[a-z][a-z0-9-]{0,30}$", "Use up to 31 lower-case letters, digits and hyphens, beginning with a letter."
)


class Supervision(models.TextChoices):
    """Who says that the service is healthy (design: supervision modes)."""

    AUTO = "auto", "Automatic: by what the image has"
    SUPERVISOR = "supervisor", "Supervisor: mounted into the container"
    OWN = "own", "Own: the image notifies by itself"
    HEALTH = "health", "Health: podman's health check"
    NONE = "none", "None: settle window only"


class HealthFrom(models.TextChoices):
    """Where a service's health check is asked from."""

    NODE = NODE, "The node"
    DASHBOARD = DASHBOARD, "The dashboard"
    BOTH = BOTH, "Both"


class Renewal(models.TextChoices):
    """Who renews a certificate that a service serves and the inventory does not have."""

    UNSAID = "", "Not said"
    MACHINE = "machine", "The application or a machine: that it serves its own is as it should be"
    PEOPLE = "people", "Somebody, by hand"


class ServiceQuerySet(models.QuerySet["Service"]):
    """Sets of services."""

    def visible_to(self, user: User) -> ServiceQuerySet:
        """The services of the projects that ``user`` may see."""
        return self.filter(project__in=Project.objects.visible_to(user))

    def with_certificate(self) -> ServiceQuerySet:
        """Those with a certificate of the inventory, or of which somebody said that they have one of their own."""
        return self.exclude(certificate=None, own_renewal=Renewal.UNSAID)


class Service(Watched):
    """What is to run on a node, and what was last measured to run there."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="services")
    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="services")
    name = models.CharField(max_length=31, validators=[service_name], help_text="The instance name, such as www.")
    ports = models.JSONField(
        default=list, help_text='Published ports: [{"host": 443, "container": 8443, "protocol": "tcp"}].'
    )
    supervision = models.CharField(max_length=12, choices=Supervision.choices, default=Supervision.AUTO)
    probe = models.CharField(
        max_length=200,
        blank=True,
        help_text="Asked by the supervisor inside the container: http://127.0.0.1:8080/healthz, tcp:127.0.0.1:5432.",
    )
    watchdog = models.PositiveIntegerField(
        default=WATCHDOG_SECONDS, help_text="Seconds of silence after which systemd restarts it; 0: never."
    )
    start_timeout = models.PositiveIntegerField(default=120, help_text="Seconds until READY.")
    settle = models.PositiveIntegerField(default=20, help_text="Seconds that a new release has to stay well.")
    health_check = models.CharField(
        max_length=health.MAX_LINE,
        blank=True,
        help_text="Asked by the gate: https://:443/healthz, http://:8080/, tcp://:5432, command: /app/check --fast.",
    )
    health_from = models.CharField(max_length=12, choices=HealthFrom.choices, default=HealthFrom.NODE)
    certificate = models.ForeignKey(
        "certificates.Certificate", null=True, blank=True, on_delete=models.RESTRICT, related_name="services"
    )
    own_renewal = models.CharField(max_length=8, choices=Renewal.choices, default=Renewal.UNSAID, blank=True)
    desired_release = models.ForeignKey(
        "deployments.Release", null=True, blank=True, on_delete=models.SET_NULL, related_name="desired_by"
    )
    live_release = models.ForeignKey(
        "deployments.Release",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="live_on",
        help_text="What the last reading proved to run.",
    )
    unit_text = models.TextField(blank=True, help_text="The unit file that the dashboard wrote last, and confirmed.")
    stopped_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When an operator stopped it from the dashboard."
    )
    restarts_before = models.PositiveIntegerField(
        default=0, editable=False, help_text="Restarts of this release that systemd was told to forget."
    )
    restarts_reset_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ServiceQuerySet.as_manager()

    class Meta:
        ordering = ["node__name", "name"]
        constraints = [models.UniqueConstraint(fields=["node", "name"], name="one_service_per_node_and_name")]

    def __str__(self) -> str:
        return f"{self.name}@{self.node.name}"

    def get_absolute_url(self) -> str:
        """Its page. No query if node and project were selected."""
        return reverse("deployments:service", args=[self.project.name, self.node.name, self.name])

    def health(self) -> HealthCheck | None:
        """Its health check; None if it has none. Raises HealthCheckError for one that its ports no longer allow."""
        return health.health_check(self.health_check, self.health_from, health.tcp_ports(self.ports))

    @property
    def resource(self) -> str:
        """The name under which an operation holds this service."""
        return f"service:{self.pk}"
