"""After a restore: a notice on every page, and the word of an administrator that ends the waiting."""

from __future__ import annotations

import pytest
from django.db import connection
from django.template import Context, Template

from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from ffsweb.operations import restored
from ffsweb.operations.models import Fence, Operation
from tests.support.threads import beside
from tests.web.conftest import Visit
from tests.web.markup import assert_well_made

pytestmark = pytest.mark.django_db

PAGE = "/system/restored/"
NOTICE = "This dashboard was restored from a backup"


@pytest.fixture
def waiting(db: None) -> restored.Restored:
    restored.mark("https://ffs.example.org, 2026-11-30T12:00:00+00:00")
    found = restored.restored()
    assert found is not None
    return found


def test_every_page_says_so_and_only_administrators_are_sent_to_the_word(
    visit: Visit, root: User, carol: User, project: Project, waiting: restored.Restored
) -> None:
    for path in ("/", "/projects/", f"/projects/{project.name}/", "/operations/", "/account/", "/nowhere/"):
        assert NOTICE in visit(carol).get(path).content.decode(), path
        assert PAGE not in visit(carol).get(path).content.decode()
    assert PAGE in visit(root).get("/").content.decode()
    assert NOTICE not in visit(None).get("/account/login/").content.decode()


def test_nothing_is_said_where_nothing_was_restored(visit: Visit, root: User) -> None:
    assert NOTICE not in visit(root).get("/").content.decode()
    assert "Nothing waits" in visit(root).get(PAGE).content.decode()


def test_the_word_begins_a_new_epoch_once(
    visit: Visit, root: User, alice: User, project: Project, waiting: restored.Restored
) -> None:
    Operation.objects.create(project=project, kind="deploy", title="Deploy release 7", state="running")
    before = Fence.objects.get().epoch
    page = visit(root).get(PAGE).content.decode()
    assert_well_made(page)
    assert "Deploy release 7" in page
    assert "https://ffs.example.org" in page
    seen = waiting.at.isoformat()
    assert visit(alice).post(PAGE, {"off": "on", "seen": seen}).status_code == 403
    assert visit(root).post(PAGE, {"seen": seen}).status_code == 422
    assert restored.waits()
    answer = visit(root).post(PAGE, {"off": "on", "seen": seen}, follow=True).content.decode()
    assert "Nodes refuse the old dashboard from now on." in answer
    assert NOTICE not in answer
    assert Fence.objects.get().epoch > before
    assert not restored.waits()
    event = AuditEvent.objects.get(action="system.restored")
    assert event.actor_name == "root"
    epoch = Fence.objects.get().epoch
    again = visit(root).post(PAGE, {"off": "on", "seen": seen}, follow=True).content.decode()
    assert "Nothing waits for this word any more" in again
    assert Fence.objects.get().epoch == epoch


@pytest.mark.django_db(transaction=True)
def test_a_page_that_is_made_in_a_thread_of_its_own_leaves_no_connection_there() -> None:
    left: list[object] = []

    def make() -> None:
        text = "{% load restored %}{% restored_database as restored %}{{ restored }}"
        assert Template(text).render(Context()) == "None"
        left.append(connection.connection)

    thread = beside(make)
    thread.start()
    thread.join()
    assert left == [None]
    assert Fence.objects.count() < 2 and connection.connection is not None
    make()
    assert left[1] is not None  # what was there before stays
