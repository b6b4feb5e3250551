"""A certificate is renewed, rotated and restored, by clicks alone."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from playwright.sync_api import Page, expect

from tests.certificates.material import Issued, intermediate, issue, server
from tests.lab.nodes import Node

from .conftest import picture

SIDES = ("Local: the inventory", "Server: the node", "Container: from the node", "Container: from the dashboard")


def fingerprint(issued: Issued) -> str:
    return hashlib.sha256(issued.certificate.public_bytes(Encoding.DER)).hexdigest()


def served(node: Node) -> str:
    """What really comes out of the port."""
    pem = ssl.get_server_certificate((node.address, 443), timeout=10)
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def plan_and_rotate(page: Page) -> None:
    """From the plan to its end."""
    if page.locator('input[name="aware"]').count():
        page.check('input[name="aware"]')
    page.get_by_role("button", name="Rotate", exact=True).click()
    expect(page.locator("#situation .pill").first).to_have_text("Succeeded", timeout=120_000)


def sees(page: Page, site: str, issued: Issued) -> None:
    """The fleet's table shows this certificate at each of the places."""
    page.goto(f"{site}/certificates/")
    for side in SIDES:
        expect(page.locator(f'td[data-label="{side}"]')).to_contain_text(fingerprint(issued)[:16])
    expect(page.locator("main")).to_contain_text("All the same")


def rotate_and_restore(page: Page, site: str, node: Node, directory: Path) -> None:
    """The project ``serbest`` of the main path, whose service www serves ``server()``."""
    base = f"{site}/projects/serbest"
    names = ("www.example.org", "example.org")
    fresh = issue("www.example.org", intermediate(), names=names)
    (directory / "renewed.pem").write_bytes(fresh.pem + intermediate().pem)
    (directory / "renewed-key.pem").write_bytes(fresh.key_pem())
    page.goto(f"{base}/certificates/")
    page.locator("main").get_by_role("link", name="www.example.org").first.click()
    page.get_by_role("link", name="Replace").click()
    page.get_by_label("Certificate and chain").set_input_files(directory / "renewed.pem")
    page.get_by_label("Private key").set_input_files(directory / "renewed-key.pem")
    page.get_by_role("button", name="Store the new one").click()
    page.get_by_role("link", name="Rotate to this one").click()
    expect(page.get_by_label("www@node-a")).to_be_checked()
    picture(page, "rotate")
    page.get_by_role("button", name="Show the plan").click()
    picture(page, "plan-rotation")
    plan_and_rotate(page)
    sees(page, site, fresh)
    assert served(node) == fingerprint(fresh)
    picture(page, "served")

    page.goto(f"{base}/nodes/node-a/services/www/")
    expect(page.locator("#had")).to_contain_text(fingerprint(server())[:16])
    page.get_by_role("button", name="Restore").click()
    plan_and_rotate(page)
    sees(page, site, server())
    assert served(node) == fingerprint(server())
