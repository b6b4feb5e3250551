"""Settings come in by a file, by text or one by one; hostile ones are refused by line, and no value is told."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections

from deployments.models import Setting
from deployments.services.settings import import_env
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent

from .conftest import Visit
from .markup import assert_well_made

pytestmark = pytest.mark.django_db
IMPORT = "/projects/serbest/settings/import/"
SET = "/projects/serbest/settings/set/"


def test_a_second_import_changes_what_it_names_and_nothing_else(visit: Visit, alice: User, project: Project) -> None:
    visit(alice).post(IMPORT, {"text": "A=1\nB=2\n", "plain_names": "A, B"})
    visit(alice).post(IMPORT, {"text": "B=3\nC=4\n", "plain_names": "C"})
    rows = {row.name: row for row in Setting.objects.all()}
    assert (rows["A"].value, rows["A"].version) == ("1", 1)
    assert (rows["B"].plain, rows["B"].value, rows["B"].version) == (False, "", 2)
    assert (rows["C"].value, rows["C"].version) == ("4", 1)
    assert rows["B"].sealed and not rows["A"].sealed


def test_a_thousand_values_take_few_queries(
    alice: User, project: Project, django_assert_max_num_queries: Any
) -> None:
    text = "".join(f"NAME_{number}={number}\n" for number in range(1000))
    for _ in range(2):
        with django_assert_max_num_queries(30):
            import_env(project=project, actor=alice, text=text)
    assert set(Setting.objects.values_list("version", flat=True)) == {2}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"A=\xff\xfe", "not text in UTF-8"),
        (b"A=1\nB=\x00\n", "Line 2"),
        (b"x" * (256 * 1024 + 1), "a .env has at most"),
        (b"\x7fELF" + b"\0" * 100, "Line 1"),
        (b"FFS_TOKEN=1", "own"),
        (b'A="open', "never closed"),
    ],
)
def test_a_file_that_is_no_env_is_refused_whole(
    visit: Visit, alice: User, project: Project, content: bytes, said: str
) -> None:
    answer = visit(alice).post(IMPORT, {"file": SimpleUploadedFile(".env", content)})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert said in page
    assert_well_made(page)
    assert not Setting.objects.exists()
    assert not AuditEvent.objects.filter(action="settings.import").exists()


@pytest.mark.parametrize(
    "data",
    [
        {"name": "", "value": "1"},
        {"name": "1A", "value": "1"},
        {"name": "A B", "value": "1"},
        {"name": "FFS_X", "value": "1"},
        {"name": "A" * 129, "value": "1"},
        {"name": "A\0", "value": "1"},
        {"name": "A", "value": "\0"},
        {"name": "A", "value": "bell\x07"},
        {"name": "A", "value": "x" * (64 * 1024 + 1)},
        {"name": "A", "value": "é" * (33 * 1024)},
    ],
)
def test_a_single_setting_has_the_rules_of_a_file(
    visit: Visit, alice: User, project: Project, data: dict[str, str]
) -> None:
    assert visit(alice).post(SET, data).status_code == 422
    assert not Setting.objects.exists()


def test_a_value_of_several_lines_is_kept_as_it_is(visit: Visit, alice: User, project: Project) -> None:
    visit(alice).post(SET, {"name": "A", "value": "  one\r\ntwo = 'x' #\r\n", "plain": "on"})
    assert Setting.objects.get().value == "  one\ntwo = 'x' #\n"


def test_a_setting_is_removed_once(visit: Visit, alice: User, bob: User, project: Project) -> None:
    visit(alice).post(SET, {"name": "A", "value": "1"})
    address = "/projects/serbest/settings/A/remove/"
    assert visit(bob).post(address).status_code == 403
    assert visit(alice).get(address).status_code == 405
    assert visit(alice).post(address).status_code == 303
    assert visit(alice).post(address).status_code == 404
    assert AuditEvent.objects.filter(action="settings.remove", target="A").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_in_opposite_order_both_count(alice: User, project: Project) -> None:
    names = [f"N{number}" for number in range(20)]
    import_env(project=project, actor=alice, text="".join(f"{name}=0\n" for name in names))
    failed: list[BaseException] = []
    start = threading.Barrier(2)

    def one(order: list[str]) -> None:
        try:
            start.wait(10)
            import_env(project=project, actor=alice, text="".join(f"{name}=1\n" for name in order))
        except Exception as error:
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(order,)) for order in (names, names[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failed
    assert set(Setting.objects.values_list("version", flat=True)) == {3}
