"""The log in Chromium, against a web process of its own that is killed and started again under it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from playwright.sync_api import Page, expect, sync_playwright

from ffsweb.operations import wakeup
from ffsweb.operations.models import Operation
from ffsweb.operations.services import Target
from tests.browser.conftest import CHROMIUM_OPTIONS, chromium

from .asgi import cookie_of
from .processes import DIES_WITH_US, ROOT, RedisServer, database_url, wait_until
from .test_stream import finish
from .test_views import write as append

pytestmark = pytest.mark.browser
A, B = Target("service:1", "www@node-a"), Target("service:2", "www@node-b")


class Web:
    """A web process on the test's database."""

    def __init__(self, redis_url: str, log: Path) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.url, self._redis_url, self._log = f"http://127.0.0.1:{self.port}", redis_url, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "DATABASE_URL": database_url(),
            "FFSWEB_REDIS_URL": self._redis_url,
            "FFSWEB_SECRET_KEY": settings.SECRET_KEY,
            "FFSWEB_PROCESS": "test",
            "FFSWEB_DEBUG": "true",  # static files straight from the source
            "FFSWEB_DATA": str(settings.DATA),
            "FFSWEB_KEYS": str(settings.KEYS),
        }
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*DIES_WITH_US, sys.executable, "-m", "uvicorn", "--port", str(self.port), "--lifespan", "off",
                 "--timeout-graceful-shutdown", "1", "ffsweb.asgi:application"],
                cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_until(self._listens, what="uvicorn listening")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def web(transactional_db: None, redis_server: RedisServer, tmp_path: Path) -> Iterator[Web]:
    web = Web(redis_server.url, tmp_path / "web.log")
    web.start()
    yield web
    web.kill()


@pytest.fixture
def page(web: Web, carol, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    # Playwright has an event loop in this thread, which Django would take for ours.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    name, _, value = cookie_of(carol).partition("=")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_cookies([{"name": name, "value": value, "url": web.url}])
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=web.url)
        errors: list[str] = []
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)
        yield page
        browser.close()
        connections.close_all()  # under a running event loop Django has others than the test has after it
        assert not errors, errors


def write(operation: Operation, count: int, text: str = "line") -> None:
    append(operation, count, text)
    wakeup.publish(operation.pk)


def numbers(page: Page) -> list[int]:
    return page.evaluate("() => [...document.querySelectorAll('log-view li')].map(item => Number(item.dataset.n))")


def status(page: Page):
    return page.locator("[data-status]")


def test_lines_come_live_and_survive_a_restart_of_the_web_process(page, web, enqueue):
    operation = enqueue("any")
    write(operation, 30)
    page.goto(f"{web.url}/operations/{operation.pk}/")
    expect(status(page)).to_have_text("Live")
    write(operation, 5)
    expect(page.locator("#L35")).to_be_visible()

    web.kill()
    expect(status(page)).to_have_text("Reconnecting …")
    write(operation, 700)
    web.start()
    expect(page.locator("#L735")).to_be_visible(timeout=25_000)
    assert numbers(page) == list(range(1, 736))

    finish(operation)
    expect(status(page)).to_have_text("Ended")
    assert numbers(page) == list(range(1, 737))
    expect(page.locator("#situation .pill").first).to_have_text("Succeeded")


def test_a_flood_leaves_the_last_five_thousand_lines_and_a_way_to_the_others(page, web, enqueue):
    operation = enqueue("any")
    page.goto(f"{web.url}/operations/{operation.pk}/")
    expect(status(page)).to_have_text("Live")
    for _ in range(13):
        write(operation, 500)
    expect(page.locator("#L6500")).to_be_visible(timeout=20_000)
    assert numbers(page) == list(range(1501, 6501))
    earlier = page.get_by_role("link", name="Load earlier lines")
    expect(earlier).to_have_attribute("href", "?from=501")
    earlier.click()
    page.wait_for_url("**/?from=501")
    # From there it goes on to 5,000 lines, says so, and leads to the newest.
    expect(status(page)).to_contain_text("Paused at 5000 lines", timeout=20_000)
    assert numbers(page) == list(range(501, 5501))
    page.get_by_label("Follow").check()
    expect(page.locator("#L6500")).to_be_visible()
    write(operation, 1)
    expect(page.locator("#L6501")).to_be_visible()
    assert numbers(page)[-2:] == [6500, 6501]


