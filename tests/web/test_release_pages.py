"""Releases are made of what the project has, keep the settings of the moment, and never change."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.models import FilesVersion, Image, Release
from deployments.services.content import StillNeeded, remove_image
from deployments.services.releases import Gone, make_release
from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.audit.models import AuditEvent

from .conftest import Visit
from .described import Described
from .markup import assert_well_made

pytestmark = pytest.mark.django_db
NEW = "/projects/serbest/releases/new/"


def files_version(project: Project, number: int = 1) -> FilesVersion:
    return FilesVersion.objects.create(project=project, number=number, digest=f"{number}", manifest=[], size=0)


@pytest.fixture
def image(described: Described) -> Image:
    return described.described_image()


@pytest.fixture
def theirs(mallory: User) -> Described:
    """Another project, of which only mallory is a member."""
    other = Project.objects.create(name="other")
    Membership.objects.create(user=mallory, project=other, role=Role.ADMIN)
    return Described(other, mallory)


def test_an_operator_makes_a_release_of_image_files_and_settings(
    visit: Visit, bob: User, described: Described, image: Image
) -> None:
    described.settings("TOKEN=hunter2-sentinel\nCOLOUR=blue\n", plain=["COLOUR"])
    files = files_version(described.project)
    answer = visit(bob).post(NEW, {"image": image.pk, "files": files.pk, "note": "The first"})
    assert (answer.status_code, answer["Location"]) == (303, "/projects/serbest/releases/1/")
    release = Release.objects.get()
    assert (release.number, release.image, release.files, release.created_by) == (1, image, files, "bob")
    assert release.plain_settings == {"COLOUR": "blue"}
    assert list(release.sealed_settings) == ["TOKEN"]
    event = AuditEvent.objects.get(action="release.make")
    assert (event.actor_name, event.target) == ("bob", "release 1")
    assert event.detail == {"image": image.image_id, "files": 1}


def test_its_page_names_sealed_settings_and_shows_plain_ones(
    visit: Visit, carol: User, described: Described, image: Image
) -> None:
    described.settings("TOKEN=hunter2-sentinel\nCOLOUR=blue\n", plain=["COLOUR"])
    release = described.release(image)
    page = visit(carol).get("/projects/serbest/releases/1/").content.decode()
    assert_well_made(page)
    assert "COLOUR=blue" in page
    assert "TOKEN" in page
    assert "hunter2" not in page
    assert release.sealed_settings["TOKEN"] not in page
    assert "Show the plan" not in page


def test_a_release_keeps_its_settings_when_they_change(described: Described, image: Image) -> None:
    described.settings("A=1\nTOKEN=one\n", plain=["A"])
    first = described.release(image)
    described.settings("A=2\nB=3\nTOKEN=two\n", plain=["A", "B"])
    second = described.release(image)
    first.refresh_from_db()
    assert (first.plain_settings, second.plain_settings) == ({"A": "1"}, {"A": "2", "B": "3"})
    assert first.sealed_settings["TOKEN"] != second.sealed_settings["TOKEN"]
    assert (first.number, second.number) == (1, 2)


def test_a_viewer_makes_none(visit: Visit, carol: User, image: Image) -> None:
    assert visit(carol).get("/projects/serbest/releases/").status_code == 200
    assert visit(carol).get(NEW).status_code == 403
    assert visit(carol).post(NEW, {"image": image.pk}).status_code == 403
    assert not Release.objects.exists()


@pytest.mark.parametrize("field", ["image", "files"])
@pytest.mark.parametrize("value", ["x", "0", "-1", "999999", "²", str(2**63), str(10**30), "9" * 5000, "1\0", "é"])
def test_what_is_not_in_the_project_is_refused_on_the_form(
    visit: Visit, bob: User, image: Image, field: str, value: str
) -> None:
    answer = visit(bob).post(NEW, {"image": image.pk, "files": "", field: value})
    assert answer.status_code == 422
    assert_well_made(answer.content.decode())
    assert not Release.objects.exists()


def test_image_and_files_of_another_project_are_refused(
    visit: Visit, bob: User, image: Image, theirs: Described
) -> None:
    foreign = theirs.described_image("two")
    files = files_version(theirs.project)
    for data in ({"image": foreign.pk}, {"image": image.pk, "files": files.pk}):
        assert visit(bob).post(NEW, data).status_code == 422
    assert not Release.objects.exists()
    assert str(foreign.image_id).encode() not in visit(bob).get(NEW).content


@pytest.mark.parametrize("note", ["x" * 256, "a\0b"])
def test_a_note_that_no_row_can_hold_is_refused(visit: Visit, bob: User, image: Image, note: str) -> None:
    assert visit(bob).post(NEW, {"image": image.pk, "note": note}).status_code == 422
    assert not Release.objects.exists()


def test_without_an_image_the_page_says_what_to_do_first(visit: Visit, bob: User, project: Project) -> None:
    page = visit(bob).get(NEW)
    assert b"Upload an image first" in page.content
    assert visit(bob).post(NEW, {}).status_code == 422


@pytest.mark.parametrize("number", ["0", "2", str(2**31), str(2**63), str(10**30), "9" * 5000])
@pytest.mark.parametrize("kind", ["releases", "files"])
def test_a_number_that_nothing_has_is_not_there(
    visit: Visit, bob: User, described: Described, image: Image, kind: str, number: str
) -> None:
    described.release(image, files_version(described.project))
    assert visit(bob).get(f"/projects/serbest/{kind}/1/").status_code == 200
    assert visit(bob).get(f"/projects/serbest/{kind}/{number}/").status_code == 404


def test_an_image_goes_when_no_release_is_made_of_it(
    visit: Visit, alice: User, bob: User, described: Described, image: Image
) -> None:
    address = f"/projects/serbest/images/{image.pk}/remove/"
    assert visit(bob).post(address).status_code == 403
    release = described.release(image)
    answer = visit(alice).post(address, follow=True)
    assert b"belongs to a release. Nothing was removed." in answer.content
    assert Image.objects.exists()
    assert not AuditEvent.objects.filter(action="image.remove").exists()
    release.delete()
    visit(alice).post(address)
    assert not Image.objects.exists()
    assert AuditEvent.objects.get(action="image.remove").detail == {"image": image.image_id}
    assert visit(alice).post(address).status_code == 404


def test_the_image_of_another_project_is_not_there(visit: Visit, alice: User, theirs: Described) -> None:
    foreign = theirs.described_image("two")
    for project in ("serbest", "other"):
        assert visit(alice).post(f"/projects/{project}/images/{foreign.pk}/remove/").status_code == 404
    assert Image.objects.exists()


def test_an_image_that_was_removed_meanwhile_makes_no_release(described: Described, image: Image) -> None:
    remove_image(image=Image.objects.get(), actor=described.alice)
    with pytest.raises(Gone, match="was removed"):
        make_release(project=described.project, actor=described.alice, image=image, files=None)
    assert not AuditEvent.objects.filter(action="release.make").exists()


def test_an_image_that_a_release_needs_by_now_is_not_removed(described: Described, image: Image) -> None:
    stale = Image.objects.get()
    described.release(image)
    with pytest.raises(StillNeeded):
        remove_image(image=stale, actor=described.alice)
    assert Image.objects.exists()


def test_lists_read_no_manifest_and_ask_as_much_for_many_as_for_few(
    visit: Visit, carol: User, described: Described, image: Image, django_assert_max_num_queries: Any
) -> None:
    for number in range(1, 21):
        described.release(image, files_version(described.project, number))
    client = visit(carol)
    for page in ("releases", "files", "images"):
        with django_assert_max_num_queries(12) as asked:
            assert client.get(f"/projects/serbest/{page}/").status_code == 200
        assert not [query["sql"] for query in asked.captured_queries if '"manifest"' in query["sql"]], page


def test_the_form_reads_no_manifest(
    visit: Visit, bob: User, described: Described, image: Image, django_assert_max_num_queries: Any
) -> None:
    files_version(described.project)
    client = visit(bob)
    with django_assert_max_num_queries(14) as asked:
        assert client.get(NEW).status_code == 200
    assert not [query["sql"] for query in asked.captured_queries if '"manifest"' in query["sql"]]
