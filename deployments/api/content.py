"""What is deployed, in the API: images, files and releases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema

from deployments.models import FilesVersion, Image, Release
from ffsweb.accounts.models import Role
from ffsweb.rest.caller import Call
from ffsweb.rest.paging import Page, Paging, page
from ffsweb.rest.rights import needs

router = Router(tags=["content"])


class ImageShape(Schema):
    """An image of the store, for one architecture. ``image_id`` is what podman calls it; sizes in bytes."""

    id: int
    image_id: str
    manifest_digest: str
    index_digest: str
    reference: str
    architecture: str
    size: int
    came_by: str
    came_at: datetime
    created_by: str


class FilesShape(Schema):
    """A version of the project's files."""

    id: int
    number: int
    digest: str
    size: int
    created_at: datetime
    created_by: str


class ReleaseShape(Schema):
    """Image, files and settings under a number; never changed."""

    id: int
    number: int
    image: str = Field(description="Its image_id; of several architectures the main one's.")
    reference: str
    architectures: list[str]
    files: int | None
    note: str
    settings: list[str] = Field(description="Their names alone.")
    live_on: list[str] = Field(description="service@node, as the last readings proved it.")
    created_at: datetime
    created_by: str


@router.get("/projects/{project}/images", response=Page[ImageShape], summary="Images, newest first")
@needs(Role.VIEWER)
def list_images(request: Call, project: str, paging: Query[Paging]) -> dict[str, Any]:
    """One row for each architecture."""
    rows = Image.objects.filter(project=request.project).defer("layers", "config")
    return page(rows, paging, lambda row: row, newest_first=True)


@router.get("/projects/{project}/files", response=Page[FilesShape], summary="Versions of files, newest first")
@needs(Role.VIEWER)
def list_files(request: Call, project: str, paging: Query[Paging]) -> dict[str, Any]:
    """Without the files' names."""
    rows = FilesVersion.objects.filter(project=request.project).defer("manifest")
    return page(rows, paging, lambda row: row, newest_first=True)


@router.get("/projects/{project}/releases", response=Page[ReleaseShape], summary="Releases, newest first")
@needs(Role.VIEWER)
def list_releases(request: Call, project: str, paging: Query[Paging]) -> dict[str, Any]:
    """With where they are live."""
    return page(_releases(request), paging, shape, newest_first=True)


@router.get("/projects/{project}/releases/{int:number}", response=ReleaseShape, summary="One release")
@needs(Role.VIEWER)
def get_release(request: Call, project: str, number: int) -> dict[str, Any]:
    """By its number in the project."""
    return shape(get_object_or_404(_releases(request), number=number))


def shape(row: Release) -> dict[str, Any]:
    """A release; no value of a setting. No query if what is related was fetched."""
    return {
        "id": row.pk,
        "number": row.number,
        "image": row.image.image_id,
        "reference": row.image.reference,
        "architectures": list(row.architectures),
        "files": row.files.number if row.files else None,
        "note": row.note,
        "settings": sorted({*row.plain_settings, *row.sealed_settings}),
        "live_on": [str(service) for service in row.live_on.all()],
        "created_at": row.created_at,
        "created_by": row.created_by,
    }


def _releases(request: Call) -> Any:
    rows = Release.objects.filter(project=request.project).select_related("image", "files")
    return rows.defer("image__layers", "image__config", "files__manifest").prefetch_related(
        "variants", "live_on__node"
    )
