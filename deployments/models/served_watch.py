"""What is remembered of the certificate that a service serves, from look to look."""

from __future__ import annotations

from typing import Any

from django.db import models

from deployments.core.served_alarm import Watched

_FIELDS = ("wrong_since", "wrong_at", "wrong", "pending", "unseen_since", "unseen")


class ServedWatch(models.Model):
    """Since when something is wrong with what a service serves, and the certificate that was seen last.

    ``Served`` is what one look showed, and goes whenever it may have changed; this stays.
    """

    service = models.OneToOneField("deployments.Service", on_delete=models.CASCADE, related_name="served_watch")
    wrong_since = models.DateTimeField(null=True, help_text="Since when it serves another one than it should.")
    wrong_at = models.DateTimeField(null=True, help_text="When that was seen last.")
    wrong = models.CharField(max_length=600, blank=True)
    pending = models.BooleanField(default=False, help_text="Another one was chosen, and not deployed.")
    unseen_since = models.DateTimeField(null=True, help_text="Since when nobody could see what it serves.")
    unseen = models.CharField(max_length=600, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True, help_text="The certificate that was seen last.")
    first_seen_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True, help_text="Empty: not known.")
    not_after = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"what was seen of {self.service}"

    @property
    def watched(self) -> Watched:
        """What the policy needs to know."""
        return Watched(self.wrong_since, self.wrong_at, self.wrong, self.pending, self.unseen_since, self.unseen)

    def store(self, watched: Watched, **seen: Any) -> None:
        """Keep ``watched`` and what was ``seen``, unless another worker was faster. No query if nothing is new."""
        new: dict[str, Any] = {name: getattr(watched, name) for name in _FIELDS} | seen
        changed = {name: value for name, value in new.items() if getattr(self, name) != value}
        if not changed:
            return
        if self.pk is None:
            type(self).objects.get_or_create(service=self.service, defaults=new)
            return
        as_read = {name: getattr(self, name) for name in _FIELDS}
        type(self).objects.filter(pk=self.pk, **as_read).update(**changed)
