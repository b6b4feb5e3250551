"""Images and files: what is there, and how more comes in."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST

from deployments.core.filecompare import compare
from deployments.core.filetree import FileTree
from deployments.forms.content import ArchiveForm
from deployments.models import FilesVersion, Image, Release
from deployments.services import content as services
from deployments.services.sizes import sizes_for
from deployments.services.uploads import UploadRefused, take_upload
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.htmx import go
from ffsweb.web.uploads import upload_view

_NUMBERS = Release.objects.only("number", "image")
"""Releases as far as the page of images tells of them."""


@upload_view
@project_view(Role.VIEWER, write=Role.OPERATOR)
@require_http_methods(["GET", "POST"])
def images(request: ProjectRequest, project: str) -> HttpResponse:
    """The project's images; POST takes an archive."""
    answer, form = _upload(request, what="image")
    rows = Image.objects.filter(project=request.project).with_shared().defer("config")
    rows = rows.prefetch_related(*(Prefetch(name, _NUMBERS) for name in ("releases", "variant_of")))
    return answer or render(
        request,
        "deployments/images.html",
        {"groups": rows.grouped(), "form": form, "sizes": sizes_for(request.project)},
        status=422 if request.method == "POST" else 200,
    )


@project_view(Role.ADMIN)
@require_POST
def remove_image(request: ProjectRequest, project: str, image: int) -> HttpResponse:
    """Forget an image that no release needs."""
    found = get_object_or_404(Image, project=request.project, pk=image)
    try:
        services.remove_image(image=found, actor=request.user, request=request)
    except services.StillNeeded as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"The image {found} was removed.")
    return go(request, "deployments:images", project=project)


@upload_view
@project_view(Role.VIEWER, write=Role.OPERATOR)
@require_http_methods(["GET", "POST"])
def files(request: ProjectRequest, project: str) -> HttpResponse:
    """The versions of the project's files; POST takes an archive."""
    answer, form = _upload(request, what="files")
    rows = FilesVersion.objects.filter(project=request.project).prefetch_related("releases").defer("manifest")
    return answer or render(
        request,
        "deployments/files.html",
        {"versions": rows, "form": form},
        status=422 if request.method == "POST" else 200,
    )


@project_view(Role.VIEWER)
def files_version(request: ProjectRequest, project: str, number: int) -> HttpResponse:
    """One version: its files, and what changed against the version before."""
    found = get_object_or_404(FilesVersion, project=request.project, number=number)
    before = FilesVersion.objects.filter(project=request.project, number__lt=number).first()
    changes = compare(before.tree() if before else FileTree(), found.tree())
    context = {"version": found, "before": before, "changes": changes}
    return render(request, "deployments/files_version.html", context)


def _upload(request: ProjectRequest, *, what: str) -> tuple[HttpResponse | None, ArchiveForm]:
    """Take the uploaded archive of a POST: a redirect to its operation, or the form with its errors."""
    if request.method != "POST":
        return None, ArchiveForm()
    form = ArchiveForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            operation = take_upload(
                project=request.project,
                what=what,
                upload=form.cleaned_data["archive"],
                actor=request.user,
                request=request,
            )
        except UploadRefused as error:
            form.add_error("archive", str(error))
        else:
            return go(request, "operations:detail", operation.pk), form
    return None, form
