"""The dashboard forgets what is old and needed by nothing, whether anything is deployed or not; and says so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from deployments.execution import retention
from deployments.models import FilesVersion, Image, Plan, Proven, PushedManifest, RegistryTag, Release, Service
from deployments.services import deploys, requests
from deployments.services.releases import Gone, make_release
from deployments.tasks import forget
from ffsweb.audit.models import AuditEvent
from ffsweb.audit.services import verify
from ffsweb.operations import services as operations
from ffsweb.operations.models import LogLine, Operation, OperationTarget
from ffsweb.operations.retention import AT_ONCE
from tests.deployments.facts import node_facts, read, service_facts
from tests.deployments.fleet import Fleet


@pytest.fixture(autouse=True)
def _limits(settings: Settings) -> None:
    settings.KEEP_OPERATIONS_DAYS, settings.KEEP_OPERATIONS = 90, 3
    settings.KEEP_RELEASES, settings.KEEP_IMAGES_DAYS = 3, 30


def ended(
    fleet: Fleet, *, days: float, kind: str = "deploy", service: Service | None = None, state: str = "succeeded"
) -> int:
    at = timezone.now() - timedelta(days=days)
    row = Operation.objects.create(project=fleet.project, kind=kind, title="x", state=state, finished_at=at)
    if service is not None:
        OperationTarget.objects.create(operation=row, key=service.resource, label="www")
    LogLine.objects.create(operation=row, number=1, at=at, text="A line")
    return row.pk


def left() -> set[int]:
    return set(Operation.objects.values_list("pk", flat=True))


# Operations.


def test_operations_go_that_are_old_and_not_among_the_last(fleet: Fleet) -> None:
    old = [ended(fleet, days=91) for _ in range(3)]
    young = ended(fleet, days=89)
    newest = [ended(fleet, days=200) for _ in range(3)]
    assert retention.operations(fleet.project) == 3
    assert left() == {young, *newest}
    assert set(LogLine.objects.values_list("operation", flat=True)) == {young, *newest}
    event = AuditEvent.objects.get(action="retention.operations")
    assert (event.actor_name, event.project_name) == ("ffsweb", "serbest")
    assert event.detail == {"count": 3, "operations": old}
    assert retention.operations(fleet.project) == 0
    assert verify().broken is None


def test_one_that_has_not_ended_stays_however_old_it_is(fleet: Fleet) -> None:
    active = [ended(fleet, days=400, state=state) for state in ("queued", "running", "parked")]
    newest = [ended(fleet, days=1) for _ in range(3)]
    retention.operations(fleet.project)
    assert left() == {*active, *newest}


def test_what_tells_what_runs_stays(fleet: Fleet) -> None:
    service = fleet.service(fleet.node())
    ended(fleet, days=300, service=service)
    last_good = ended(fleet, days=250, service=service)
    ended(fleet, days=220, service=service, state="failed")
    last = ended(fleet, days=200, service=service, kind="control", state="failed")
    ended(fleet, days=180, service=service, kind="journal")
    newest = [ended(fleet, days=1) for _ in range(3)]
    assert retention.operations(fleet.project) == 3
    assert left() == {last_good, last, *newest}


def test_other_projects_have_limits_of_their_own_and_a_tick_takes_a_bounded_number(fleet: Fleet) -> None:
    rows = [
        Operation(
            project=fleet.project,
            kind="x",
            title="x",
            state="failed",
            finished_at=timezone.now() - timedelta(days=100),
        )
        for _ in range(AT_ONCE + 10)
    ]
    Operation.objects.bulk_create(rows)
    assert retention.operations(fleet.project) == AT_ONCE
    assert retention.operations(fleet.project) == 7
    assert Operation.objects.count() == 3


# Releases.


class Releases:
    """Twelve releases; the last three stay by number."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.service = fleet.service(fleet.node())
        self.rows = {
            number: Release.objects.create(
                project=fleet.project, number=number, image=fleet.described_image(str(number))
            )
            for number in range(1, 13)
        }

    def left(self) -> list[int]:
        retention.releases(self.fleet.project)
        return sorted(Release.objects.values_list("number", flat=True))


@pytest.fixture
def made(fleet: Fleet) -> Releases:
    return Releases(fleet)


