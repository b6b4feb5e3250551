"""The dashboard in a browser without JavaScript: links and forms do everything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.certificates.material import intermediate, server
from tests.oci.images import Picture, archive, podman_members
from tests.support.installation import Installation

from .conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def reload_until_ended(page: Page) -> None:
    """As a person does it who sees that the operation still runs."""
    for _ in range(60):
        if page.get_by_role("link", name="Load it again").count() == 0:
            return
        page.wait_for_timeout(500)
        page.reload()
    pytest.fail("the operation did not end")


def test_an_operator_needs_no_javascript(dashboard: Installation, browser: Browser, tmp_path: Path) -> None:
    site = dashboard.address
    context = browser.new_context(java_script_enabled=False, accept_downloads=True)
    page = context.new_page()

    page.goto(dashboard.wait_for(r"http://\S+/account/first/\S+")[0])
    page.get_by_label("User name").fill("root")
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    press(page, "Create the account")
    expect(page.locator("h1")).to_have_text("Fleet")
    page.goto(f"{site}/account/")
    page.locator("summary").filter(has_text="root").click()
    press(page, "Log out")
    page.get_by_label("User name").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main form button").first.click()
    expect(page.locator("h1")).to_have_text("Fleet")

    page.get_by_role("link", name="New project").click()
    page.get_by_label("Name").first.fill("plain")
    page.locator("main form button").first.click()
    page.get_by_role("link", name="Describe a node").click()
    page.get_by_label("Name").fill("Node A")  # a mistake is answered on the same page
    page.get_by_label("Address").fill("192.0.2.1")
    press(page, "Describe the node")
    expect(page.locator(".form-error")).to_contain_text("lower-case")
    expect(page.get_by_label("Address")).to_have_value("192.0.2.1")
    page.get_by_label("Name").fill("node-a")
    press(page, "Describe the node")

    (tmp_path / "chain.pem").write_bytes(server().pem + intermediate().pem)
    (tmp_path / "key.pem").write_bytes(server().key_pem(b"horse"))
    page.goto(f"{site}/projects/plain/certificates/")
    page.get_by_role("link", name="Add a certificate").click()
    page.get_by_label("Certificate and chain").set_input_files(tmp_path / "chain.pem")
    page.get_by_label("Private key").set_input_files(tmp_path / "key.pem")
    page.get_by_label("Passphrase").fill("horse")
    press(page, "Store it")
    expect(page.locator("main")).to_contain_text("www.example.org")

    page.goto(f"{site}/projects/plain/nodes/node-a/")
    page.get_by_role("link", name="New service").click()
    page.get_by_label("Name").fill("www")
    page.get_by_label("Ports").fill("443:8443 53:5353/udp")
    page.get_by_label("Certificate (optional)").select_option(index=1)
    press(page, "Describe the service")
    expect(page.locator("h1")).to_contain_text("www")

    page.goto(f"{site}/projects/plain/settings/")
    page.get_by_label("Or its text").fill("MODE=ok\nAPI_TOKEN=sentinel-3f1a\n")
    page.get_by_label("Plain settings").fill("MODE")
    press(page, "Import")
    expect(page.locator("main")).to_contain_text("API_TOKEN")
    assert "sentinel-3f1a" not in page.content()

    page.goto(f"{site}/projects/plain/nodes/node-a/machine/")
    with page.expect_download() as download:
        press(page, "ffs.ign")
    assert json.loads(Path(download.value.path()).read_text())["ignition"]["version"] == "3.3.0"

    (tmp_path / "app.tar").write_bytes(archive(podman_members(Picture())))
    page.goto(f"{site}/projects/plain/images/")
    page.locator("input[type=file]").set_input_files(tmp_path / "app.tar")
    press(page, "Upload")
    reload_until_ended(page)
    expect(page.locator("#situation .pill").first).to_have_text("Succeeded")

    page.goto(f"{site}/projects/plain/releases/")
    page.get_by_role("link", name="New release").first.click()
    page.get_by_label("Note").fill("by hand")
    press(page, "Make the release")
    press(page, "Show the plan")
    expect(page.locator("h1")).to_have_text("Plan for release 1")
    expect(page.locator("main")).to_contain_text("Read the node first.")
    page.locator("summary", has_text="The unit file").click()
    expect(page.locator(".diff")).to_contain_text("PublishPort=443:8443/tcp")
    expect(page.get_by_role("button", name="Make a fresh plan")).to_be_visible()
    context.close()
