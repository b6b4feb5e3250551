"""What a program printed before it was replaced may hold secrets of its own release: they stay out of every log too."""

from __future__ import annotations

import pytest

from deployments.core.node_argv import PREFIX
from deployments.execution import small
from deployments.execution.secrets import RECENT
from deployments.models import Service
from deployments.services import requests
from ffsweb.operations.models import Operation
from ffsweb.remote.fake import Hang
from ffsweb.web.keys import worker_opener
from tests.certificates import material
from tests.deployments.fleet import log_of, run
from tests.deployments.test_deploy_run import Site, site

__all__ = ["site"]
OLD, NEW = "sentinel-of-the-old-release-7f3a", "sentinel-of-the-new-release-9c1d"


@pytest.fixture
def told(site: Site) -> Site:
    """A service whose journal shows secrets of two releases; the newer one has never run."""
    images = [release.image for release in site.releases]
    for image, secret in zip(images, (OLD, NEW), strict=True):
        site.fleet.settings(f"TOKEN={secret}")
        site.releases.append(site.fleet.release(image))
    old = site.releases[2]
    site.node.install(old)
    Service.objects.filter(pk=site.services[0].pk).update(live_release=old, desired_release=old)
    site.node.journal = [f"I was told {OLD}", f"and then {NEW}"]
    return site


def assert_no_secret(operation: Operation, *more: str) -> None:
    text = log_of(operation)
    assert "I was told" in text
    assert not [secret for secret in (OLD, NEW, *more) if secret in text]


def test_the_log_of_a_deploy_that_fails_shows_the_old_journal_without_its_secrets(told: Site) -> None:
    told.node.dying.add(told.releases[3].number)
    for _ in range(RECENT + 1):
        told.fleet.release(told.releases[1].image)  # the old one is no longer among the newest
    ended = run(told.ask(release=told.releases[3]))
    assert ended.state == "rolled_back", ended.message
    assert_no_secret(ended)


def test_restart_and_journal_show_neither_secrets_nor_the_passphrase(told: Site) -> None:
    service = told.services[0]
    certificate = told.fleet.certificate(material.server())
    passphrase = worker_opener().open(bytes(certificate.sealed_passphrase), certificate.passphrase_context).reveal()
    told.node.journal.append(f"and {passphrase.decode()}")
    Service.objects.filter(pk=service.pk).update(certificate=certificate)
    service.refresh_from_db()
    assert_no_secret(told.fleet.control(service, "restart"), passphrase.decode())
    journal = requests.request_journal(service=service, search="", follow=False, actor=told.fleet.alice)
    assert_no_secret(run(journal), passphrase.decode())


def test_a_journal_that_was_followed_for_its_time_ends_well(told: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small, "FOLLOW_SECONDS", 0.3)
    told.node.fake.fault((*PREFIX, "logs"), Hang())
    journal = requests.request_journal(service=told.services[0], search="", follow=True, actor=told.fleet.alice)
    ended = run(journal)
    assert (ended.state, "no longer followed" in ended.message) == ("succeeded", True), ended.message
