"""Releases, plans and deploys, as programs make them."""

from __future__ import annotations

from typing import Any, Literal

from django.shortcuts import get_object_or_404
from ninja import Field, Router, Schema

from certificates.models import Certificate
from deployments.api import content, instances, plans
from deployments.forms.content import ReleaseForm
from deployments.forms.rollout import RolloutForm
from deployments.models import Image, Release, Service
from deployments.models.going_back import offered
from deployments.services import deploys
from deployments.services.releases import Gone, make_release
from ffsweb.accounts.models import Role
from ffsweb.rest.caller import Call
from ffsweb.rest.checking import Body, checked
from ffsweb.rest.operation_shapes import OperationShape
from ffsweb.rest.operation_shapes import shape as operation_shape
from ffsweb.rest.paging import LARGEST
from ffsweb.rest.rights import needs
from ffsweb.web.problems import Problem

router = Router()


class NewRelease(Body):
    """What a release is made of, beside the settings of the moment."""

    image: str = Field(description="The image_id, or the name (newest of that name) of an image of the project.")
    files: int | None = Field(None, ge=1, le=LARGEST, description="Number of a version of files; null: none.")
    note: str = Field("", max_length=255)


class RolloutChoice(Body):
    """How it goes out; what is left out is as on the page."""

    waves: str = Field("", max_length=400, description="Such as “1, 25%, rest”; empty: all together.")
    between: Literal["go", "pause", "ask"] = "go"
    pause: int | None = Field(None, description="Minutes.")
    tolerated: int = 0
    on_failure: Literal["back", "hold", "on"] = "back"
    offline: Literal["fail", "skip", "owe"] = "fail"


class NewPlan(Body):
    """What is to be deployed where; with ``certificate`` a rotation to it, of services with this live release."""

    release: int = Field(ge=1, le=LARGEST)
    services: list[str] = Field(min_length=1, max_length=1000, description="service@node")
    rollout: RolloutChoice = RolloutChoice()
    kind: Literal["deploy", "rotate", "rotate-file"] = "deploy"
    certificate: int | None = Field(None, ge=1, le=LARGEST, description="Of a rotation: the new certificate's id.")


class Start(Body):
    """What one knows who puts a plan to work."""

    aware: bool = Field(default=False, description="Its warnings are known.")
    wait: bool = Field(default=False, description="Wait for what others have, instead of 409.")


class WayBackShape(Schema):
    """A release that the service can have. ``present``: all of it is on the node; null: it is not older."""

    release: int
    note: str
    live: bool
    present: bool | None
    lacking: str


@content.router.post(
    "/projects/{project}/releases", response={201: content.ReleaseShape}, tags=["content"], summary="Make a release"
)
@needs(Role.OPERATOR)
def make_a_release(request: Call, project: str, sent: NewRelease) -> dict[str, Any]:
    """Of an image, a version of files, and the settings of the moment."""
    files = request.project.files_versions.filter(number=sent.files).first() if sent.files else None
    if sent.files and files is None:
        raise Problem(422, f"There are no files {sent.files}. Nothing was done.")
    form = ReleaseForm(
        {"image": _image(request, sent.image).pk, "files": files.pk if files else "", "note": sent.note},
        project=request.project,
    )
    checked(form)
    try:
        made = make_release(project=request.project, actor=request.user, request=request, **form.cleaned_data)
    except Gone as gone:
        raise Problem(409, str(gone)) from gone
    return content.get_release(request, project, made.number)


@router.post("/projects/{project}/plans", response={201: plans.PlanShape}, tags=["plans"], summary="Make a plan")
@needs(Role.OPERATOR)
def make_plan(request: Call, project: str, sent: NewPlan) -> dict[str, Any]:
    """From the last readings; no node is asked and nothing is changed."""
    release = get_object_or_404(Release, project=request.project, number=sent.release)
    form = RolloutForm(sent.rollout.dict())
    checked(form)
    certificate = None
    if sent.kind != "deploy":
        rows = Certificate.objects.filter(project=request.project)
        certificate = rows.filter(pk=sent.certificate or 0).first()
        if certificate is None:
            raise Problem(422, "A rotation takes the id of a certificate of this project. No plan was made.")
    try:
        plan = deploys.preview(
            release=release,
            services=_services(request, sent.services),
            actor=request.user,
            rollout=form.cleaned_data["rollout"],
            kind=sent.kind,
            certificate=certificate,
        )
    except deploys.NotPossible as error:
        raise Problem(409, str(error)) from error
    return plans.shape(plan)


@router.post(
    "/projects/{project}/plans/{plan}/deploy",
    response={202: OperationShape},
    tags=["plans"],
    summary="Put a plan to work",
)
@needs(Role.OPERATOR)
def deploy_plan(request: Call, project: str, plan: str, sent: Start) -> dict[str, Any]:
    """Starts an operation that does exactly what the plan of this hash shows."""
    found = plans.find_plan(request, plan)
    if plans.shape(found)["warnings"] and not sent.aware:
        raise Problem(409, "Nothing was started. The plan warns: read it, and say “aware” if you know of what.")
    try:
        made = deploys.request_deploy(plan=found, actor=request.user, wait=sent.wait, request=request)
    except deploys.Refused as error:
        raise Problem(409, str(error)) from error
    return operation_shape(made)


@router.get(
    "/projects/{project}/nodes/{node}/services/{service}/releases",
    response=list[WayBackShape],
    tags=["services"],
    summary="Releases that a service can have",
)
@needs(Role.VIEWER)
def list_ways_back(request: Call, project: str, node: str, service: str) -> list[dict[str, Any]]:
    """Newest first; those older than the live one with whether all of it is on the node still."""
    found = instances.find_service(request, node, service)
    return [
        {
            "release": release.number,
            "note": release.note,
            "live": release.pk == found.live_release_id,
            "present": way.present if way else None,
            "lacking": way.words if way and not way.present else "",
        }
        for release, way in offered(found, found.node.readings.first())
    ]


def _image(request: Call, name: str) -> Image:
    rows = Image.objects.filter(project=request.project).defer("layers", "config")
    found = None
    if "\0" not in name:
        found = rows.filter(image_id=name).first() or rows.filter(reference=name).order_by("-came_at").first()
    if found is None:
        raise Problem(422, f"The project has no image {name[:300]!r}. Nothing was done.")
    return found


def _services(request: Call, names: list[str]) -> list[Service]:
    rows = Service.objects.filter(project=request.project).select_related("node")
    known = {str(row): row for row in rows}
    odd = [name for name in names if name not in known]
    if odd:
        raise Problem(422, f"There is no service {odd[0][:120]!r} in {request.project}. No plan was made.")
    return [known[name] for name in dict.fromkeys(names)]
