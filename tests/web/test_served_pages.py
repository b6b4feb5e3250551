"""The pages of served certificates: who sees which rows, what they say, filters and CSV."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from certificates.models import Certificate
from deployments.models import Served, Service
from ffsweb.accounts.models import Project, User
from tests.certificates.material import issue
from tests.deployments.facts import node_facts, read, service_facts

from .conftest import Visit
from .described import Described
from .markup import faults_of

pytestmark = pytest.mark.django_db
OWN, FLEET = "/projects/serbest/certificates/served/", "/certificates/"


def served(
    described: Described, fingerprint: str = "", name: str = "www", ago: float = 60, error: str = ""
) -> Service:
    """A live service whose node has the inventory's certificate, and that was seen to serve ``fingerprint``."""
    node = described.project.nodes.first() or described.node()
    certificate = Certificate.objects.first() or described.certificate(issue("tls", names=("www.example.org",)))
    port = {"host": 443 + Service.objects.count(), "container": 8443, "protocol": "tcp"}
    service = described.service(node, name, certificate=certificate, ports=[port])
    release = described.project.releases.first() or described.release(described.described_image())
    Service.objects.filter(pk=service.pk).update(live_release=release)
    held = [certificate.version, f"{'b' * 64}-12345678"]
    facts = {
        row.name: service_facts(release, certificate=certificate.version, certs=held)
        for row in Service.objects.filter(node=node)
    }
    read(node, node_facts(facts))
    Served.objects.create(
        service=service,
        at=timezone.now() - timedelta(seconds=ago),
        port=443 if fingerprint or not error else 0,
        fingerprint=fingerprint or ("" if error else certificate.fingerprint),
        not_after=certificate.not_after,
        error=error,
    )
    return service


def test_a_container_that_kept_the_old_certificate_is_told_of(
    visit: Visit, described: Described, carol: User
) -> None:
    service = served(described, "b" * 64)
    for path in (OWN, FLEET, service.get_absolute_url()):
        page = visit(carol).get(path)
        assert "it did not load the new file" in page.content.decode(), path
        assert not faults_of(page.content.decode())


def test_one_that_serves_the_right_one_is_good(visit: Visit, described: Described, carol: User) -> None:
    served(described)
    page = visit(carol).get(OWN).content.decode()
    assert "All the same</span>" in page
    assert "Not the same</span>" not in page


def test_a_service_that_was_never_looked_at_is_shown_as_such(visit: Visit, described: Described, carol: User) -> None:
    served(described)
    Served.objects.all().delete()
    for path in (OWN, FLEET):
        page = visit(carol).get(path)
        assert page.status_code == 200
        assert "not looked at yet" in page.content.decode()
        assert not faults_of(page.content.decode())


def test_a_look_of_long_ago_is_shown_as_such(visit: Visit, described: Described, carol: User) -> None:
    served(described, ago=3600 * 5)
    page = visit(carol).get(OWN).content.decode()
    assert "long ago" in page
    assert "pill-warn" in page


def test_what_only_the_node_sees_is_a_column_of_its_own_and_a_difference_has_a_name(
    visit: Visit, described: Described, carol: User
) -> None:
    served(described, "b" * 64)
    own = Certificate.objects.get().fingerprint
    Served.objects.update(node_at=timezone.now(), node_port=443, node_fingerprint=own)
    page = visit(carol).get(f"{OWN}?state=front")
    assert not faults_of(page.content.decode())
    assert "Something in front</span>" in page.content.decode()
    assert "look at the proxy or balancer" in page.content.decode()
    (row,) = csv.DictReader(io.StringIO(visit(carol).get(f"{OWN[:-1]}.csv").getvalue().decode()))  # type: ignore[attr-defined]
    assert (row["state"], row["served_sha256"], row["node_served_sha256"]) == ("front", "b" * 64, own)


