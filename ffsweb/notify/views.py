"""Mail of the installation, for administrators: the server, and the outbox."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST

from ffsweb.accounts.access import PersonRequest, administrator_view
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go, is_partial

from . import server, services
from .forms import MailServerForm
from .models import Message
from .outbox import base_url

SHOWN = 100


@administrator_view
@require_http_methods(["GET", "POST"])
def mail(request: PersonRequest) -> HttpResponse:
    """The server and the last mails; five queries."""
    before = server.entered()
    form = MailServerForm(posted(request), before=before)
    if request.method == "POST" and form.is_valid():
        services.save_server(actor=request.user, fields=form.cleaned_data, request=request)
        messages.success(request, "Saved. Send a test mail to see whether it works.")
        return go(request, "notify:mail")
    state = request.GET.get("state", "")
    rows = Message.objects.select_related("project").defer("text", "html")
    counted = dict(Message.objects.values_list("state").annotate(count=Count("pk")).order_by())
    context = {
        "form": form,
        "entered": before,
        "environment": server.of_environment(),
        "base_url": base_url(),
        "rows": (rows.filter(state=state) if state in Message.State.values else rows)[:SHOWN],
        "counts": [(value, label, counted.get(value, 0)) for value, label in Message.State.choices],
        "state": state,
    }
    template = "notify/mail.html#outbox" if is_partial(request) else "notify/mail.html"
    response = render(request, template, context, status=422 if form.errors else 200)
    response["Vary"] = "HX-Request"
    return response


@administrator_view
@require_POST
def test(request: PersonRequest) -> HttpResponse:
    """Mail something to whoever asks."""
    try:
        services.send_test(actor=request.user, request=request)
        messages.success(request, f"A mail to {request.user.email} is on its way: its state is below.")
    except services.NotPossible as error:
        messages.error(request, str(error))
    return go(request, "notify:mail")


@administrator_view
@require_POST
def remove(request: PersonRequest) -> HttpResponse:
    """Forget the mail server."""
    services.remove_server(actor=request.user, request=request)
    messages.success(request, "The mail server and its password were removed here.")
    return go(request, "notify:mail")


@administrator_view
@require_POST
def again(request: PersonRequest, message: int) -> HttpResponse:
    """Try one mail again."""
    try:
        services.again(get_object_or_404(Message, pk=message), actor=request.user, request=request)
        messages.success(request, "It is tried again now.")
    except services.NotPossible as error:
        messages.error(request, str(error))
    return go(request, "notify:mail")
