"""The log of an operation while it grows: the same lines for everybody, whatever happens to browser and server."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.operations.processes import wait_until
from tests.support.installation import Installation

from .conftest import chromium
from .live_kind import END
from .looking import Console
from .network import Network
from .people import People

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PASSWORDS = {"alice": "alice-long-password", "carol": "carol-long-password"}
PEOPLE = """
from ffsweb.accounts.models import Membership, Project, User
project = Project.objects.create(name="serbest")
for name, role in (("alice", "operator"), ("carol", "viewer")):
    user = User.objects.create_user(name, password=f"{name}-long-password")
    Membership.objects.create(user=user, project=project, role=role)
"""
SHOWN = """() => [...document.querySelectorAll(".log-lines li")].map(
  (row) => [Number(row.dataset.n), row.querySelector(".log-text").textContent])"""
Lines = list[tuple[int, str]]


class Live:
    """One operation that runs, and the script that tells it what to say."""

    def __init__(self, site: Site, number: int, script: Path) -> None:
        self.site, self.number, self.script = site, number, script
        self.path = f"/operations/{number}/"

    def say(self, *lines: str) -> None:
        with self.script.open("a", encoding="utf-8") as stream:
            stream.write("".join(f"{line}\n" for line in lines))

    def stored(self) -> Lines:
        """The log of record, read from the database itself."""
        with sqlite3.connect(f"file:{self.site.database}?mode=ro", uri=True) as database:
            rows = database.execute(
                "SELECT number, text FROM operations_logline WHERE operation_id = ? ORDER BY number", (self.number,)
            )
            return [(int(number), str(text)) for number, text in rows]

    def stored_until(self, text: str) -> Lines:
        """The log as soon as it has ``text``."""
        wait_until(lambda: any(text in line for _, line in self.stored()), what=f"{text!r} in the log")
        return self.stored()

    def open(self, page: Page) -> Page:
        page.goto(self.site.address + self.path)
        return page


class Site:
    """An installation whose workers know the scripted kind."""

    def __init__(self, root: Path) -> None:
        self.installation = Installation(root)
        self.installation.environment["DJANGO_SETTINGS_MODULE"] = "tests.browser.live_settings"
        self.address = self.installation.address
        self.database = root / "data" / "ffsweb.sqlite3"
        self.scripts = root / "scripts"
        self.scripts.mkdir()
        self.installation.prepare()
        self.shell(PEOPLE)
        self.installation.up("--watchdog", "--interval", "1")
        self.installation.wait_for("first administrator|http://")
        wait_until(lambda: "worker" in self.installation.pids(), what="the worker", seconds=60)

    def shell(self, program: str) -> str:
        done = self.installation.ffs("manage", "shell", "--verbosity", "0", "-c", program)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def begin(self, title: str) -> Live:
        """An operation that the worker has begun."""
        program = f"from tests.browser.live_kind import begin; begin({str(self.scripts)!r}, {title!r})"
        live = Live(self, int(self.shell(program).split()[-1]), self.scripts / title)
        live.say("the first line")
        live.stored_until("the first line")
        return live

    def kill_web(self) -> int:
        """As an out-of-memory kill does it; the supervisor starts another. The number of the one that died."""
        killed = self.installation.pids()["web"]
        os.kill(killed, signal.SIGKILL)
        return killed

    def wait_for_another(self, killed: int) -> None:
        wait_until(lambda: self.installation.pids().get("web") not in {killed, None}, what="another web process")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    chromium()
    made = Site(tmp_path_factory.mktemp("live"))
    yield made
    made.installation.down()


@pytest.fixture
def live(site: Site, request: pytest.FixtureRequest) -> Iterator[Live]:
    made = site.begin(request.node.name)
    yield made
    made.say(END)


@pytest.fixture(scope="module")
def people(browser: Browser, site: Site) -> Iterator[People]:
    made = People(browser, site.address, PASSWORDS)
    yield made
    made.close()


@pytest.fixture
def network(site: Site) -> Iterator[Network]:
    made = Network(int(site.address.rpartition(":")[2]))
    yield made
    made.close()


def shown(page: Page) -> Lines:
    return [(int(number), str(text)) for number, text in page.evaluate(SHOWN)]


def shows(page: Page, lines: Lines) -> None:
    """The page comes to show exactly these lines: none lost, none twice, in their order."""
    expect(page.locator(f"#L{lines[-1][0]}")).to_be_attached(timeout=30_000)
    assert shown(page) == lines


def watch_status(page: Page) -> None:
    """Remember everything that the page says of its connection."""
    page.evaluate("""() => {
      const status = document.querySelector("[data-status]");
      window.said = [status.textContent];
      new MutationObserver(() => window.said.push(status.textContent)).observe(status, { childList: true, characterData: true, subtree: true });
    }""")


def test_lines_come_by_themselves_and_a_reload_shows_the_same(people: People, live: Live) -> None:
    page = live.open(people.page("alice"))
    console = Console(page)
    expect(page.locator("[data-status]")).to_have_text("Live")
    live.say(*(f"line {number}" for number in range(50)))
    lines = live.stored_until("line 49")
    shows(page, lines)
    assert [number for number, _ in lines] == list(range(1, len(lines) + 1))
    page.reload()
    shows(page, lines)
    live.say("and another", END)
    expect(page.locator("[data-status]")).to_have_text("Ended")
    expect(page.locator("#situation .pill").first).to_have_text("Succeeded")
    expect(page.locator("#situation")).to_contain_text("The script is at its end.")
    shows(page, live.stored())
    page.reload()
    shows(page, live.stored())
    assert console.taken() == []


def test_two_people_see_the_same_as_it_comes(people: People, live: Live) -> None:
    pages = [live.open(people.page(name)) for name in ("alice", "carol", "carol")]
    for beginning in range(0, 1500, 500):
        live.say(*(f"burst {number}" for number in range(beginning, beginning + 500)))
        lines = live.stored_until(f"burst {beginning + 499}")
        for page in pages:
            shows(page, lines)
    late = live.open(people.page("alice"))
    assert shown(late) == lines[-1000:]
    late.get_by_role("link", name="Load earlier lines").click()
    expect(late.locator("#L1")).to_be_attached()
    assert shown(late) == lines


def test_a_web_process_that_dies_costs_no_line(people: People, site: Site, live: Live) -> None:
    pages = [live.open(people.page(name)) for name in ("alice", "carol")]
    for page in pages:
        expect(page.locator("[data-status]")).to_have_text("Live")
        watch_status(page)
    for round_ in range(2):
        live.say(*(f"before {round_}.{number}" for number in range(100)))
        killed = site.kill_web()
        live.say(*(f"during {round_}.{number}" for number in range(250)))
        site.wait_for_another(killed)
        live.say(*(f"after {round_}.{number}" for number in range(100)))
        lines = live.stored_until(f"after {round_}.99")
        for page in pages:
            shows(page, lines)
            expect(page.locator("[data-status]")).to_have_text("Live", timeout=30_000)
    for page in pages:
        said = page.evaluate("window.said")
        assert "Reconnecting …" in said
        assert said[-1] == "Live"
        page.reload()
        shows(page, live.stored())


def test_a_laptop_that_sleeps_catches_up_when_it_wakes(browser: Browser, network: Network, live: Live) -> None:
    own = People(browser, network.address, PASSWORDS)
    page = own.page("alice", viewport={"width": 390, "height": 844})
    page.goto(network.address + live.path)
    expect(page.locator("[data-status]")).to_have_text("Live")
    live.say("before")
    shows(page, live.stored_until("before"))
    page.context.set_offline(True)
    network.down()
    expect(page.locator("[data-status]")).to_have_text("Reconnecting …")
    live.say(*(f"asleep {number}" for number in range(2500)))
    lines = live.stored_until("asleep 2499")
    assert len(shown(page)) < 10
    expect(page.locator("[data-status]")).to_have_text("Reconnecting …")
    network.up()
    page.context.set_offline(False)
    shows(page, lines)
    expect(page.locator("[data-status]")).to_have_text("Live")
    live.say("awake")
    shows(page, live.stored_until("awake"))
    page.context.close()


def test_what_a_hostile_program_prints_is_text(people: People, live: Live) -> None:
    page = live.open(people.page("alice"))
    console = Console(page)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    live.say(
        "<script>alert(1)</script><img src=x onerror=alert(2)>",
        "</span></li></ol><h1>Deployed!</h1>",
        "\x1b[31mred\x1b[0m and \x1b[1;42mbold on green\x1b[0m",
        '\x1b[31"onmouseover=alert(3) x="m injected',
        "\x1b]8;;javascript:alert(4)\x07link\x1b]8;;\x07 \x1b[2J\x1b[Hcleared \x1b]0;title\x07",
        "safe \u202edrawkcab\u202c \x00\x08\x7f end",
        "overwritten\rwhat stays",
        "&lt;already escaped&gt; &amp;",
    )
    live.stored_until("already escaped")
    for _ in range(2):  # as it comes, and from the database
        expect(page.locator(".log-lines")).to_contain_text("&lt;already escaped&gt; &amp;")
        texts = [text for _, text in shown(page)]
        assert "<script>alert(1)</script><img src=x onerror=alert(2)>" in texts
        assert "</span></li></ol><h1>Deployed!</h1>" in texts
        assert "red and bold on green" in texts
        assert "link cleared " in texts
        assert "safe drawkcab  end" in texts
        assert "what stays" in texts
        red = page.locator(".log-text .ansi-fg-red").first
        expect(red).to_have_text("red")
        assert red.evaluate("at => getComputedStyle(at).color") != page.locator("h2").first.evaluate(
            "at => getComputedStyle(at).color"
        )
        expect(page.locator(".log-text .ansi-bg-green.ansi-bold")).to_have_text("bold on green")
        # Nothing in a line but spans with these classes.
        inside = page.locator(".log-text *").evaluate_all(
            "all => all.map((at) => [at.tagName, [...at.attributes].map((one) => one.name).join(), at.className])"
        )
        assert all(tag == "SPAN" and names == "class" for tag, names, _ in inside)
        assert all(re.fullmatch(r"(ansi-[a-z-]+ ?)+", classes) for _, _, classes in inside)
        expect(page.locator("h1")).to_have_count(1)
        page.reload()
    assert dialogs == []
    assert console.taken() == []


def test_the_log_is_sifted_and_followed_as_one_likes(people: People, live: Live) -> None:
    page = live.open(people.page("alice"))
    box, follow, search = page.locator(".log-box"), page.get_by_label("Follow"), page.get_by_label("Only lines with")
    live.say(*(f"{'apple' if number % 5 else 'pear'} {number}" for number in range(400)))
    shows(page, live.stored_until("apple 399"))
    expect(follow).to_be_checked()
    at_end = "box => box.scrollHeight - box.scrollTop - box.clientHeight < 40"
    wait_until(lambda: box.evaluate(at_end), what="the end of the log")

    search.fill("PEAR")
    expect(page.locator(".log-lines li:visible")).to_have_count(80)
    live.say("pear of late", "apple of late")
    expect(page.locator(".log-lines li:visible")).to_have_count(81)
    search.fill("")
    wait_until(lambda: box.evaluate(at_end), what="the end of the log again")

    box.hover()
    page.mouse.wheel(0, -3000)  # who scrolls up wants to read
    expect(follow).not_to_be_checked()
    top = box.evaluate("box => box.scrollTop")
    live.say(*(f"more {number}" for number in range(100)))
    shows(page, live.stored_until("more 99"))
    assert box.evaluate("box => box.scrollTop") == top
    follow.check()
    wait_until(lambda: box.evaluate(at_end), what="the newest line")


def test_a_link_leads_to_its_line(people: People, live: Live) -> None:
    live.say(*(f"line {number}" for number in range(2000)))
    lines = live.stored_until("line 1999")
    page = people.page("carol")
    for number in (len(lines) - 5, 120):  # on the page that is shown first, and far before it
        page.goto("about:blank")
        page.goto(f"{live.site.address}{live.path}#L{number}")
        line = page.locator(f"#L{number}")
        expect(line).to_be_in_viewport()
        expect(line.locator(".log-text")).to_have_text(lines[number - 1][1])
        assert line.evaluate("line => line.matches(':target')")
        expect(page.get_by_label("Follow")).not_to_be_checked()
    page.locator("#L125 .log-n").click()
    assert page.url.endswith("#L125")
    shows(page, lines[119:])  # those after it come too


def test_the_download_is_the_database(people: People, live: Live) -> None:
    live.say(*(f"\x1b[32mline\x1b[0m {number} ü" for number in range(1500)))
    lines = live.stored_until("1499 ü")
    page = live.open(people.page("carol"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == f"operation-{live.number}.log"
    rows = [line.split("\t") for line in Path(download.value.path()).read_text().splitlines()]
    plain = [(number, re.sub(r"\x1b\[[0-9;]*m", "", text)) for number, text in lines]
    assert [(int(row[0]), row[4]) for row in rows] == plain
    assert {(row[2], row[3]) for row in rows[1:]} == {("out", "www@node-a")}


def test_without_javascript_a_reload_shows_what_is_new(people: People, live: Live) -> None:
    page = live.open(people.page("carol", java_script_enabled=False))
    texts = page.locator(".log-lines .log-text")
    expect(texts.last).to_have_text("the first line")
    expect(page.get_by_label("Follow")).to_be_hidden()
    live.say(*(f"line {number}" for number in range(1200)))
    lines = live.stored_until("line 1199")
    page.get_by_role("link", name="Load it again").click()
    expect(texts.last).to_have_text("line 1199")
    assert texts.all_inner_texts() == [text for _, text in lines[-1000:]]
    page.get_by_role("link", name="Load earlier lines").click()
    expect(texts.first).to_have_text(lines[0][1])
    page.get_by_role("link", name="Later lines").click()
    expect(texts.last).to_have_text(lines[-1][1])
    live.say(END)
    live.stored_until("The script is at its end.")
    live.open(page)
    expect(page.locator("#situation .pill").first).to_have_text("Succeeded")
    expect(page.get_by_role("link", name="Load it again")).to_have_count(0)
    page.context.close()
