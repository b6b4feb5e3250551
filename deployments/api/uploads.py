"""Uploads of programs: the tus protocol of the pages with a token, and the sum that ends one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from ninja import Field, Router, Schema

from deployments.oci.partfile import PartFileError
from deployments.services import resumable
from deployments.services.uploads import UploadRefused
from deployments.views import tus
from deployments.views import uploads as pages
from ffsweb.accounts.access import token_view
from ffsweb.accounts.models import Role
from ffsweb.rest.caller import Call
from ffsweb.rest.checking import Body
from ffsweb.rest.rights import Needs, admitting, needs, unstored
from ffsweb.web.problems import Problem
from ffsweb.web.uploads import stream_view

router = Router(tags=["content"])

_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")


class Sum(Body):
    """The sum of the whole file."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Finished(Schema):
    """``operation`` takes the file in; null: the sum is still being compared, so ask again."""

    operation: int | None
    checked: int
    size: int


@router.post("/projects/{project}/uploads/{upload}/finish", response=Finished, summary="End an upload")
@needs(Role.OPERATOR)
@unstored
def finish_upload(request: Call, project: str, upload: str, sent: Sum) -> dict[str, Any]:
    """All parts were sent. May be repeated: the operation is one. Begin uploads by tus at …/uploads."""
    found = pages.own(request, upload)  # type: ignore[arg-type]
    try:
        ended = resumable.finish(found, sha256=sent.sha256, actor=request.user, request=request)
    except UploadRefused as error:
        raise Problem(error.status, str(error)) from error
    except PartFileError as error:
        raise Problem(tus.status_of(error), str(error)) from error
    if isinstance(ended, int):
        return {"operation": None, "checked": ended, "size": found.size}
    return {"operation": ended.pk, "checked": found.size, "size": found.size}


def addresses(prefix: str) -> list[URLPattern]:
    """Where uploads begin and go on, below ``prefix``."""
    at = f"{prefix}projects/<str:project>/uploads"
    return [path(at, _create, name="api_uploads"), path(f"{at}/<str:upload>", _one, name="api_upload")]


def _for_tokens(view: Callable[..., Any]) -> Callable[..., Any]:
    """``view`` for tokens of operators, with problems in place of plain text."""
    admitted = token_view(admitting(dict.fromkeys(_METHODS, Needs(Role.OPERATOR))))
    return csrf_exempt(admitted(_with_problems(tus.answered(view))))  # the token comes in a header


def _with_problems(view: Callable[..., Any]) -> Callable[..., Any]:
    if iscoroutinefunction(view):

        async def later(*args: Any, **kwargs: Any) -> HttpResponse:
            return _problem(await view(*args, **kwargs))

        return markcoroutinefunction(functools.wraps(view)(later))

    def now(*args: Any, **kwargs: Any) -> HttpResponse:
        return _problem(view(*args, **kwargs))

    return functools.wraps(view)(now)


def _problem(answer: HttpResponse) -> HttpResponse:
    if answer.status_code < 400:
        return answer
    kept = {name: value for name, value in answer.items() if name.lower() not in {"content-type", "content-length"}}
    return Problem(answer.status_code, answer.content.decode().strip() or "Not for this.", headers=kept).response()


def _begin(request: Any, project: str) -> HttpResponse:
    return pages.begin(request, page="api_upload")


async def _go_on(request: Any, project: str, upload: str) -> HttpResponse:
    return await pages.go_on(request, upload)


_create = _for_tokens(_begin)
_one = stream_view(_for_tokens(_go_on))