def test_a_node_that_could_not_look_says_why(visit: Visit, described: Described, carol: User) -> None:
    served(described)
    Served.objects.update(
        node_at=timezone.now(), node_error="the node's program is too old to look: upgrade ffs-node."
    )
    page = visit(carol).get(OWN).content.decode()
    assert "too old to look: upgrade ffs-node" in page
    assert "All the same</span>" in page


def test_rows_are_filtered_by_state_and_words(visit: Visit, described: Described, carol: User) -> None:
    served(described)
    served(described, "b" * 64, "api")
    served(described, name="mail", error="port 445 took no connection.")

    def names(query: str) -> list[str]:
        return [row.service.name for row in visit(carol).get(f"{OWN}?{query}").context["rows"]]

    assert names("") == ["api", "mail", "www"]
    assert names("state=mismatch") == ["api"]
    assert names("state=unknown") == ["mail"]
    assert names("state=match") == ["www"]
    assert names("state=nonsense") == ["api", "mail", "www"]
    assert names("search=API") == ["api"]
    assert names("search=bbbbbb") == ["api"]
    assert names("search=BB:BB") == ["api"]
    assert names("search=www.example.org+api@node-a") == ["api"]
    assert names("search=%00nothing") == []
    assert "Nothing fits" in visit(carol).get(f"{OWN}?search=nothing").content.decode()


def test_nobody_sees_rows_of_other_projects(visit: Visit, described: Described, mallory: User) -> None:
    served(described)
    assert visit(mallory).get(OWN).status_code == 404
    page = visit(mallory).get(FLEET)
    assert page.context["rows"] == []
    assert "www" not in visit(mallory).get("/certificates/served.csv").getvalue().decode()  # type: ignore[attr-defined]


def test_the_csv_has_the_filtered_rows(visit: Visit, described: Described, carol: User) -> None:
    served(described)
    served(described, "b" * 64, "api")
    answer = visit(carol).get("/certificates/served.csv?state=mismatch")
    assert answer["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))  # type: ignore[attr-defined]
    assert [(row["service"], row["served_sha256"], row["state"]) for row in rows] == [("api", "b" * 64, "mismatch")]


def test_what_a_peer_said_is_no_formula_and_no_markup(visit: Visit, described: Described, carol: User) -> None:
    served(described, error="=1+1<script>alert(1)</script>")
    assert "<script>alert" not in visit(carol).get(OWN).content.decode()
    rows = csv.DictReader(io.StringIO(visit(carol).get(f"{OWN[:-1]}.csv").getvalue().decode()))  # type: ignore[attr-defined]
    assert not next(rows)["error"].startswith("=")


def test_the_table_takes_as_many_queries_for_many_services_as_for_one(
    visit: Visit, described: Described, carol: User
) -> None:
    served(described)
    client = visit(carol)
    client.get(OWN)
    with CaptureQueriesContext(connection) as one:
        client.get(OWN)
    for number in range(4):
        served(described, name=f"more-{number}")
    with CaptureQueriesContext(connection) as many:
        client.get(OWN)
    assert len(many) == len(one)


def test_the_fleets_page_has_one_picture_of_a_year_of_all_ones_projects(
    visit: Visit, described: Described, carol: User, mallory: User
) -> None:
    served(described)
    served(described, name="second")  # the same certificate twice in use is one mark
    old = described.certificate(issue("old", days=100))
    Certificate.objects.filter(pk=described.certificate(issue("renewed", days=200)).pk).update(replaces=old)
    other = Project.objects.create(name="other")
    Certificate.objects.filter(pk=described.certificate(issue("hidden", days=50)).pk).update(project=other)
    page = visit(carol).get(FLEET)
    assert not faults_of(page.content.decode())
    titles = [mark.title for mark in page.context["timeline"].marks]
    assert len(titles) == 2
    assert all(title.startswith("serbest: ") for title in titles)
    assert visit(mallory).get(FLEET).context["timeline"] is None


def test_an_empty_page_says_what_to_do(visit: Visit, project: Project, carol: User) -> None:
    for path in (OWN, FLEET):
        assert "No service has a certificate" in visit(carol).get(path).content.decode()
