"""What every page shares: tags, icons, pills, words for times and sizes, error pages, static files."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from django import forms
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.http import HttpRequest
from django.template import Context, Template, TemplateSyntaxError
from django.test import Client
from pytest_django import Settings

from ffsweb.accounts.models import Project, User
from ffsweb.web.icons import ICONS, drawing_of, sheet_of, symbols
from ffsweb.web.measures import ago_in_words, size_in_words
from ffsweb.web.pills import PILLS, pill_for
from ffsweb.web.tabs import NAVIGATION, PROJECT, RELEASES, SYSTEM

from .conftest import Visit
from .markup import assert_well_made, faults_of

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


def _render(text: str, **context: object) -> str:
    return Template("{% load ui %}" + text).render(Context(context))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (-4, "just now"),
        (45, "45 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (47 * 3600, "47 h ago"),
        (2 * 86400, "2 days ago"),
        (100 * 86400, "3 months ago"),
        (1000 * 86400, "2 years ago"),
        (-12 * 86400, "in 12 days"),
    ],
)
def test_times_are_said_in_words(seconds: int, words: str) -> None:
    assert ago_in_words(NOW - dt.timedelta(seconds=seconds), NOW) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (999_960, "1.0 MB"),
        (10**18, "1000.0 PB"),
    ],
)
def test_sizes_are_said_in_words(count: int, words: str) -> None:
    assert size_in_words(count) == words


def test_a_moment_carries_its_utc_time() -> None:
    there = dt.datetime(2026, 11, 24, 1, 3, 12, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    html = _render("{% ago when %}", when=there)
    assert 'title="2026-11-24 00:03:12 UTC"' in html
    assert 'datetime="2026-11-24T00:03:12+00:00"' in html
    assert "never" in _render("{% ago when %}", when=None)


def test_every_pill_has_an_icon_that_exists_and_a_word() -> None:
    assert not {found.icon for found in PILLS.values()} - ICONS
    assert all(found.text for found in PILLS.values())
    assert pill_for("rolled-back") == pill_for("Rolled back") == PILLS["rolled_back"]


def test_a_state_that_is_not_known_is_shown_as_it_is_and_escaped() -> None:
    html = _render("{% pill state %}", state="<b>odd</b>")
    assert "&lt;b&gt;odd" in html
    assert "pill-calm" in html


def test_every_icon_of_the_templates_exists() -> None:
    used = set()
    for path in Path("templates").rglob("*.html"):
        text = path.read_text()
        used |= set(re.findall(r'{% icon "([^"]+)"', text)) | set(re.findall(r'icon_name="([^"]+)"', text))
    used |= {tab.icon for tab in NAVIGATION + PROJECT + RELEASES + SYSTEM}
    assert not used - ICONS


def test_an_icon_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(TemplateSyntaxError, match="no-such"):
        _render('{% icon "no-such" %}')


def test_the_sheet_can_be_taken_apart_and_put_together() -> None:
    drawing = drawing_of(
        '<svg viewBox="0 0 24 24">\n<path stroke="none" d="M0 0h24v24H0z" />\n<path\n d="M1 1" /></svg>'
    )
    assert symbols(sheet_of({"one": drawing})) == {"one": '<path d="M1 1" />'}
    with pytest.raises(ValueError, match="no shape"):
        drawing_of("<svg></svg>")


class _Form(forms.Form):
    name = forms.CharField(help_text="Any <name>.")
    choice = forms.ChoiceField(choices=[("a", "A")])
    several = forms.MultipleChoiceField(choices=[("a", "A"), ("b", "B")], widget=forms.CheckboxSelectMultiple)
    agree = forms.BooleanField()
    hidden = forms.CharField(widget=forms.HiddenInput)


def test_a_form_is_labelled_and_its_errors_are_tied_to_the_fields() -> None:
    form = _Form({"name": "", "choice": "<script>"})
    html = _render("{% form_fields form %}", form=form)
    assert_well_made(f"<form>{html}</form>")
    assert 'aria-describedby="id_name_help id_name_error"' in html
    assert 'id="id_name_error"' in html
    assert 'id="id_name_help"' in html
    assert 'aria-invalid="true"' in html
    assert "<script>" not in html
    assert "Any &lt;name&gt;." in html


def test_further_attributes_reach_the_input() -> None:
    html = _render('{% field form.name hx_get="/x/" placeholder="web" %}', form=_Form())
    assert 'hx-get="/x/"' in html
    assert 'placeholder="web"' in html


def test_the_checker_of_pages_finds_what_it_is_for() -> None:
    for bad in (
        '<p style="x">a</p>',
        "<style>a{}</style>",
        "<script>alert(1)</script>",
        '<a onclick="x">a</a>',
        '<a hx-on:click="x">a</a>',
        '<a href="JavaScript:x">a</a>',
        '<input id="a">',
        "<button><svg></svg></button>",
        '<img src="x">',
        '<p id="a"></p><p id="a"></p>',
        "<div><p></div>",
        "<div>",
        "<html><body></body></html>",
    ):
        assert faults_of(bad), bad
    assert not faults_of('<label for="a">A</label><input id="a"><button>Go</button>')


@pytest.mark.django_db
def test_the_current_page_is_marked(project: Project, carol: User, visit: Visit) -> None:
    html = visit(carol).get("/projects/serbest/members/").content.decode()
    current = re.findall(r'href="([^"]+)" aria-current="page"', html)
    assert set(current) == {"/projects/", "/projects/serbest/members/"}
    assert "/system/" not in html
    assert "/projects/serbest/audit/" not in html


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/nothing/", "/projects/nowhere/members/", "/system/people/nobody/"])
def test_a_missing_page_says_so_and_nothing_of_the_addresses(path: str, root: User, visit: Visit) -> None:
    response = visit(root).get(path)
    assert response.status_code == 404
    html = response.content.decode()
    assert_well_made(html)
    assert "tried" not in html


@pytest.mark.django_db
def test_a_missing_page_is_well_made_for_people_who_are_not_logged_in() -> None:
    response = Client().get("/nothing/")
    assert response.status_code == 404
    assert_well_made(response.content.decode())


@pytest.mark.django_db
def test_a_refusal_says_why(carol: User, visit: Visit) -> None:
    response = visit(carol).get("/projects/serbest/edit/")
    assert "Your role in serbest is Viewer; this takes Admin." in response.content.decode()


@pytest.mark.django_db
def test_a_fragment_gets_a_fragment_of_an_error(carol: User, visit: Visit) -> None:
    html = visit(carol).get("/projects/serbest/edit/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in html
    assert "this takes Admin" in html


def test_the_page_of_a_broken_server_needs_no_database() -> None:
    from ffsweb.web.errors import bad_request, server_error

    response = server_error(HttpRequest())
    assert response.status_code == 500
    assert_well_made(response.content.decode())
    assert bad_request.__name__


def test_static_files_can_be_collected_and_named_by_their_content(tmp_path: Path, settings: Settings) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    sheets = [path.read_text() for path in (tmp_path / "ffsweb").glob("tokens.*.css")]
    assert any(re.search(r"inter-latin-wght-normal\.[0-9a-f]{12}\.woff2", sheet) for sheet in sheets)
    html = _render('{% icon "check" %}')
    assert re.search(r"icons\.[0-9a-f]{12}\.svg#check", html)


def test_what_was_taken_from_others_carries_its_licence() -> None:
    vendor = Path(str(finders.find("ffsweb/theme.js"))).parent / "vendor"
    for directory in vendor.iterdir():
        assert (directory / "LICENSE").is_file(), directory.name


def test_the_theme_script_stays_small() -> None:
    assert Path(str(finders.find("ffsweb/theme.js"))).stat().st_size < 1000
