"""What the pages about registries and access tokens show."""

from __future__ import annotations

from deployments.models import Image, Plan, PushedManifest, RegistryTag, TakenUp
from deployments.services.push_policy import set_policy
from deployments.services.registry import set_login
from ffsweb.accounts import tokens
from ffsweb.accounts.models import Role
from tests.deployments.fleet import Fleet


def registry(fleet: Fleet) -> None:
    """A token that counts and one that does not, tags of two repositories, log-ins with and without TLS."""
    for name, days in (("build machine", 90), ("the old build machine", 7)):
        made = tokens.make(actor=fleet.alice, project=fleet.project, name=name, role=Role.OPERATOR, days=days)
    tokens.revoke(made.token, actor=fleet.alice)
    image = Image.objects.filter(project=fleet.project).latest("created_at")
    manifest = PushedManifest.objects.create(
        project=fleet.project, digest=f"sha256:{'5' * 64}", kept_digest=image.manifest_digest, image=image
    )
    for repository, name in (("", "1.0"), ("web/a-rather-long-name-of-a-repository", "2026-11-24.nightly")):
        RegistryTag.objects.create(project=fleet.project, repository=repository, name=name, manifest=manifest)
    _policy(fleet)
    for host, username, plain in (("registry.example.com", "robot", False), ("192.0.2.7:5000", "", True)):
        password = "swordfish" if username else ""
        set_login(
            project=fleet.project,
            actor=fleet.alice,
            host=host,
            username=username,
            password=password,
            plain_http=plain,
        )


def _policy(fleet: Fleet) -> None:
    """What it may say of an image that was pushed: waits for somebody, was not deployed, was overtaken."""
    set_policy(
        project=fleet.project,
        actor=fleet.alice,
        mode="ask",
        pattern="serbest:v*",
        services=["www"],
        tags=["eu"],
        waves="1, rest",
    )
    states = (
        ("overtaken", "serbest:v1.9.1 came before this one was begun."),
        ("not_deployed", "The plan is refused: see its red rows. Nothing was started."),
        ("asks", ""),
    )
    for image, (state, message) in zip(fleet.project.images.order_by("pk"), states, strict=False):
        TakenUp.objects.create(
            project=fleet.project,
            image=image,
            name=f"serbest:v1.9.{image.pk}",
            pushed_by="alice (build machine)",
            state=state,
            message=message,
            release=fleet.project.releases.first(),
            plan=Plan.objects.filter(project=fleet.project).first() if state == "asks" else None,
        )
