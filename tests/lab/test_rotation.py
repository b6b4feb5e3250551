"""Rotation on a real node: the new certificate is served, or the one from before is again."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certificates.models import Certificate
from deployments.core.rotation import ROTATE
from deployments.execution.looking import look_at_due
from deployments.models import Service
from deployments.models.served_table import served_table
from deployments.services import deploys
from ffsweb.operations.models import Operation
from tests.certificates.material import intermediate, issue
from tests.deployments.fleet import Fleet, log_of, run
from tests.lab.deployed import Site
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def site(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Site]:
    site = Site(Fleet(), lab, "rotation", sample_image, start_timeout=15, settle=1)
    yield site
    site.node.remove()


def served(site: Site) -> bytes:
    """What the port serves: PEM, as the standard library sees it."""
    return ssl.get_server_certificate((site.node.address, 443), timeout=10).encode()


def rotate(site: Site, to: Certificate) -> Operation:
    site.read()
    service = Service.objects.select_related("live_release").get(pk=site.service.pk)
    assert service.live_release is not None
    plan = deploys.preview(
        release=service.live_release, services=[service], actor=site.fleet.alice, kind=ROTATE, certificate=to
    )
    return run(deploys.request_deploy(plan=plan, actor=site.fleet.alice))


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
