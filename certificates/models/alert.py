"""What was told of a certificate, or of what a service serves."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import models

from certificates.core.expiry import Kind, Rung, Told
from ffsweb.accounts.models import Project

from .certificate import Certificate

WORDS = {
    Rung.NONE: "nothing",
    Rung.RENEWAL: "renewal does not work",
    Rung.DAYS_30: "30 days",
    Rung.DAYS_14: "14 days",
    Rung.DAYS_7: "7 days",
    Rung.DAYS_3: "3 days",
    Rung.DAYS_1: "1 day",
    Rung.EXPIRED: "expired",
}
FLAGS = {Kind.MISMATCH: "not the same", Kind.STALE: "not looked at"}
KEPT = timedelta(days=420)
"""Longer than the outbox remembers its mails: an episode that has a number again must not look like an old one."""
SUBJECT = 100
"""Characters of the name of what is no certificate of the inventory."""


class AlertQuerySet(models.QuerySet["Alert"]):
    """Sets of alerts."""

    def of(self, project: Project) -> AlertQuerySet:
        """Those of one project, with what their pages need."""
        return self.in_projects([project])

    def in_projects(self, projects: Collection[Project]) -> AlertQuerySet:
        """The same of several."""
        rows = self.filter(models.Q(project__in=projects) | models.Q(certificate__project__in=projects))
        return rows.select_related("project", "certificate__project").defer(
            "certificate__chain_pem", "certificate__sealed_key", "certificate__sealed_passphrase"
        )

    def forget_old(self, now: datetime) -> None:
        """Remove the episodes that were over long ago. Those of a certificate stay with it: they are never told
        twice."""
        self.filter(certificate=None, is_open=False, ended_at__lt=now - KEPT).delete()

    def change(self, alert: Alert, **values: object) -> bool:
        """Compare and swap: True if ``alert`` was as it was read, and has these values now. One query."""
        as_read = self.filter(pk=alert.pk, rung=alert.rung, is_open=alert.is_open, episode=alert.episode)
        return as_read.update(**values) == 1


class Alert(models.Model):
    """How far it went with one certificate of the inventory, or with one ``subject``. Changed by
    compare-and-swap alone.

    ``rung`` only rises within an episode, so nothing is told twice. The outbox remembers the mails themselves. What
    may come back (a mismatch) gets a row for each time: the rows that are over are its history.
    """

    certificate = models.ForeignKey(Certificate, null=True, on_delete=models.CASCADE, related_name="alerts")
    project = models.ForeignKey(
        Project, null=True, on_delete=models.CASCADE, related_name="+", help_text="Where there is no certificate."
    )
    subject = models.CharField(max_length=SUBJECT, blank=True, help_text="Where there is no certificate: what it is.")
    label = models.CharField(max_length=200, blank=True)
    path = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    kind = models.CharField(max_length=10, choices=[(kind.value, kind.value) for kind in Kind])
    rung = models.PositiveSmallIntegerField(default=0, help_text="The worst that was told (core.expiry.Rung).")
    episode = models.PositiveIntegerField(default=1, help_text="Counts how often it began.")
    is_open = models.BooleanField(default=False)
    told_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    snoozed_until = models.DateTimeField(null=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-is_open", "-rung", "-told_at"]
        constraints = [
            models.UniqueConstraint(fields=["certificate", "kind"], name="one_alert_per_kind"),
            models.UniqueConstraint(
                fields=["project", "subject", "kind", "episode"],
                condition=models.Q(certificate=None),
                name="one_alert_per_subject_and_episode",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.words}"

    @property
    def key(self) -> str:
        """Names what it is about, with ``kind``."""
        return self.subject or f"certificate:{self.certificate_id}"

    @property
    def name(self) -> str:
        """What it is about, in words."""
        return self.certificate.label if self.certificate else self.label

    @property
    def of_project(self) -> Project:
        """Whose it is."""
        found = self.certificate.project if self.certificate else self.project
        assert found is not None  # noqa: S101 - it has one of both
        return found

    @property
    def address(self) -> str:
        """The page of what it is about."""
        return self.certificate.get_absolute_url() if self.certificate else self.path

    @property
    def words(self) -> str:
        """What was told last."""
        return FLAGS.get(Kind(self.kind)) or WORDS[Rung(self.rung)]

    @property
    def is_bad(self) -> bool:
        """Whether it is one of the worst."""
        return self.kind == Kind.MISMATCH or self.rung >= Rung.DAYS_7

    @property
    def told(self) -> Told:
        """What the policy needs to know."""
        return Told(Rung(self.rung), self.is_open, self.acknowledged_at is not None, self.snoozed_until)

    def is_snoozed(self, now: datetime) -> bool:
        """Whether somebody wants to hear of it later."""
        return self.snoozed_until is not None and now < self.snoozed_until
