"""Certificates in the API: what is public of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema

from certificates.models import Certificate
from ffsweb.accounts.models import Role
from ffsweb.rest.caller import Call
from ffsweb.rest.paging import Page, Paging, page
from ffsweb.rest.rights import any_token, needs

router = Router(tags=["certificates"])

_SECRET = ("sealed_key", "sealed_passphrase")


class CertificateShape(Schema):
    """One certificate of the inventory. Digests are SHA-256 in hex."""

    id: int
    project: str
    label: str
    fingerprint: str
    public_key: str
    subject: str
    issuer: str
    names: list[str]
    not_before: datetime
    not_after: datetime
    key_type: str
    source: str
    created_at: datetime
    created_by: str


class CertificateDetail(CertificateShape):
    """The same with the certificate and its issuers as PEM."""

    chain_pem: str


class Which(Paging):
    """Which certificates."""

    project: str = ""


@router.get("/certificates", response=Page[CertificateShape], summary="Certificates")
@any_token
def list_certificates(request: Call, which: Query[Which]) -> dict[str, Any]:
    """Of all projects of the token, or of one."""
    projects = request.caller.projects()
    projects = projects.filter(name=which.project) if which.project else projects
    rows = Certificate.objects.filter(project__in=projects).select_related("project").defer("chain_pem", *_SECRET)
    return page(rows, which, _shape)


@router.get("/projects/{project}/certificates/{int:certificate}", response=CertificateDetail, summary="A certificate")
@needs(Role.VIEWER)
def get_certificate(request: Call, project: str, certificate: int) -> dict[str, Any]:
    """With its chain. Private keys leave the dashboard on its pages alone."""
    rows = Certificate.objects.filter(project=request.project).select_related("project").defer(*_SECRET)
    found = get_object_or_404(rows, pk=certificate)
    return {**_shape(found), "chain_pem": found.chain_pem}


def _shape(row: Certificate) -> dict[str, Any]:
    names = ("label", "fingerprint", "public_key", "subject", "issuer", "names", "not_before", "not_after")
    more = ("key_type", "source", "created_at", "created_by")
    return {"id": row.pk, "project": row.project.name, **{name: getattr(row, name) for name in names + more}}
