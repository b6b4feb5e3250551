"""What a project does with images that are pushed to it, and what became of each."""

from __future__ import annotations

from django.db import models

from deployments.core.push_policy import ASK, DEPLOY, OFF
from ffsweb.accounts.models import AccessToken, Project
from ffsweb.operations.models import Operation

from .content import Image, Release
from .plan import Plan


class PushPolicy(models.Model):
    """One project's. Without a row: off."""

    class Mode(models.TextChoices):
        OFF = OFF, "Nothing: it is among the images"
        ASK = ASK, "Make a release and a plan, and tell people that they wait"
        DEPLOY = DEPLOY, "Make a release and deploy it"

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="push_policy")
    mode = models.CharField(max_length=6, choices=Mode.choices, default=Mode.OFF)
    pattern = models.CharField(max_length=200, help_text="Of names with tags: shop:v*.")
    services = models.JSONField(default=list, help_text="Names of services; empty: all.")
    tags = models.JSONField(default=list, help_text="Tags of nodes; empty: all.")
    waves = models.CharField(max_length=400, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.project}: {self.mode}"


class TakenUp(models.Model):
    """A pushed image that the policy took up. Each image is taken up once, however often it is pushed."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        ASKS = "asks", "Waits for somebody"
        STARTED = "started", "Started"
        NOT_DEPLOYED = "not_deployed", "Not deployed"
        OVERTAKEN = "overtaken", "A newer image came"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="taken_up")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=400, help_text="Name and tag under which it was pushed.")
    token = models.ForeignKey(AccessToken, null=True, on_delete=models.SET_NULL, related_name="+")
    pushed_by = models.CharField(max_length=300)
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    message = models.CharField(max_length=500, blank=True)
    release = models.ForeignKey(Release, null=True, on_delete=models.SET_NULL, related_name="+")
    plan = models.ForeignKey(Plan, null=True, on_delete=models.SET_NULL, related_name="+")
    operation = models.ForeignKey(Operation, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["project", "image"], name="an_image_is_taken_up_once")]

    def __str__(self) -> str:
        return self.name
