"""The main job as an operator does it: describe a machine, download its file, boot it, deploy, watch."""

from __future__ import annotations

import json
import re
import ssl
import tarfile
import urllib.request
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.certificates.material import intermediate, server
from tests.lab.lab import Lab
from tests.lab.nodes import Node
from tests.support.installation import Installation

from .conftest import picture
from .rotating import rotate_and_restore

pytestmark = [pytest.mark.lab, pytest.mark.browser, pytest.mark.timeout(600)]

ADDRESS_UNTIL_BOOT = "192.0.2.1"


def click(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def answers(node: Node) -> str:
    """The version that the sample application serves over HTTPS."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with urllib.request.urlopen(f"https://{node.address}/", context=context, timeout=10) as answer:
        return str(json.loads(answer.read())["version"])


def upload(page: Page, base: str, what: str, archive: Path) -> None:
    page.goto(f"{base}/{what}/")
    page.locator("input[type=file]").set_input_files(archive)
    click(page, "Upload")
    expect(page.locator("#situation .pill").first).to_have_text("Succeeded", timeout=60_000)
    picture(page, f"operation-import-{what}")


def files_archive(path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in {"greeting.txt": b"hello", "conf/app.toml": b"colour = 'blue'\n"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, BytesIO(text))
    return path


def release_and_plan(page: Page, base: str, note: str) -> None:
    page.goto(f"{base}/releases/new/")
    page.get_by_label("Note").fill(note)
    picture(page, "release-new")
    click(page, "Make the release")
    picture(page, "release")
    click(page, "Show the plan")
    picture(page, "plan")


def test_the_whole_path_in_a_browser(
    administrator: Page, dashboard: Installation, lab: Lab, sample_image: Callable[..., Path], tmp_path: Path
) -> None:
    page, site = administrator, dashboard.address
    picture(page, "fleet-empty")
    page.goto(f"{site}/projects/new/")
    page.get_by_label("Name").first.fill("serbest")
    picture(page, "project-new")
    page.locator("main form button").first.click()
    base = f"{site}/projects/serbest"
    page.goto(f"{base}/")
    picture(page, "project-empty")

    page.goto(f"{base}/nodes/new/")
    page.get_by_label("Name").fill("node-a")
    page.get_by_label("Address").fill(ADDRESS_UNTIL_BOOT)
    picture(page, "node-new")
    click(page, "Describe the node")

    (tmp_path / "chain.pem").write_bytes(server().pem + intermediate().pem)
    (tmp_path / "key.pem").write_bytes(server().key_pem(b"horse"))
    page.goto(f"{base}/certificates/add/")
    page.get_by_label("Certificate and chain").set_input_files(tmp_path / "chain.pem")
    page.get_by_label("Private key").set_input_files(tmp_path / "key.pem")
    page.get_by_label("Passphrase").fill("horse")
    picture(page, "certificate-add")
    click(page, "Store it")
    expect(page.locator("main")).to_contain_text("www.example.org")
    picture(page, "certificates")

    page.goto(f"{base}/nodes/node-a/services/new/")
    page.get_by_label("Name").fill("www")
    page.get_by_label("Ports").fill("443:8443")
    page.locator("select[name=certificate]").select_option(index=1)
    page.get_by_label("Settle window").fill("5")
    picture(page, "service-new")
    click(page, "Describe the service")

    page.goto(f"{base}/settings/")
    page.get_by_label("Or its text").fill("SAMPLE_MODE=ok\nAPI_TOKEN=browser-sentinel-91c2\n")
    page.get_by_label("Plain settings").fill("SAMPLE_MODE")
    click(page, "Import")
    expect(page.locator("main")).not_to_contain_text("browser-sentinel-91c2")
    picture(page, "settings")

    page.goto(f"{base}/nodes/node-a/machine/")
    with page.expect_download() as download:
        click(page, "ffs.ign")
    machine_file = tmp_path / "ffs.ign"
    download.value.save_as(machine_file)
    page.reload()
    picture(page, "machine")
    node = lab.up("browser-path", machine_file)
    try:
        page.goto(f"{base}/nodes/node-a/edit/")
        page.get_by_label("Address").fill(node.address)
        click(page, "Save")

        page.goto(f"{base}/nodes/node-a/")
        click(page, "Read now")
        expect(page.locator("#situation .pill").first).to_have_text("Succeeded", timeout=30_000)
        page.goto(f"{base}/nodes/node-a/")
        picture(page, "node")

        upload(page, base, "images", sample_image("1.0"))
        picture(page, "images")
        upload(page, base, "files", files_archive(tmp_path / "files.tar.gz"))
        page.goto(f"{base}/images/")
        picture(page, "images")
        page.goto(f"{base}/files/1/")
        picture(page, "files-version")

        release_and_plan(page, base, "the first")
        expect(page.locator("main")).to_contain_text("node-a")
        if page.locator('input[name="aware"]').count():
            page.check('input[name="aware"]')
        click(page, "Deploy")
        # The log is live: lines come in while the page stays as it is.
        expect(page.locator(".log-lines")).to_contain_text("Pushing the image", timeout=60_000)
        picture(page, "operation-running")
        expect(page.locator("#situation .pill").first).to_have_text("Succeeded", timeout=180_000)
        expect(page.locator("#situation")).to_contain_text("Release 1 is live on www@node-a.")
        picture(page, "operation-succeeded")
        numbers = [int(row.get_attribute("data-n") or 0) for row in page.locator(".log-lines li").all()]
        assert numbers == list(range(1, len(numbers) + 1))
        lines = page.locator(".log-lines li .log-text").all_inner_texts()
        page.reload()
        assert page.locator(".log-lines li .log-text").all_inner_texts() == lines
        assert answers(node) == "1.0"

        page.goto(f"{base}/nodes/node-a/services/www/")
        expect(page.locator("h1").first).to_contain_text("www")
        expect(page.locator(".title-note .pill")).to_have_text("Live")
        picture(page, "service")
        page.get_by_label("Follow").uncheck()
        click(page, "Read the journal")
        expect(page.locator("#situation .pill").first).to_have_text("Succeeded", timeout=30_000)
        expect(page.locator(".log-lines li").first).to_be_visible()
        picture(page, "operation-journal")

        rotate_and_restore(page, site, node, tmp_path)

        page.goto(f"{site}/")
        expect(page.locator("#board")).to_contain_text("Live")
        picture(page, "fleet")
        page.goto(f"{base}/")
        picture(page, "project")
        page.goto(f"{base}/releases/")
        picture(page, "releases")
        page.goto(f"{base}/audit/")
        expect(page.locator("main")).not_to_contain_text("browser-sentinel-91c2")
        picture(page, "audit")
        page.goto(f"{site}/operations/")
        picture(page, "operations")
        for path, name in (("projects/", "projects"), ("system/", "system"), ("account/", "account")):
            page.goto(f"{site}/{path}")
            picture(page, name)
    finally:
        node.remove()
    assert not re.search("browser-sentinel-91c2", dashboard.log.read_text())
