"""What was told of a certificate."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from certificates.core.expiry import Kind, Rung, Told

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


class AlertQuerySet(models.QuerySet["Alert"]):
    """Sets of alerts."""

    def change(self, alert: Alert, **values: object) -> bool:
        """Compare and swap: True if ``alert`` was as it was read, and has these values now. One query."""
        as_read = self.filter(pk=alert.pk, rung=alert.rung, is_open=alert.is_open, episode=alert.episode)
        return as_read.update(**values) == 1


class Alert(models.Model):
    """How far it went with one certificate, by kind; changed by compare-and-swap alone.

    ``rung`` only rises within an episode, so nothing is told twice. The outbox remembers the mails themselves.
    """

    certificate = models.ForeignKey(Certificate, on_delete=models.CASCADE, related_name="alerts")
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
        constraints = [models.UniqueConstraint(fields=["certificate", "kind"], name="one_alert_per_kind")]

    def __str__(self) -> str:
        return f"{self.certificate}: {self.words}"

    @property
    def words(self) -> str:
        """What was told last."""
        return WORDS[Rung(self.rung)]

    @property
    def told(self) -> Told:
        """What the policy needs to know."""
        return Told(Rung(self.rung), self.is_open, self.acknowledged_at is not None, self.snoozed_until)

    def is_snoozed(self, now: datetime) -> bool:
        """Whether somebody wants to hear of it later."""
        return self.snoozed_until is not None and now < self.snoozed_until