def test_lines_are_searched_and_filtered_and_linked(page, web, enqueue):
    operation = enqueue("any", targets=(A, B))
    first, second = operation.targets.all()
    write(operation, 10, "alpha")
    operation.lines.filter(number__lte=4).update(target=first)
    operation.lines.filter(number__gt=8).update(target=second)
    page.goto(f"{web.url}/operations/{operation.pk}/")
    visible = page.locator("log-view li:visible")
    expect(visible).to_have_count(10)
    page.get_by_label("Only lines of").select_option(label="www@node-a")
    expect(visible).to_have_count(4)
    page.get_by_label("Only lines with").fill("ALPHA 3")
    expect(visible).to_have_count(1)
    page.get_by_label("Only lines of").select_option(label="All targets")
    page.get_by_label("Only lines with").fill("")
    write(operation, 1, "<b>new</b>")
    expect(visible).to_have_count(11)
    assert page.locator("#L11 .log-text").inner_text() == "<b>new</b> 11"

    page.locator("#L7 .log-n").click()
    expect(status(page)).to_have_text("Link to line 7 copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == f"{web.url}/operations/{operation.pk}/?from=7#L7"
    assert page.url.endswith("/#L7")
    assert not page.get_by_label("Follow").is_checked()


def test_a_link_to_a_line_far_up_leads_to_it(page, web, enqueue):
    operation = enqueue("any")
    write(operation, 1500)
    finish(operation)
    page.goto(f"{web.url}/operations/{operation.pk}/#L120")
    page.wait_for_url("**/?from=120#L120")
    expect(page.locator("#L120")).to_be_visible()
    page.goto(f"{web.url}/operations/{operation.pk}/")
    assert numbers(page)[0] == 502
    page.get_by_role("link", name="Load earlier lines").click()
    expect(page.locator("#L1")).to_be_attached()
    assert numbers(page) == list(range(1, 1502))
    expect(page.get_by_role("link", name="Load earlier lines")).to_be_hidden()


def test_a_laptop_that_slept_gets_what_it_missed(page, web, enqueue):
    operation = enqueue("any")
    page.goto(f"{web.url}/operations/{operation.pk}/")
    expect(status(page)).to_have_text("Live")
    page.context.set_offline(True)
    page.evaluate("() => document.querySelector('log-view').lost(0)")
    expect(status(page)).to_have_text("Reconnecting …")
    write(operation, 50)
    page.context.set_offline(False)
    expect(page.locator("#L50")).to_be_visible(timeout=10_000)
    assert numbers(page) == list(range(1, 51))


def test_a_page_that_nobody_looks_at_gives_its_connection_back(page, web, enqueue):
    operation = enqueue("any")
    page.clock.install()
    page.goto(f"{web.url}/operations/{operation.pk}/")
    expect(status(page)).to_have_text("Live")
    look = """hidden => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(look, True)
    page.clock.fast_forward(61_000)
    expect(status(page)).to_have_text("Resting while this page is hidden")
    write(operation, 20)
    assert numbers(page) == []
    page.evaluate(look, False)
    expect(page.locator("#L20")).to_be_visible()
    expect(status(page)).to_have_text("Live")
    assert numbers(page) == list(range(1, 21))


def test_without_a_free_stream_the_page_asks_now_and_then(page, web, enqueue):
    operation = enqueue("any")
    page.route("**/events?*", lambda route: route.fulfill(status=503, headers={"Retry-After": "5"}, body="full"))
    page.goto(f"{web.url}/operations/{operation.pk}/")
    for number in (1, 2):
        write(operation, 1)
        expect(page.locator(f"#L{number}")).to_be_visible(timeout=15_000)


def test_who_was_logged_out_is_told_so(page, web, enqueue):
    operation = enqueue("any")
    page.goto(f"{web.url}/operations/{operation.pk}/")
    expect(status(page)).to_have_text("Live")
    page.context.clear_cookies()
    page.evaluate("() => document.querySelector('log-view').lost(0)")
    expect(status(page)).to_contain_text("You are signed out")
