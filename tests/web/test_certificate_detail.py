"""The page of a certificate, its renewal, and the keys that are made here."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings

from certificates.core.opensslenc import encrypt
from certificates.core.x509 import prove_pair
from certificates.models import Certificate, CertificateRequest
from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.audit.models import AuditEvent
from ffsweb.web.keys import worker_opener
from tests.certificates import material

from .conftest import Visit
from .described import Described
from .markup import assert_well_made
from .test_certificate_pages import ADD, LIST, good, texts

pytestmark = pytest.mark.django_db


def page(visit: Visit, person: User, address: str) -> str:
    answer = visit(person).get(address)
    assert answer.status_code == 200
    text: str = answer.content.decode()
    assert_well_made(text)
    return text


def opened(certificate: Certificate) -> bytes:
    return worker_opener().open(bytes(certificate.sealed_key), certificate.key_context).reveal()


def signed(csr_pem: str) -> bytes:
    """What an authority answers to a request."""
    csr = x509.load_pem_x509_csr(csr_pem.encode())
    issuer, now = material.intermediate(), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(csr.subject).issuer_name(issuer.certificate.subject)
    builder = builder.public_key(csr.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=90))
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    certificate = builder.add_extension(names, critical=False).sign(issuer.key, hashes.SHA256())  # type: ignore[arg-type]
    return certificate.public_bytes(serialization.Encoding.PEM) + issuer.pem


def test_its_page_shows_what_stands_in_it_and_who_uses_it(visit: Visit, carol: User, described: Described) -> None:
    certificate = described.certificate(material.server(), material.intermediate())
    described.service(described.node(), certificate=certificate)
    text = page(visit, carol, f"{LIST}{certificate.pk}/")
    digits = certificate.fingerprint.upper()
    for shown in ("www.example.org", "Test Intermediate", "Test Root", "ECDSA with SHA-256", "www@node-a"):
        assert shown in text
    assert ":".join(digits[at : at + 2] for at in range(0, 64, 2)) in text
    assert "Remove the certificate" not in text
    assert "/replace/" not in text


def test_its_page_asks_as_much_for_many_services(
    visit: Visit, carol: User, described: Described, django_assert_max_num_queries: Any
) -> None:
    certificate = described.certificate(material.server(), material.intermediate())
    for number in range(6):
        described.service(described.node(f"node-{number}", "192.0.2.1"), certificate=certificate)
    client = visit(carol)
    with django_assert_max_num_queries(13):
        assert client.get(f"{LIST}{certificate.pk}/").content.count(b"www@node-") == 6


def test_the_chain_is_downloaded_and_there_is_no_key_in_it(visit: Visit, carol: User, described: Described) -> None:
    certificate = described.certificate(material.server(), material.intermediate())
    answer = visit(carol).get(f"{LIST}{certificate.pk}/chain.pem")
    assert answer.content == material.server().pem + material.intermediate().pem
    assert "attachment" in answer["Content-Disposition"]


def test_a_label_is_changed_and_told(visit: Visit, alice: User, bob: User, described: Described) -> None:
    certificate = described.certificate(material.server())
    address = f"{LIST}{certificate.pk}/label/"
    assert visit(bob).post(address, {"label": "mine"}).status_code == 403
    assert visit(alice).post(address, {"label": " "}).status_code == 422
    assert visit(alice).post(address, {"label": "The shop"}).status_code == 303
    certificate.refresh_from_db()
    assert certificate.label == "The shop"
    event = AuditEvent.objects.get(action="certificate.rename")
    assert event.detail == {"before": "tls", "fingerprint": certificate.fingerprint}


def test_a_renewed_certificate_keeps_the_label_and_says_who_uses_the_old_one(
    visit: Visit, alice: User, described: Described
) -> None:
    old = described.certificate(material.server(), material.intermediate())
    service = described.service(described.node(), certificate=old)
    assert "www@node-a" in page(visit, alice, f"{LIST}{old.pk}/replace/")
    renewed = material.issue("www.example.org", material.intermediate(), names=("www.example.org",))
    answer = visit(alice).post(f"{LIST}{old.pk}/replace/", texts(renewed, material.intermediate()), follow=True)
    new = Certificate.objects.get(replaces=old)
    assert new.label == old.label
    assert "These services still use the old one: www@node-a" in answer.content.decode()
    service.refresh_from_db()
    assert service.certificate == old
    assert "It was replaced by" in page(visit, alice, f"{LIST}{old.pk}/")
    assert "It replaced" in page(visit, alice, f"{LIST}{new.pk}/")
    assert AuditEvent.objects.filter(action="certificate.add", detail_json__contains='"replaces"').exists()
    bad = visit(alice).post(f"{LIST}{old.pk}/replace/", {"chain_text": "hello"})
    assert bad.status_code == 422


def test_a_renewal_with_the_same_key_needs_no_key(visit: Visit, alice: User, described: Described) -> None:
    old = described.certificate(material.server(), material.intermediate())
    renewed = material.issue("www.example.org", material.intermediate(), key=material.server().key)
    chain = (renewed.pem + material.intermediate().pem).decode()
    assert visit(alice).post(f"{LIST}{old.pk}/replace/", {"chain_text": chain}).status_code == 303
    new = Certificate.objects.get(replaces=old)
    prove_pair(new.chain_pem, opened(new))
    assert new.source == "same-key"


def test_a_key_that_was_sealed_before_keys_were_bound_to_themselves_still_opens(described: Described) -> None:
    from certificates.models import sealing_context
    from ffsweb.sealed import Secret
    from ffsweb.web.keys import worker_sealer

    certificate = described.certificate(material.server())
    context = f"{sealing_context(described.project.pk, certificate.fingerprint)}:key"
    certificate.sealed_key = worker_sealer().seal(Secret(material.server().key_pem()), context)
    certificate.bound_by_key = False
    assert opened(certificate) == material.server().key_pem()


def test_a_request_waits_and_its_certificate_finds_the_key(
    visit: Visit, alice: User, carol: User, project: Project, settings: Settings
) -> None:
    browser = visit(alice)
    settings.PROCESS = "web"
    asked = {"names": "shop.example.org *.shop.example.org", "kind": "p256", "label": "Shop"}
    answer = browser.post(LIST + "requests/new/", asked, follow=True)
    waiting = CertificateRequest.objects.get()
    text = answer.content.decode()
    assert_well_made(text)
    assert "BEGIN CERTIFICATE REQUEST" in text
    assert "PRIVATE" not in text
    assert "Shop" in page(visit, carol, LIST)
    csr = visit(carol).get(f"{LIST}requests/{waiting.pk}/request.csr")
    assert csr.content.decode() == waiting.csr_pem
    chain = signed(waiting.csr_pem)
    assert browser.post(ADD, {"chain_text": chain.decode(), "label": "Shop"}).status_code == 303
    with pytest.raises(ImproperlyConfigured):
        worker_opener()
    settings.PROCESS = "worker"
    certificate = Certificate.objects.get()
    prove_pair(certificate.chain_pem, opened(certificate))
    assert (certificate.source, certificate.names) == ("request", ["shop.example.org", "*.shop.example.org"])
    assert not CertificateRequest.objects.exists()


def test_a_request_of_another_project_gives_no_key(visit: Visit, alice: User, root: User, project: Project) -> None:
    Project.objects.create(name="other")
    asked = {"names": "a.example", "kind": "p256"}
    assert visit(root).post("/projects/other/certificates/requests/new/", asked).status_code == 303
    waiting = CertificateRequest.objects.get()
    answer = visit(alice).post(ADD, {"chain_text": signed(waiting.csr_pem).decode()})
    assert answer.status_code == 422
    assert b"The private key is missing" in answer.content
    assert visit(alice).get(f"{LIST}requests/{waiting.pk}/").status_code == 404
    assert visit(alice).get(f"{LIST}requests/{waiting.pk}/request.csr").status_code == 404


def test_a_request_is_discarded_with_its_key(visit: Visit, alice: User, bob: User, project: Project) -> None:
    visit(alice).post(LIST + "requests/new/", {"names": "a.example", "kind": "rsa2048"})
    waiting = CertificateRequest.objects.get()
    address = f"{LIST}requests/{waiting.pk}/discard/"
    assert visit(bob).post(address).status_code == 403
    page(visit, alice, address)
    assert visit(alice).post(address).status_code == 303
    assert not CertificateRequest.objects.exists()
    assert AuditEvent.objects.filter(action="certificate.discard-request").exists()


def test_names_that_are_none_are_refused(visit: Visit, alice: User, project: Project) -> None:
    for path in ("requests/new/", "self-signed/"):
        answer = visit(alice).post(LIST + path, {"names": "https://x/", "kind": "p256", "days": "10"})
        assert answer.status_code == 422
        assert b"neither a DNS name nor an IP address" in answer.content
    assert not Certificate.objects.exists()


def test_a_self_signed_one_is_made(visit: Visit, alice: User, project: Project) -> None:
    answer = visit(alice).post(
        LIST + "self-signed/", {"names": "a.example 192.0.2.1", "kind": "p256", "days": "30"}, follow=True
    )
    certificate = Certificate.objects.get()
    assert "self-signed" in answer.content.decode()
    prove_pair(certificate.chain_pem, opened(certificate))
    assert visit(alice).post(LIST + "self-signed/", {"names": "a", "kind": "p256", "days": "826"}).status_code == 422


def test_the_three_files_of_the_old_scripts_are_taken(visit: Visit, alice: User, project: Project) -> None:
    issued = material.server()
    files: dict[str, Any] = {
        "chain_file": SimpleUploadedFile("server.crt", issued.pem + material.intermediate().pem),
        "key_file": SimpleUploadedFile("server.key.enc", encrypt(issued.key_pem(), b"old one", rounds=20_000)),
    }
    wrong = visit(alice).post(ADD, {**files, "passphrase": "old one"})
    assert b"give that number too" in wrong.content
    for file in files.values():
        file.seek(0)
    assert visit(alice).post(ADD, {**files, "passphrase": "old one", "rounds": "20000"}).status_code == 303
    assert opened(Certificate.objects.get()) == issued.key_pem()


def test_a_pkcs12_file_is_enough(visit: Visit, alice: User, project: Project) -> None:
    store = material.server().pkcs12(material.intermediate(), passphrase=b"horse")
    data = {"chain_file": SimpleUploadedFile("tls.p12", store), "passphrase": "horse"}
    assert visit(alice).post(ADD, data).status_code == 303
    assert opened(Certificate.objects.get()) == material.server().key_pem()


def test_what_was_mended_is_said(visit: Visit, alice: User, project: Project) -> None:
    chain = (material.intermediate().pem + material.server().pem).decode()
    answer = visit(alice).post(ADD, good(chain_text=chain), follow=True)
    assert "was put in order" in answer.content.decode()


def test_the_list_is_searched_and_ordered(visit: Visit, carol: User, described: Described) -> None:
    late = described.certificate(material.issue("late.example", names=("late.example",), days=90))
    soon = described.certificate(material.issue("soon.example", names=("soon.example",), days=9))
    Certificate.objects.filter(pk=late.pk).update(label="A late one")
    Certificate.objects.filter(pk=soon.pk).update(label="B soon")
    text = page(visit, carol, LIST).partition("<table")[2]
    assert text.index("B soon") < text.index("A late one")
    text = page(visit, carol, LIST + "?order=label").partition("<table")[2]
    assert text.index("A late one") < text.index("B soon")
    digits = soon.fingerprint.upper()
    for search in ("SOON.example", ":".join(digits[at : at + 2] for at in range(0, 8, 2))):
        text = page(visit, carol, f"{LIST}?search={search}")
        assert "B soon" in text
        assert "A late one" not in text
    assert "Nothing fits" in page(visit, carol, f"{LIST}?search=no-such-thing&order=odd")


def test_the_list_begins_with_a_year_of_expiries(visit: Visit, carol: User, described: Described) -> None:
    for number, days in enumerate((10, 60, 60, 700)):
        described.certificate(material.issue(f"{number}.example", names=("a.example",), days=days))
    Certificate.objects.update(label="<b>hostile")
    text = page(visit, carol, LIST)
    assert text.count('class="timeline-mark') == 3
    assert "1 later." in text
    assert "<b>hostile" not in text


def test_the_inventory_is_a_csv_that_is_safe_in_a_spreadsheet(
    visit: Visit, carol: User, described: Described
) -> None:
    certificate = described.certificate(material.server(), material.intermediate())
    Certificate.objects.filter(pk=certificate.pk).update(label="=cmd|' /C calc'!A0")
    described.service(described.node(), certificate=certificate)
    answer = visit(carol).get(LIST + "inventory.csv")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["label"] == "'=cmd|' /C calc'!A0"
    assert rows[0]["sha256"] == certificate.fingerprint
    assert rows[0]["used_by"] == "www@node-a"
    assert rows[0]["chain_length"] == "2"
    assert "PRIVATE" not in text


def test_the_pages_of_another_projects_certificate_are_not_there(visit: Visit, alice: User, mallory: User) -> None:
    other = Project.objects.create(name="other")
    Membership.objects.create(user=mallory, project=other, role=Role.ADMIN)
    theirs = Described(other, mallory).certificate(material.server())
    for path in ("", "chain.pem", "replace/"):
        assert visit(alice).get(f"{LIST}{theirs.pk}/{path}").status_code == 404
    assert visit(alice).post(f"{LIST}{theirs.pk}/label/", {"label": "x"}).status_code == 404
