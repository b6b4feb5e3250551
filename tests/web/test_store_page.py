"""The image store's page: administrators see what is kept and why, and may have it collected now."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.models import Collection, Image
from deployments.tasks import collect_store
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from tests.web.conftest import Visit
from tests.web.described import Described

pytestmark = pytest.mark.django_db

PAGE = "/system/store/"


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_it_tells_who_has_what_and_why_it_is_kept(visit: Visit, root: User, described: Described) -> None:
    described.release(described.described_image("one"))
    text = text_of(visit(root).get(PAGE))
    assert "What is kept, and why" in text
    assert "1.0 MB, each counted once" in text
    assert '<a href="/projects/serbest/images/">serbest</a>' in text
    assert "not collected yet" in text


def test_an_empty_store_says_so(visit: Visit, root: User, project: Project) -> None:
    assert "No project has an image." in text_of(visit(root).get(PAGE))


def test_an_administrator_has_it_collected(visit: Visit, root: User, project: Project) -> None:
    client = visit(root)
    answer = client.post("/system/store/collect/", follow=True)
    assert "The worker collects the store as soon as nothing is being taken in." in text_of(answer)
    assert Collection.objects.get().asked_by == "root"
    assert AuditEvent.objects.filter(action="store.collect").exists()
    assert "disabled" in text_of(client.get(PAGE)).split("Collect now")[0].rsplit("<button", 1)[1]
    collect_store()
    assert "in 0 blobs after the last collection" in text_of(client.get(PAGE))


def test_nobody_else_may(visit: Visit, alice: User) -> None:
    assert visit(alice).get(PAGE).status_code == 403
    assert visit(alice).post("/system/store/collect/").status_code == 403
    assert not Collection.objects.exists()


def test_why_nothing_was_removed_is_shown(visit: Visit, root: User, project: Project) -> None:
    Collection.objects.create(problem="An upload is being taken in. The collection waits for its end.")
    assert "The collection waits for its end." in text_of(visit(root).get(PAGE))


def test_it_asks_as_much_for_many_images_as_for_few(
    visit: Visit, root: User, described: Described, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        described.described_image(f"number {number}")
    client = visit(root)
    with django_assert_max_num_queries(14):
        assert client.get(PAGE).status_code == 200


def test_the_page_of_images_shows_architectures_sizes_and_what_is_shared(
    visit: Visit, carol: User, described: Described
) -> None:
    layers = [{"diff_id": "sha256:" + "a" * 64, "size": 5_000_000}]
    for number, name in enumerate(("amd64", "arm64")):
        Image.objects.create(
            project=described.project,
            image_id=f"sha256:{number:064x}",
            manifest_digest=f"sha256:{number:064x}",
            reference="localhost/app:1",
            architecture=name,
            index_digest="sha256:" + "b" * 64,
            came_by="archive app.tar",
            layers=[*layers, {"diff_id": f"sha256:{number + 9:064x}", "size": 1_000_000}],
            size=6_000_000,
        )
    text = text_of(visit(carol).get("/projects/serbest/images/"))
    assert "This project's images take 7.0 MB" in text or "This project&#x27;s images take 7.0 MB" in text
    assert text.count("5.0 MB shared with others") == 2
    assert text.count("archive app.tar") == 2
    assert text.index(">amd64<") < text.index("the same image") < text.index(">arm64<")


def test_a_release_is_made_of_all_architectures_by_choosing_one_line(
    visit: Visit, bob: User, described: Described
) -> None:
    rows = [
        Image.objects.create(
            project=described.project, image_id=f"sha256:{at}", manifest_digest="x", reference="app:1",
            architecture=name, index_digest="sha256:i", layers=[], size=0,
        )
        for at, name in enumerate(("s390x", "arm64", "amd64"))
    ]  # fmt: skip
    client = visit(bob)
    text = text_of(client.get("/projects/serbest/releases/new/"))
    assert text.count("app:1 (amd64, arm64, s390x)") == 1
    assert text.count("<option") == 2  # and "No project files"
    assert client.post("/projects/serbest/releases/new/", {"image": rows[0].pk}).status_code == 422
    assert client.post("/projects/serbest/releases/new/", {"image": rows[2].pk}).status_code == 303
    text = text_of(client.get("/projects/serbest/releases/1/"))
    assert text.index("Image for amd64") < text.index("The same for arm64") < text.index("The same for s390x")
    assert "amd64, arm64, s390x" in text_of(client.get("/projects/serbest/releases/"))
