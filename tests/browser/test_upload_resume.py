"""A large file on its way: shown, paused, and continued after whatever happens to page, network and dashboard."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.operations.processes import wait_until

from .conftest import chromium, picture
from .looking import Console, faults
from .network import Network
from .people import People
from .upload_site import IMAGES, MB, PASSWORDS, UploadPage, UploadSite, image_archive

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

_seeds = itertools.count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UploadSite]:
    chromium()
    made = UploadSite(tmp_path_factory.mktemp("uploads"))
    yield made
    made.installation.down()


@pytest.fixture(scope="module")
def people(browser: Browser, site: UploadSite) -> Iterator[People]:
    made = People(browser, site.address, PASSWORDS)
    yield made
    made.close()


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An archive of 40 MB: three parts."""
    return image_archive(tmp_path / "app.tar", 40, next(_seeds))


@pytest.fixture
def alice(people: People, site: UploadSite) -> Iterator[UploadPage]:
    site.clear()
    page = people.page("alice")
    yield UploadPage(page, site.address)
    page.close()


def test_a_file_goes_up_in_parts_with_progress_and_becomes_an_image(alice: UploadPage, app: Path) -> None:
    page, console = alice.page, Console(alice.page)
    alice.link(6 * MB)
    alice.send(app)
    expect(page.get_by_role("heading", name="app.tar")).to_be_visible()
    expect(page.locator("input[type=file]")).to_be_hidden()
    expect(page.locator("[data-pace]")).to_have_text(
        re.compile(r"^\d+\.\d MB/s, less than a minute left$"), timeout=20_000
    )
    expect(alice.amount).to_have_text(re.compile(r"^\d+\.\d of 40\.0 MB$"))
    alice.wait_for(10)
    assert 0.2 < float(page.locator("[data-bar]").evaluate("bar => bar.value")) < 1
    alice.link(-1)
    alice.taken_in()
    assert alice.offsets == [0, 16 * 1024**2, 32 * 1024**2]
    page.goto(alice.address + IMAGES)
    expect(page.locator("[data-unfinished] li")).to_have_count(0)
    assert console.taken() == []


def test_pause_stops_and_continue_goes_on_at_the_byte(alice: UploadPage, app: Path, site: UploadSite) -> None:
    alice.link(4 * MB)
    alice.send(app)
    alice.wait_for(6)
    alice.page.get_by_role("button", name="Pause").click()
    expect(alice.state).to_have_text("Paused.")
    expect(alice.page.get_by_role("button", name="Continue")).to_be_visible()
    here = site.waiting()
    alice.page.wait_for_timeout(1500)
    assert site.waiting() == here, "nothing comes while it is paused"
    assert faults(alice.page) == []
    picture(alice.page, "upload-paused")
    alice.link(-1)
    alice.page.get_by_role("button", name="Continue").click()
    alice.taken_in()
    assert alice.created == 1
    assert alice.offsets[1] == here[0] > 0, "also in the middle of a part"


@pytest.mark.parametrize("kept", ["the page is loaded again", "in another browser"])
def test_the_same_file_chosen_again_goes_on(
    alice: UploadPage, app: Path, site: UploadSite, people: People, kept: str
) -> None:
    alice.link(4 * MB)
    alice.send(app)
    alice.wait_for(6)
    again = alice
    if kept == "in another browser":
        alice.page.goto("about:blank")
        again = UploadPage(people.page("alice", locale="en-GB"), site.address)
    alice.offsets.clear()
    again.page.goto(site.address + IMAGES)
    expect(again.list).to_have_count(1)
    expect(again.list).to_contain_text(
        re.compile(r"app\.tar\s+\d+\.\d of 40\.0 MB, yours, begun .*To continue, choose the file above again\.")
    )
    here = site.waiting()[0]
    assert here >= 5 * MB
    again.choose(app)
    expect(again.page.locator("[data-found]")).to_have_text(re.compile(r"^\d+\.\d of 40\.0 MB are here already\.$"))
    picture(again.page, "upload-found")
    assert faults(again.page) == []
    again.page.get_by_role("button", name="Continue", exact=True).click()
    expect(again.list).to_be_hidden()
    again.taken_in()
    assert again.offsets[0] >= here
    assert again.created == (1 if again is alice else 0)
    if again is not alice:
        again.page.context.close()


def test_another_file_of_the_same_name_is_another_upload(alice: UploadPage, app: Path, site: UploadSite) -> None:
    alice.link(4 * MB)
    alice.send(app)
    alice.wait_for(4)
    alice.page.goto(site.address + IMAGES)
    expect(alice.list).to_have_count(1)
    changed = app.read_bytes()
    app.write_bytes(changed)  # the same size and name, saved at another time
    alice.choose(app)
    expect(alice.page.locator("[data-found]")).to_be_hidden()
    alice.page.get_by_role("button", name="Discard app.tar").click()
    expect(alice.page.get_by_text("The unfinished upload of app.tar was discarded.")).to_be_visible()
    wait_until(lambda: not site.waiting(), what="the file to go")


