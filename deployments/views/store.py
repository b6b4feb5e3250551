"""The image store of the installation, for administrators: what it keeps and why, and a collection now."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from deployments.models import Collection
from deployments.models.collection import bytes_in_store
from deployments.services.collect import others_kept, request_collection, shares
from deployments.services.sizes import disk_free
from ffsweb.accounts.access import PersonRequest, administrator_view
from ffsweb.web.htmx import go

SHOWN = 10


@administrator_view
@require_safe
def page(request: PersonRequest) -> HttpResponse:
    """What is in the store for whom, and the last collections."""
    collections = list(Collection.objects.all()[:SHOWN])
    context = {
        "shares": shares(),
        "others": others_kept(),
        "collections": collections,
        "last": next((each for each in collections if each.state == "done"), None),
        "waiting": any(each.state == "pending" for each in collections),
        "layers_size": bytes_in_store(),
        "free": disk_free(),
    }
    return render(request, "deployments/store.html", context)


@administrator_view
@require_POST
def collect(request: PersonRequest) -> HttpResponse:
    """Let the worker collect the store soon."""
    request_collection(actor=request.user, request=request)
    messages.success(request, "The worker collects the store as soon as nothing is being taken in.")
    return go(request, "deployments:store")
