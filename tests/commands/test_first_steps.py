"""The first steps with a machine by commands: described, read before the first plan, and looked at after it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.utils import timezone

from deployments.models import Served, Service
from ffsweb.commands import certificates
from ffsweb.operations.models import Operation
from tests.certificates.material import server
from tests.deployments.push_site import Site

from .conftest import Ffs

WWW = ("node-a", "--name", "www")


def test_an_archive_comes_in_on_standard_input(
    ffs: Ffs, site: Site, worker: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fleet.read(site.row)
    with (tmp_path / "two.tar").open("rb") as archive:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=archive, isatty=lambda: False))
        done = ffs("deploy", *WWW, "--image", "-", "--wait", "--yes")
    assert done.code == 0, done
    assert "stdin.tar: " in done.err and "Release 3 was made" in done.err
    release = Service.objects.get().live_release
    assert release is not None and (release.number, release.image) == (3, site.second.image)


def test_a_node_of_which_nothing_is_known_is_read_before_the_plan(ffs: Ffs, site: Site, worker: None) -> None:
    assert not site.row.readings.exists()
    done = ffs("deploy", *WWW, "--wait", "--yes")
    assert done.code == 0, done
    assert "Nothing is known of node-a at the moment: it is read first." in done.err
    assert "read first" not in ffs("rollback", *WWW, "--wait", "--yes").err


def test_a_node_that_cannot_be_read_has_nothing_started(ffs: Ffs, site: Site, worker: None) -> None:
    site.node.fake.refuse()
    done = ffs("deploy", *WWW, "--wait", "--yes")
    assert done.code == 1, done
    assert "node-a could not be read" in done.err and "Nothing was started." in done.err
    assert not Operation.objects.filter(kind="deploy").exists()


def test_a_service_is_described_with_its_certificate(
    ffs: Ffs, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = site.fleet.certificate(server())
    asked = ("prepare", "--project", "serbest", "--name", "web", "--node", "node-b", "--address", "192.0.2.2")
    done = ffs(*asked, "--certificate", "another")
    assert done.code == 1 and "0 certificates 'another'" in done.err
    assert not site.fleet.project.nodes.filter(name="node-b").exists()
    assert ffs(*asked, "--certificate", "tls").code == 0
    assert Service.objects.get(name="web").certificate == made


def test_the_status_of_a_certificate_waits_for_the_look_after_a_deploy(
    ffs: Ffs, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = site.fleet.certificate(server())
    Service.objects.update(certificate=made, live_release=site.first)
    monkeypatch.setattr(certificates, "AGAIN", 0.05)
    monkeypatch.setattr(certificates, "PATIENCE", 0.1)
    done = ffs("cert", "status", *WWW)
    assert done.code == 3 and "nobody saw what is served" in done.out

    def look(line: str) -> None:
        if "waiting" in line:
            Served.objects.create(service=site.service, at=timezone.now(), port=443, fingerprint=made.fingerprint)

    monkeypatch.setattr(certificates, "tell", look)
    done = ffs("cert", "status", *WWW)
    assert done.code == 0 and "served      yes" in done.out
