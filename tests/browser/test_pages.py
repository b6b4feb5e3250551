"""Every page with everything on it: readable in both themes, on a phone and on a desk, by machine and by keyboard."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.urls import URLResolver, get_resolver
from playwright.sync_api import Browser, Page, expect

from tests.operations.processes import wait_until
from tests.support.installation import FFS, Installation

from .conftest import chromium, picture
from .looking import Console, faults, in_theme
from .pages import NO_PAGES, PAGES, SECOND_FACTOR
from .people import People
from .seed import PASSWORDS

pytestmark = pytest.mark.browser

FOCUS = r"""() => {
  const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
  const x = box.x + Math.min(box.width / 2, 20), y = box.y + box.height / 2;
  const top = document.elementFromPoint(x, y);
  return {
    text: (at.innerText || at.getAttribute("aria-label") || at.name || "").replace(/\s+/g, " ").trim(), href: at.getAttribute("href") ?? "",
    shown: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 || style.boxShadow !== "none",
    seen: !!top && (top === at || at.contains(top) || top.contains(at)),
    nowhere: at === document.body,
  };
}"""


class Seeded:
    """A filled installation whose web process runs alone: nothing changes by itself while it is looked at."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        installation.prepare()
        done = installation.ffs("manage", "shell", "-c", "from tests.browser import seed; seed.main()")
        assert done.returncode == 0, done.stdout + done.stderr
        self.names: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        with installation.log.open("wb") as log:
            self.web = subprocess.Popen(
                [*FFS, "web"], env=installation.environment, stdout=log, stderr=log, start_new_session=True
            )

    def answers(self) -> bool:
        try:
            return self.installation.get("/livez")[0] == 200
        except OSError:
            return False

    def address(self, page: str) -> str:
        return self.installation.address + PAGES[page][1].format_map(self.names)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    chromium()
    made = Seeded(Installation(tmp_path_factory.mktemp("pages")))
    try:
        wait_until(made.answers, what="the web process", seconds=60)
        yield made
    finally:
        made.web.terminate()
        made.web.wait(20)


@pytest.fixture(scope="module")
def people(browser: Browser, seeded: Seeded) -> Iterator[People]:
    made = People(browser, seeded.installation.address, PASSWORDS)
    yield made
    made.close()


