"""Chromium, a running dashboard, and people who click."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.lab.fixtures import lab, node_factory, pytest_collection_finish, sample_image
from tests.support.installation import Installation
from tests.support.requirements import lacking

__all__ = ["lab", "node_factory", "pytest_collection_finish", "sample_image"]

PASSWORD = "a-long-enough-password-for-tests"
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"wide": (1440, 900), "narrow": (390, 844)}


def chromium() -> str:
    """The browser's path, or a skip that says so."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return found or lacking("browser", "no Chromium is installed (Debian's package chromium)")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    # Playwright's event loop belongs to this thread; Django must not take the test for asynchronous code.
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A dashboard as ``make up`` starts it, empty."""
    chromium()
    installation = Installation(tmp_path_factory.mktemp("dashboard"))
    installation.prepare()
    installation.up()
    yield installation
    installation.down()


@pytest.fixture(scope="module")
def administrator(dashboard: Installation, browser: Browser) -> Iterator[Page]:
    """The first administrator, logged in by the one-time link; every script error fails the test."""
    link = dashboard.wait_for(r"http://\S+/account/first/\S+")[0]
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(link)
    page.get_by_label("User name").fill("root")
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    page.wait_for_url(re.compile(r"^http://[^/]+/$"))
    yield page
    context.close()
    assert not errors, errors


def picture(page: Page, name: str) -> None:
    """Screenshots in both themes and widths, into the directory that FFSWEB_SCREENSHOTS names; else nothing."""
    directory = os.environ.get("FFSWEB_SCREENSHOTS")
    if not directory:
        return
    Path(directory).mkdir(parents=True, exist_ok=True)
    before = page.viewport_size
    for theme in ("light", "dark"):
        page.evaluate("theme => document.documentElement.setAttribute('data-bs-theme', theme)", theme)
        for width, (x, y) in WIDTHS.items():
            page.set_viewport_size({"width": x, "height": y})
            page.screenshot(path=f"{directory}/{name}-{theme}-{width}.png", full_page=True)
    page.evaluate("() => document.documentElement.setAttribute('data-bs-theme', 'light')")
    if before:
        page.set_viewport_size(before)
