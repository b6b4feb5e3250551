"""What a node has already counts only when a unit could name it; what has another passphrase is something else."""

from __future__ import annotations

from certificates.models import Certificate
from certificates.services.inventory import remove_certificate
from deployments.models import Service
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_sealer
from tests.certificates import material
from tests.deployments.fleet import run
from tests.deployments.test_deploy_run import Site, site

__all__ = ["site"]


def test_an_image_that_was_loaded_by_hand_is_named_and_nothing_is_sent(site: Site) -> None:
    image = site.releases[1].image
    site.node.held.ids.add(image.image_id)
    site.node.held.unnamed.add(image.image_id)
    ended = run(site.ask())
    assert ended.state == "succeeded", ended.message
    assert not site.node.held.unnamed
    assert site.node.held.received == 0


def test_an_image_that_staging_finished_is_not_staged_again(site: Site) -> None:
    site.node.held.ids.add(site.releases[1].image.image_id)
    ended = run(site.ask())
    assert ended.state == "succeeded", ended.message
    assert "stage-image" not in site.node.verbs()


def test_a_certificate_that_was_removed_and_uploaded_again_is_staged_anew(site: Site) -> None:
    service, fleet = site.services[0], site.fleet
    issued = material.server()
    first = fleet.certificate(issued)
    Service.objects.filter(pk=service.pk).update(certificate=first)
    assert run(site.ask(release=site.releases[1])).state == "succeeded"
    Service.objects.filter(pk=service.pk).update(certificate=None)
    remove_certificate(certificate=first, actor=fleet.alice)
    again = fleet.certificate(issued)
    assert again.fingerprint == first.fingerprint
    Service.objects.filter(pk=service.pk).update(certificate=again)
    ended = run(site.ask(release=site.releases[0]))
    assert ended.state == "succeeded", ended.message
    staged = [call.argv for call in site.node.fake.calls if "stage-certificate" in call.argv]
    names = [argv[argv.index("--fingerprint") + 1] for argv in staged]
    assert names == [first.version, again.version]
    assert len(set(names)) == 2


def test_a_certificate_that_does_not_match_its_key_never_leaves_the_dashboard(site: Site) -> None:
    service, fleet = site.services[0], site.fleet
    certificate = fleet.certificate(material.server())
    other = worker_sealer().seal(Secret(material.issue("other").key_pem()), certificate.key_context)
    Certificate.objects.filter(pk=certificate.pk).update(sealed_key=other)
    Service.objects.filter(pk=service.pk).update(certificate=certificate)
    ended = run(site.ask())
    assert ended.state == "failed"
    assert "does not belong to it" in "\n".join(line.text for line in ended.lines.all())
    assert not [call for call in site.node.fake.calls if "stage-certificate" in call.argv]
