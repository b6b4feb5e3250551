"""The page of backups: administrators see what was made, and whether a restore would do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from ffsweb.accounts.models import User
from ffsweb.backup.models import Backup, KeysCopy, Watch
from tests.web.conftest import Visit
from tests.web.markup import assert_well_made

pytestmark = pytest.mark.django_db

PAGE = "/system/backups/"


def test_it_shows_the_backups_their_tests_and_what_is_wrong(visit: Visit, root: User) -> None:
    page = visit(root).get(PAGE).content.decode()
    assert_well_made(page)
    assert "No backup yet" in page
    now = timezone.now()
    Backup.objects.create(made_at=now, size=1, images=False, place="/srv/<b>", tested_at=now, problem="It was cut.")
    Backup.objects.create(made_at=now - timedelta(days=1), size=2, images=True)
    KeysCopy.objects.create(made_at=now, keys=["worker/ab"])
    Watch.objects.create(pk=1, looked_at=now, since=now, trouble="The newest backup is of no use.")
    page = visit(root).get(PAGE).content.decode()
    assert_well_made(page)
    for text in ("/srv/&lt;b&gt;", "It was cut.", "standard output", "of 1 key", "The newest backup is of no use."):
        assert text in page


def test_nobody_else_sees_it(visit: Visit, alice: User) -> None:
    assert visit(alice).get(PAGE).status_code == 403
