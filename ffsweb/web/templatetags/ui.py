"""What templates write instead of mark-up: ``{% load ui %}``.

{% icon "server" %}  {% pill node.state %}  {% pill "failed" text="3 failed" %}  {% ago reading.at %}
{{ size|bytes }}  {{ when|utc }}  {{ seconds|span }}  {% field form.name %}  {% form_fields form %}  {% copy text %}
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import template
from django.forms import BaseForm, BoundField, CheckboxInput, CheckboxSelectMultiple, RadioSelect, Select
from django.http import HttpRequest
from django.template.loader_tags import BLOCK_CONTEXT_KEY
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ffsweb.version import running_version
from ffsweb.web import tabs
from ffsweb.web.icons import ICONS
from ffsweb.web.measures import ago_in_words, size_in_words, span_in_words
from ffsweb.web.pills import pill_for

register = template.Library()


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """One icon of the sheet, hidden from screen readers: words stand beside it. An unknown name is an error."""
    if name not in ICONS:
        raise template.TemplateSyntaxError(f"There is no icon {name!r}. Those there are: ffsweb/web/icons.py.")
    href = f"{static('ffsweb/icons.svg')}#{name}"
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}"></use></svg>', extra, href
    )


@register.inclusion_tag("ui/pill.html")
def pill(state: object, text: str = "") -> dict[str, Any]:
    """A state as colour, icon and word; ``text`` replaces the word."""
    found = pill_for(str(state or "unknown"))
    return {"tone": found.tone, "icon_name": found.icon, "text": text or found.text}


@register.simple_tag
def ago(when: dt.datetime | None, never: str = "never") -> SafeString:
    """``<time>`` with the distance in words; the title has the moment in UTC. None gives ``never``."""
    if when is None:
        return format_html('<span class="text-secondary">{}</span>', never)
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        when.astimezone(dt.UTC).isoformat(timespec="seconds"),
        utc(when),
        ago_in_words(when, timezone.now()),
    )


@register.filter
def utc(when: dt.datetime | None) -> str:
    """``2026-11-24 00:03:12 UTC``."""
    return when.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if when else ""


@register.filter(name="bytes")
def size(count: int | None) -> str:
    """A number of bytes in words; "" for None."""
    return "" if count is None else size_in_words(int(count))


@register.filter
def span(value: dt.timedelta | float | None) -> str:
    """A length of time (or seconds) in words; "" for None."""
    if value is None:
        return ""
    return span_in_words(value if isinstance(value, dt.timedelta) else dt.timedelta(seconds=float(value)))


@register.inclusion_tag("ui/field.html")
def field(bound: BoundField, label: str = "", help_text: str = "", **attributes: str) -> dict[str, Any]:
    """A form field with label, help and errors tied together for screen readers.

    Further arguments become attributes of the input; ``_`` in their names is written as ``-``.
    """
    shown_help = help_text or bound.help_text
    return {
        "field": bound,
        "label": label or bound.label,
        "help_text": shown_help,
        "kind": _kind(bound),
        "widget": _widget(bound, attributes, has_help=bool(shown_help)),
    }


@register.inclusion_tag("ui/form_fields.html")
def form_fields(form: BaseForm) -> dict[str, Any]:
    """Every field of a form, errors that belong to none of them first."""
    return {"form": form}


@register.inclusion_tag("ui/copy.html")
def copy(text: str, label: str = "Copy") -> dict[str, str]:
    """A read-only line with a button that copies it (the button shows up with JavaScript only)."""
    return {"text": text, "label": label}


@register.simple_tag(takes_context=True)
def again(context: template.Context, block: str) -> SafeString:
    """The content of another block of this page once more: the title is the heading too."""
    blocks = context.render_context[BLOCK_CONTEXT_KEY]
    found = blocks.get_block(block)
    return found.nodelist.render(context) if found else SafeString("")


@register.simple_tag
def product_version() -> str:
    """The installed version of ffsweb."""
    return running_version()


@register.simple_tag(takes_context=True)
def navigation(context: dict[str, Any]) -> list[tabs.Link]:
    """The bar at the top."""
    request: HttpRequest = context["request"]
    user = request.user
    administrator = bool(getattr(user, "is_administrator", False))
    return tabs.links(tabs.NAVIGATION, _segment(request.path, 0), admin=administrator)


@register.simple_tag(takes_context=True)
def project_tabs(context: dict[str, Any]) -> list[tabs.Link]:
    """The tabs of ``request.project`` for this person's role in it."""
    request: Any = context["request"]
    admin = request.role == "admin"
    # An operation belongs to a project, but its page to none of the tabs.
    current = _segment(request.path, 2) if _segment(request.path, 0) == "projects" else "elsewhere"
    return tabs.links(tabs.PROJECT, current, admin=admin, args=(request.project.name,))


@register.simple_tag(takes_context=True)
def release_tabs(context: dict[str, Any]) -> list[tabs.Link]:
    """What a release is made of: releases, images, files."""
    request: Any = context["request"]
    return tabs.links(tabs.RELEASES, _segment(request.path, 2), admin=True, args=(request.project.name,))


@register.simple_tag(takes_context=True)
def system_tabs(context: dict[str, Any]) -> list[tabs.Link]:
    """The tabs of the installation's pages."""
    return tabs.links(tabs.SYSTEM, _segment(context["request"].path, 1), admin=True)


def _segment(path: str, index: int) -> str:
    parts = path.strip("/").split("/")
    return parts[index] if len(parts) > index else ""


def _kind(bound: BoundField) -> str:
    widget = bound.field.widget
    if isinstance(widget, CheckboxSelectMultiple | RadioSelect):
        return "group"
    return "check" if isinstance(widget, CheckboxInput) else "line"


def _widget(bound: BoundField, attributes: dict[str, str], *, has_help: bool) -> SafeString:
    css = "form-select" if isinstance(bound.field.widget, Select) else "form-control"
    if _kind(bound) != "line":
        css = "form-check-input"
    attrs: dict[str, Any] = {name.replace("_", "-"): value for name, value in attributes.items()}
    own = attrs.get("class") or bound.field.widget.attrs.get("class", "")
    attrs["class"] = " ".join(part for part in (css, "is-invalid" if bound.errors else "", own) if part)
    parts = {"help": has_help, "error": bool(bound.errors)}
    described = [f"{bound.auto_id}_{part}" for part, there in parts.items() if there]
    if described:
        attrs["aria-describedby"] = " ".join(described)
    if bound.errors:
        attrs["aria-invalid"] = "true"
    return bound.as_widget(attrs=attrs)
