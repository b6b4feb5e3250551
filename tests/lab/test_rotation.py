"""Rotation on a real node: the new certificate is served, or the one from before is again."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certificates.models import Certificate
from deployments.core.rotation import ROTATE
from deployments.execution.looking import look_at_due
from deployments.models import HadCertificate, Service
from deployments.models.served_table import served_table
from deployments.services import deploys
from ffsweb.operations.models import Operation
from tests.certificates.material import intermediate, issue
from tests.deployments.fleet import Fleet, log_of, run
from tests.lab.deployed import Site
from tests.lab.killing import go_on, killed_again_and_again, killed_at, marks_of
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


@pytest.fixture
def site(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Site]:
    site = Site(Fleet(), lab, "rotation", sample_image, start_timeout=15, settle=1)
    yield site
    site.node.remove()


def served(site: Site) -> bytes:
    """What the port serves: PEM, as the standard library sees it."""
    return ssl.get_server_certificate((site.node.address, 443), timeout=10).encode()


def asked_for(site: Site, to: Certificate) -> Operation:
    """A rotation that waits for its worker."""
    site.read()
    service = Service.objects.select_related("live_release").get(pk=site.service.pk)
    assert service.live_release is not None
    plan = deploys.preview(
        release=service.live_release, services=[service], actor=site.fleet.alice, kind=ROTATE, certificate=to
    )
    return deploys.request_deploy(plan=plan, actor=site.fleet.alice)


def rotate(site: Site, to: Certificate) -> Operation:
    return run(asked_for(site, to))


def certificate(site: Site) -> Certificate | None:
    return Service.objects.select_related("certificate").get(pk=site.service.pk).certificate


def test_a_certificate_is_rotated_and_rotated_back(site: Site) -> None:
    site.go_live(site.release("1.0"))
    old, before = certificate(site), served(site)
    assert old is not None
    fresh = issue("www.example.org", intermediate(), names=("www.example.org", "example.org"))
    new = site.fleet.certificate(fresh, intermediate())

    ended = rotate(site, new)
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert served(site) == fresh.pem != before
    assert certificate(site) == new
    assert look_at_due() == 0  # the rotation itself has looked
    (row,) = served_table(Service.objects.all())
    assert (row.verdict.state, row.server) == ("match", new.fingerprint)
    assert row.inside is not None and row.outside is not None
    assert row.inside.fingerprint == row.outside.fingerprint == new.fingerprint
    assert row.inside.not_after == row.outside.not_after == new.not_after

    ended = rotate(site, old)
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert served(site) == before
    assert certificate(site) == old


def test_an_application_that_takes_no_notice_of_the_new_file_keeps_the_old_one(site: Site) -> None:
    site.go_live(site.release("1.0", "SAMPLE_MODE=ok\nSAMPLE_TLS=keep"))
    old, before, unit = certificate(site), served(site), "/etc/containers/systemd/ffs-www.container"
    text = site.node.read_text(unit)
    new = site.fleet.certificate(issue("www.example.org", intermediate(), names=("www.example.org",)), intermediate())

    ended = rotate(site, new)
    assert ended.state == "rolled_back", f"{ended.message}\n{log_of(ended)}"
    assert "the container did not load the new file" in ended.message
    assert site.node.read_text(unit) == text
    assert served(site) == before
    assert certificate(site) == old


def is_on(site: Site, operation: Operation, on: Certificate, pem: bytes) -> None:
    """The node has this one certificate, the row says so, it is served, and nothing was switched twice."""
    assert (certificate(site), served(site), site.pending()) == (on, pem, False)
    unit = site.node.read_text("/etc/containers/systemd/ffs-www.container")
    assert [line for line in unit.splitlines() if line.startswith("Certificate=")] == [f"Certificate={on.version}"]
    records = site.node.exec(("ls", "/var/lib/ffs-node/ops")).check().out.split()
    assert len([name for name in records if f"-{operation.pk}." in name]) == 1
    site.read()
    (row,) = served_table(Service.objects.all())
    assert row.server == on.fingerprint


def test_a_worker_that_is_killed_at_any_step_leaves_one_certificate_and_a_row_that_agrees(site: Site) -> None:
    site.go_live(site.release("1.0"))
    old = certificate(site)
    assert old is not None
    fresh = issue("www.example.org", intermediate(), names=("www.example.org", "example.org"))
    turns = [(old, served(site)), (site.fleet.certificate(fresh, intermediate()), fresh.pem)]
    ended = run(asked_for(site, turns[1][0]))
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    marks = len(marks_of(ended))
    assert marks >= 2 * 5  # intent and evidence of preflight, stage, switch, gate and confirm
    places, turn = set(range(1, marks + 1)), 1
    while places:
        turn += 1
        (to, pem), left = turns[turn % 2], sorted(places)
        ended, deaths = killed_again_and_again(asked_for(site, to), places, deaths=3)
        met = sorted(set(left) - places)
        assert ended.state == "succeeded", f"killed at step writes {met}: {ended.message}\n{log_of(ended)}"
        assert ended.takeovers == deaths
        is_on(site, ended, to, pem)
        assert [row.certificate for row in HadCertificate.objects.all()] == [turns[(turn + 1) % 2][0]]


def test_a_worker_that_is_killed_on_the_way_back_leaves_the_certificate_from_before(site: Site) -> None:
    Service.objects.filter(pk=site.service.pk).update(start_timeout=8)
    site.service.refresh_from_db()
    site.go_live(site.release("1.0", "SAMPLE_MODE=ok\nSAMPLE_TLS=keep"))
    old, before = certificate(site), served(site)
    assert old is not None
    new = site.fleet.certificate(issue("www.example.org", intermediate(), names=("www.example.org",)), intermediate())
    going_forward = 2 * 4  # preflight, stage, switch and gate
    for more in (0, 2):  # the decision to go back was written, the way back was begun
        operation = asked_for(site, new)
        assert killed_at(operation, going_forward + 1 + more)
        ended = go_on(operation)
        assert ended.state == "rolled_back", f"killed at {more} on the way back: {ended.message}\n{log_of(ended)}"
        is_on(site, ended, old, before)
    assert not HadCertificate.objects.exists()
