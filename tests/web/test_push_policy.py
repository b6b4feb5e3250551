"""The page about pushed images, and that a push over the registry is taken up."""

from __future__ import annotations

import pytest

from deployments.models import Image, PushPolicy, TakenUp
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from tests.oci.images import Picture, layer

from .conftest import Visit
from .markup import assert_well_made
from .pushing import Client, client, served

__all__ = ["client", "served"]

PAGE = "/projects/serbest/registry/policy/"
DEPLOY = {"mode": "deploy", "pattern": "serbest:v*", "services": "www, api", "tags": "eu", "waves": "1, rest"}


@pytest.mark.django_db
def test_an_admin_chooses_and_others_read(
    project: Project, alice: User, bob: User, carol: User, visit: Visit
) -> None:
    assert_well_made(visit(alice).get(PAGE).content.decode())
    assert visit(bob).post(PAGE, DEPLOY).status_code == 403
    assert visit(alice).post(PAGE, DEPLOY).status_code == 303
    row = PushPolicy.objects.get()
    assert (row.mode, row.pattern, row.waves) == ("deploy", "serbest:v*", "1, rest")
    assert (row.services, row.tags) == (["api", "www"], ["eu"])
    assert AuditEvent.objects.get(action="push-policy.set").detail["pattern"] == "serbest:v*"
    shown = visit(carol).get(PAGE).content.decode()
    assert_well_made(shown)
    assert "serbest:v*" in shown and "Make a release and deploy it" in shown and "<textarea" not in shown
    assert 'value="api www"' in visit(alice).get(PAGE).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("pattern", "no-tag", "with a colon between"),
        ("pattern", "a b:c", "with a colon between"),
        ("mode", "always", "not one of the available"),
        ("waves", "rest, 1", ""),
    ],
)
def test_what_cannot_be_is_refused(alice: User, visit: Visit, field: str, value: str, said: str) -> None:
    answer = visit(alice).post(PAGE, DEPLOY | {field: value})
    assert answer.status_code == 422 and said in answer.content.decode()
    assert not PushPolicy.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_push_under_a_name_that_counts_is_taken_up_once(client: Client, project: Project, visit: Visit) -> None:
    PushPolicy.objects.create(project=project, mode="deploy", pattern="serbest:v*")
    picture = Picture()
    assert client.push(picture, "main").status == 201
    assert not TakenUp.objects.exists()
    for tag in ("v1", "v1", "v1.0"):
        assert client.push(picture, tag).status == 201
    row = TakenUp.objects.get()
    assert (row.image, row.name, row.pushed_by, row.state) == (
        Image.objects.get(),
        "serbest:v1",
        "bob (builder)",
        "waiting",
    )
    assert row.token is not None and row.token.name == "builder"
    client.push(Picture(layers=[layer(app="two")]), "v2")
    assert TakenUp.objects.count() == 2
    page = visit(User.objects.get(username="bob")).get(PAGE).content.decode()
    assert_well_made(page)
    assert "serbest:v2" in page
