"""The view that one writes first: a StreamingHttpResponse that asks the database for each viewer, again and again.

    uvicorn benchmarks.viewers.naive:application

It checks who asks as the product does, and writes the same events. It does without all else that the product's
stream does: no limits, no end of a permission, no heartbeat.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.viewers.naive_settings"
django.setup(set_prefix=False)

from asgiref.sync import sync_to_async  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

from ffsweb.accounts.access import project_view  # noqa: E402
from ffsweb.accounts.models import Role  # noqa: E402
from ffsweb.operations import rendering  # noqa: E402
from ffsweb.operations.access import OperationRequest, project_of  # noqa: E402
from ffsweb.operations.models import Operation  # noqa: E402
from ffsweb.urls import urlpatterns as product  # noqa: E402

EVERY = 0.1


@project_view(Role.VIEWER, of=project_of)
def events(request: OperationRequest, operation_id: int) -> StreamingHttpResponse:
    """The lines from the first to the end."""
    return StreamingHttpResponse(_follow(operation_id), content_type="text/event-stream")


async def _follow(operation_id: int) -> AsyncIterator[bytes]:
    yield b": the log follows\n\n"
    number = 0
    while True:
        finished = (await Operation.objects.aget(pk=operation_id)).finished
        rows = await sync_to_async(rendering.rows)(operation_id, after=number, limit=rendering.BATCH)
        if rows:
            number = rows[-1].number
            yield rendering.lines_event([row.encoded() for row in rows], number=number)
        elif finished:
            yield rendering.event("done", "{}")
            return
        else:
            await asyncio.sleep(EVERY)


urlpatterns = [path("operations/<int:operation_id>/events", events), *product]
application = get_asgi_application()