def _names(resolver: URLResolver, namespace: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from _names(entry, f"{namespace}{entry.namespace}:" if entry.namespace else namespace)
        else:
            yield f"{namespace}{entry.name}".removeprefix("deployments:")


def test_no_page_is_left_out() -> None:
    looked_at = {name.partition("@")[0] for name in PAGES} - {"missing", "forbidden"}
    found = set(_names(get_resolver("ffsweb.urls")))
    functions = {name for name in found if name.startswith("api_")} - looked_at - NO_PAGES  # of the API
    assert found - functions == looked_at | NO_PAGES | set(SECOND_FACTOR)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fit_for_everybody(seeded: Seeded, people: People, name: str) -> None:
    page = people.page(PAGES[name][0])
    console = Console(page)
    answer = page.goto(seeded.address(name))
    assert answer is not None
    refused = {"missing": 404, "forbidden": 403, "accounts:first@spent": 404}.get(name, 200)
    assert answer.status == refused
    expect(page.locator("h1")).to_have_count(1)
    picture(page, re.sub(r"\W+", "-", name))
    assert faults(page) == []
    for text in console.taken():
        assert refused != 200 and f"status of {refused}" in text, text  # the browser reports the page's own status
    page.close()


def test_what_is_in_use_is_told_on_a_fit_page_with_a_button_to_wait(seeded: Seeded, people: People) -> None:
    page = people.page("bob")
    page.goto(seeded.address("service"))
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Queue it")).to_be_visible()
    picture(page, "busy")
    assert faults(page) == []
    page.get_by_role("button", name="Queue it").click()
    expect(page.get_by_text("It waits for its turn.")).to_be_visible()
    expect(page.get_by_text("and comes first.")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Nothing was changed.").first).to_be_visible()
    page.close()


MARK = "from django.db import transaction\nfrom ffsweb.operations import restored\nwith transaction.atomic(): restored.mark('ffsweb.example.org')"
OFF = "from ffsweb.operations import restored\nrestored.confirm(restored.restored().at, actor=None)"


@pytest.mark.timeout(240)  # three people's pages, each looked at four times
def test_what_a_restored_dashboard_waits_for_is_said_on_fit_pages(seeded: Seeded, people: People) -> None:
    """To an administrator with what to do about it, to everybody else without; an operation shows which request asked."""
    operator = people.page("bob")
    operator.goto(seeded.address("service"))
    operator.get_by_role("button", name="Restart").click()
    operator.get_by_role("button", name="Queue it").click()
    asked = operator.url
    assert seeded.installation.ffs("manage", "shell", "-c", MARK).returncode == 0
    try:
        operator.goto(asked)
        expect(operator.get_by_text("Nothing is run until an administrator says")).to_be_visible()
        expect(operator.get_by_role("link", name="Say so")).to_have_count(0)
        picture(operator, "restored-operation")
        assert faults(operator) == []
        page = people.page("root")
        page.goto(asked)
        expect(page.get_by_text("Request", exact=True)).to_be_visible()
        picture(page, "restored-request")
        assert faults(page) == []
        page.get_by_role("link", name="Say so").click()
        expect(page.get_by_text("ffsweb.example.org")).to_be_visible()
        picture(page, "restored-say-so")
        assert faults(page) == []
        page.close()
    finally:
        assert seeded.installation.ffs("manage", "shell", "-c", OFF).returncode == 0
    operator.goto(asked)
    expect(operator.get_by_text("Nothing is run until an administrator says")).to_have_count(0)
    operator.get_by_role("button", name="Cancel").click()
    operator.close()


def test_a_second_factor_is_set_up_and_asked_for_on_fit_pages(seeded: Seeded, browser: Browser) -> None:
    own = People(browser, seeded.installation.address, PASSWORDS)
    page = own.page("leyla", locale="en-GB")
    console, base = Console(page), f"{seeded.installation.address}/account/2fa"
    looked_at: list[str] = []

    def look(name: str) -> None:
        picture(page, name)
        assert faults(page) == [], name
        looked_at.append(name)

    page.goto(f"{base}/app/on/")
    page.get_by_label("Password").fill(PASSWORDS["leyla"])  # that it is still the same person is asked first
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(re.compile("/app/on/"))
    look("mfa_activate_totp")
    secret = page.locator(".copy-text").inner_text()
    counter = next(iter(yield_hotp_counters_from_time()))
    page.get_by_label("Code").fill(format_hotp_value(hotp_value(secret, counter)))
    page.get_by_role("button", name="Turn it on").click()
    page.wait_for_url(re.compile("/codes/"))
    look("mfa_view_recovery_codes")
    for name, path in (
        ("mfa_generate_recovery_codes", "codes/new/"),
        ("mfa_deactivate_totp", "app/off/"),
        ("mfa_reauthenticate", "reauthenticate/"),
    ):
        page.goto(f"{base}/{path}")
        look(name)
    page.context.clear_cookies()
    page.goto(f"{seeded.installation.address}/account/login/")
    page.locator("input[name=login]").fill("leyla")
    page.locator("input[name=password]").fill(PASSWORDS["leyla"])
    page.locator("main form button").first.click()
    page.wait_for_url(re.compile("/2fa/authenticate/"))
    look("mfa_authenticate")
    assert set(looked_at) == set(SECOND_FACTOR)
    assert console.taken() == []
    page.context.close()


def tab_to(page: Page, text: str, href: str = "", most: int = 120) -> None:
    """Press Tab until the focus is on what says ``text`` (and leads to ``href``); every stop has to be visible."""
    for _ in range(most):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        assert focus["nowhere"] or (focus["shown"] and focus["seen"]), focus
        if focus["text"] == text and focus["href"].endswith(href):
            return
    pytest.fail(f"Tab never came to {text!r}")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_a_deploy_is_reached_by_keyboard_alone(seeded: Seeded, people: People, theme: str, width: str) -> None:
    page = people.page("alice")
    page.goto(seeded.address("fleet"))
    in_theme(page, theme, width)
    tab_to(page, "www", href="/nodes/ankara-1/services/www/")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("www")
    in_theme(page, theme, width)
    tab_to(page, "Plan a deploy of release 3")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Plan for release 3")
    in_theme(page, theme, width)
    tab_to(page, "Deploy")
    assert page.evaluate("document.activeElement.type") == "submit"
    page.close()


def test_five_hundred_nodes_stay_usable(seeded: Seeded, people: People) -> None:
    page = people.page("manuela")
    console = Console(page)
    page.goto(seeded.installation.address)
    rows = page.locator("#board tbody tr")
    expect(rows).to_have_count(500)
    expect(page.locator("#board")).to_contain_text("500 services")
    for width in ("narrow", "wide"):
        in_theme(page, "light", width)
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
    page.get_by_label("Search").fill("node-04")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(10)
    page.get_by_label("State").select_option("behind")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(rows.filter(has_text="Behind")).to_have_count(rows.count())
    rows.first.get_by_role("link").nth(1).click()
    expect(page.locator("h1")).to_contain_text("shop")
    assert console.taken() == []
    page.close()