def test_the_last_releases_stay_and_the_others_go(made: Releases) -> None:
    assert made.left() == [10, 11, 12]
    assert AuditEvent.objects.get(action="retention.releases").detail == {"count": 9, "releases": list(range(1, 10))}
    assert Image.objects.count() == 12, "images go by their own rule"


def test_a_release_that_is_live_wanted_or_runs_by_the_last_reading_stays(made: Releases) -> None:
    Service.objects.update(live_release=made.rows[2], desired_release=made.rows[3])
    facts = service_facts(made.rows[4])
    facts["container"]["image_id"] = "sha256:" + "0" * 64  # it runs, but nobody proved it
    read(made.service.node, node_facts({"www": facts}))
    assert made.left() == [2, 3, 4, 10, 11, 12]


def test_what_is_gone_back_to_stays(made: Releases) -> None:
    for number in (1, 2, 3, 4):
        at = timezone.now() - timedelta(days=10 - number)
        Proven.objects.create(service=made.service, release=made.rows[number], at=at, image_id="x")
    assert made.left() == [2, 3, 4, 10, 11, 12]


def test_what_plans_and_operations_are_about_stays_until_they_end(made: Releases) -> None:
    Service.objects.update(live_release=made.rows[12])
    read(made.service.node)
    plan = deploys.preview(release=made.rows[5], services=[made.service], actor=made.fleet.alice)
    asked = deploys.request_deploy(plan=plan, actor=made.fleet.alice)
    assert made.left() == [5, 10, 11, 12]
    Plan.objects.all().delete()
    assert made.left() == [5, 10, 11, 12]
    operations.cancel(asked, actor=made.fleet.alice)
    assert made.left() == [10, 11, 12]


# Images and files.


def test_images_go_that_are_old_and_referred_to_by_nothing(fleet: Fleet) -> None:
    names = ("released", "tagged", "indexed", "sibling", "named", "young", "loose")
    images = {name: fleet.described_image(name) for name in names}
    long_ago = timezone.now() - timedelta(days=31)
    Image.objects.exclude(pk=images["young"].pk).update(came_at=long_ago)
    fleet.release(images["released"])
    Image.objects.filter(pk__in=[images["released"].pk, images["sibling"].pk]).update(index_digest="sha256:index-1")
    Image.objects.filter(pk=images["indexed"].pk).update(index_digest="sha256:index-2")
    manifest = PushedManifest.objects.create(project=fleet.project, digest="a", image=images["tagged"])
    index = PushedManifest.objects.create(project=fleet.project, digest="b", kept_digest="sha256:index-2")
    for number, pushed in enumerate((manifest, index)):
        RegistryTag.objects.create(project=fleet.project, name=f"v{number}", manifest=pushed)
    operation = requests.request_reading(node=fleet.node(), actor=fleet.alice)
    Operation.objects.filter(pk=operation.pk).update(params={"image": images["named"].pk})
    assert retention.images(fleet.project) == 1
    assert set(images.values()) - set(Image.objects.all()) == {images["loose"]}
    assert AuditEvent.objects.get(action="retention.images").detail["count"] == 1


def test_files_go_that_are_old_and_in_no_release_but_never_the_newest(fleet: Fleet) -> None:
    rows = [
        FilesVersion.objects.create(project=fleet.project, number=number, digest="x", manifest=[], size=0)
        for number in range(1, 5)
    ]
    FilesVersion.objects.update(created_at=timezone.now() - timedelta(days=31))
    fleet.release(fleet.described_image(), rows[1])
    assert retention.files(fleet.project) == 2
    assert list(FilesVersion.objects.values_list("number", flat=True)) == [4, 2]
    with pytest.raises(Gone, match="The files 1 were removed meanwhile"):
        make_release(project=fleet.project, actor=fleet.alice, image=fleet.described_image("two"), files=rows[0])


def test_the_clock_does_all_of_it_for_every_project(made: Releases) -> None:
    Image.objects.update(came_at=timezone.now() - timedelta(days=31))
    for _ in range(5):
        ended(made.fleet, days=100)
    forget()
    assert Operation.objects.count() == 3
    assert Release.objects.count() == Image.objects.count() == 3
    assert not AuditEvent.objects.filter(action__startswith="retention.").exclude(actor_name="ffsweb").exists()
