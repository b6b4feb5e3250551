"""Whose an upload is, who sees it, and how it goes: discarded by its owner, or by the clock."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from deployments import tasks
from deployments.models import Upload
from deployments.oci.partfile import PartFile
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent

from .conftest import Visit
from .markup import assert_well_made
from .tus import CONTENT, PAGES, Sender, files_in, sender

__all__ = ["sender"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data")]


def test_an_upload_belongs_to_who_began_it(
    sender: Sender, visit: Visit, alice: User, root: User, carol: User
) -> None:
    sender.patch(0, CONTENT[:4000])
    for person, status in ((alice, 404), (root, 404), (carol, 403), (None, 302)):
        other = Sender(visit(person), CONTENT)
        other.address = sender.address
        for answer in (other.head(), other.patch(4000, CONTENT[4000:]), other.delete(), other.finish()):
            assert answer.status_code == status
        assert other.client.post(f"{sender.address}discard/").status_code == status
    assert sender.offset() == 4000


def test_an_address_counts_in_its_own_project_alone(sender: Sender, bob: User, visit: Visit) -> None:
    from ffsweb.accounts.models import Membership, Role

    Membership.objects.create(user=bob, project=Project.objects.create(name="other"), role=Role.OPERATOR)
    elsewhere = Sender(visit(bob), CONTENT)
    elsewhere.address = sender.address.replace("serbest", "other")
    for answer in (elsewhere.head(), elsewhere.patch(0, CONTENT), elsewhere.delete(), elsewhere.finish()):
        assert answer.status_code == 404


def test_without_the_token_of_the_page_nothing_is_taken(bob: User, data: Path) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(bob)
    forged = Sender(browser)
    assert forged.create().status_code == 403
    assert files_in(data) == []
    with_token = Sender(Client())
    with_token.client.force_login(bob)
    with_token.create()
    forged.address = with_token.address
    for answer in (forged.patch(0, b"x"), forged.delete(), forged.finish()):
        assert answer.status_code == 403
    assert with_token.offset() == 0


def test_a_role_that_was_taken_ends_the_upload(sender: Sender, bob: User) -> None:
    bob.memberships.update(role="viewer")
    assert sender.patch(0, b"x").status_code == 403
    bob.memberships.all().delete()
    assert sender.patch(0, b"x").status_code == 404
    assert sender.file.stat().st_size == 0


def test_a_discarded_upload_is_gone_at_once(sender: Sender, data: Path, visit: Visit, bob: User) -> None:
    sender.patch(0, CONTENT[:100])
    assert sender.delete().status_code == 204
    assert files_in(data) == []
    for answer in (sender.head(), sender.patch(100, b"x"), sender.delete(), sender.finish()):
        assert answer.status_code == 404
    assert AuditEvent.objects.filter(action="upload.discard", target="app.tar").count() == 1


def test_the_page_shows_what_is_unfinished_and_its_button_discards(
    sender: Sender, visit: Visit, alice: User, data: Path
) -> None:
    sender.patch(0, CONTENT[:3200])
    page = sender.client.get(PAGES["image"]).content.decode()
    assert_well_made(page)
    assert "3.2 of 10.2 kB" in page
    assert "yours" in page
    assert f'data-address="{sender.address}"' in page
    others = visit(alice).get(PAGES["image"]).content.decode()
    assert "3.2 of 10.2 kB" in others
    assert "by bob" in others
    assert sender.address not in others
    assert "3.2 of 10.2 kB" not in sender.client.get(PAGES["files"]).content.decode()
    answer = sender.client.post(f"{sender.address}discard/", follow=True)
    assert b"The unfinished upload of app.tar was discarded." in answer.content
    assert files_in(data) == []


def test_an_upload_is_kept_for_seven_days_after_its_last_part(sender: Sender, data: Path) -> None:
    sender.patch(0, CONTENT[:10])
    assert timedelta(days=6, hours=23) < sender.row.expires_at - timezone.now() <= timedelta(days=7)
    Upload.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    sender.patch(10, CONTENT[10:20])
    assert sender.row.expires_at - timezone.now() > timedelta(days=6)
    tasks.expire_uploads()
    os.utime(sender.file, (0, 0))
    tasks.sweep_store()
    assert sender.offset() == 20
    Upload.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    with PartFile(sender.file):  # somebody sends just now
        tasks.expire_uploads()
        assert sender.offset() == 20
    kept = sender.file
    tasks.expire_uploads()
    assert not kept.exists()
    assert not Upload.objects.exists()


def test_of_an_upload_that_was_taken_only_the_row_expires(sender: Sender, data: Path) -> None:
    sender.patch(0, CONTENT)
    sender.finish()
    Upload.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    tasks.expire_uploads()
    assert len(files_in(data)) == 1, "the worker still waits for it"
    assert not Upload.objects.exists()