def test_a_network_that_goes_away_and_comes_back_costs_nothing_but_time(
    people: People, site: UploadSite, app: Path
) -> None:
    network = Network(int(site.address.rpartition(":")[2]))
    own = People(people.browser, network.address, PASSWORDS)
    sender = UploadPage(own.page("alice", locale="en-GB"), network.address)
    sender.link(4 * MB)
    sender.send(app)
    for at in (5, 12):
        sender.wait_for(at)
        network.down()
        expect(sender.state).to_have_text("The connection is lost. Trying again …")
        network.up()
    sender.link(-1)
    sender.taken_in()
    assert sender.created == 1
    assert sender.offsets == sorted(sender.offsets)
    assert len([offset for offset in sender.offsets if offset % 1024**2]) >= 2, "in the middle of parts"
    sender.page.context.close()
    network.close()


def test_a_dashboard_that_is_killed_and_starts_again_goes_on(alice: UploadPage, app: Path, site: UploadSite) -> None:
    alice.link(4 * MB)
    alice.send(app)
    alice.wait_for(20)
    site.restart_web()
    alice.link(-1)
    alice.taken_in()
    assert alice.created == 1


def test_a_wrong_sum_is_said_and_the_file_is_gone(alice: UploadPage, app: Path, site: UploadSite) -> None:
    page = alice.page
    page.route("**/finish/", lambda route: route.continue_(post_data=f"sha256={'0' * 64}"))
    alice.send(app)
    expect(alice.wrong).to_contain_text("The file arrived with other bytes than it was sent with", timeout=60_000)
    expect(alice.wrong).to_contain_text("and was removed. Upload it again")
    expect(page.locator("input[type=file]")).to_be_visible()
    assert faults(page) == []
    picture(page, "upload-wrong-sum")
    assert site.waiting() == []
    page.unroute("**/finish/")
    alice.send(app)
    alice.taken_in()


def test_a_file_that_changes_meanwhile_is_noticed(alice: UploadPage, app: Path, site: UploadSite) -> None:
    alice.link(4 * MB)
    alice.send(app)
    alice.wait_for(4)
    with app.open("r+b") as file:
        file.seek(30 * MB)
        file.write(b"changed")
    alice.link(-1)
    expect(alice.wrong).to_contain_text("The file was changed or removed while it was sent.", timeout=60_000)
    expect(alice.page.locator("input[type=file]")).to_be_visible()
    expect(alice.list).to_contain_text("yours")  # nothing is thrown away for it
    alice.page.get_by_role("button", name="Discard app.tar").click()
    expect(alice.list).to_have_count(0)


def test_discard_removes_what_was_sent(alice: UploadPage, app: Path, site: UploadSite) -> None:
    before = site.waiting()
    alice.link(4 * MB)
    alice.send(app)
    alice.wait_for(4)
    alice.page.get_by_role("button", name="Discard").first.click()
    expect(alice.page.locator("input[type=file]")).to_be_visible()
    wait_until(lambda: site.waiting() == before, what="the file to go")
    expect(alice.wrong).to_be_hidden()


def test_what_the_dashboard_refuses_is_said_on_the_page(alice: UploadPage, tmp_path: Path) -> None:
    vast = tmp_path / "vast.tar"
    with vast.open("wb") as file:
        file.truncate(21_000_000_000)
    alice.send(vast)
    expect(alice.wrong).to_contain_text("The file has 21.0 GB; at most 20.0 GB are taken. Nothing was kept.")
    empty = tmp_path / "empty.tar"
    empty.touch()
    alice.send(empty)  # by the form itself
    expect(alice.page.get_by_text("The file is empty. Nothing was kept.")).to_be_visible()


def test_the_page_is_fit_for_everybody_while_it_sends(
    alice: UploadPage, people: People, app: Path, site: UploadSite
) -> None:
    console = Console(alice.page)
    alice.link(1 * MB)
    alice.send(app)
    alice.wait_for(2)
    assert faults(alice.page) == []
    picture(alice.page, "upload-runs")
    bob = UploadPage(people.page("bob"), site.address)
    expect(bob.list.first).to_contain_text("by alice")
    expect(bob.page.get_by_role("button", name="Discard")).to_have_count(0)
    assert faults(bob.page) == []
    picture(bob.page, "upload-of-others")
    bob.choose(app)
    expect(bob.page.locator("[data-found]")).to_be_hidden()
    bob.page.close()
    alice.page.get_by_role("button", name="Discard").first.click()
    expect(alice.page.locator("input[type=file]")).to_be_visible()
    assert console.taken() == []
