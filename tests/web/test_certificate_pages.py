"""Certificates come in by a page; their keys never come out by one, and what is in use stays."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from django.core.files.uploadedfile import SimpleUploadedFile

from certificates.core.x509 import MAX_PEM
from certificates.models import Certificate
from certificates.services.inventory import StillUsed, remove_certificate
from deployments.models import Service
from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.audit.models import AuditEvent
from tests.certificates import material
from tests.certificates.material import Issued

from .conftest import Visit
from .described import Described
from .markup import assert_well_made

pytestmark = pytest.mark.django_db
LIST = "/projects/serbest/certificates/"
ADD = LIST + "add/"


def texts(issued: Issued, *chain: Issued, **fields: str) -> dict[str, str]:
    pem = b"".join(each.pem for each in (issued, *chain)).decode()
    return {"chain_text": pem, "key_text": issued.key_pem().decode(), **fields}


def good(**fields: str) -> dict[str, str]:
    return texts(material.server(), material.intermediate(), **fields)


def secret_lines(issued: Issued) -> list[str]:
    """What may be found nowhere: the lines of the key."""
    return [line for line in issued.key_pem().decode().splitlines() if line and "-----" not in line]


def assert_sealed(text: str, issued: Issued) -> None:
    assert "PRIVATE KEY-----" not in text
    assert not [line for line in secret_lines(issued) if line in text]


def test_alice_pastes_a_pair_and_its_key_is_sealed(visit: Visit, alice: User, project: Project) -> None:
    answer = visit(alice).post(ADD, good(label="The shop"), follow=True)
    certificate = Certificate.objects.get()
    assert answer.redirect_chain == [(f"{LIST}{certificate.pk}/", 303)]
    assert (certificate.label, certificate.names) == ("The shop", ["www.example.org", "example.org"])
    assert certificate.created_by == "alice"
    assert b"PRIVATE" not in bytes(certificate.sealed_key)
    page = answer.content.decode()
    assert_well_made(page)
    assert "The shop" in page
    assert_sealed(page, material.server())
    event = AuditEvent.objects.get(action="certificate.add")
    assert (event.actor_name, event.target) == ("alice", "The shop")
    assert event.detail["fingerprint"] == certificate.fingerprint
    assert_sealed(event.detail_json, material.server())


def test_files_and_an_encrypted_key_are_taken(visit: Visit, alice: User, project: Project) -> None:
    issued = material.server()
    files = {
        "chain_file": SimpleUploadedFile("fullchain.pem", issued.pem + material.intermediate().pem),
        "key_file": SimpleUploadedFile("privkey.pem", issued.key_pem(b"its passphrase")),
    }
    locked = visit(alice).post(ADD, dict(files))
    assert locked.status_code == 422
    assert b"The private key is encrypted" in locked.content
    for file in files.values():
        file.seek(0)
    wrong = visit(alice).post(ADD, {**files, "passphrase": "not-its-passphrase"})
    assert wrong.status_code == 422
    assert b"not-its-passphrase" not in wrong.content
    for file in files.values():
        file.seek(0)
    assert visit(alice).post(ADD, {**files, "passphrase": "its passphrase"}).status_code == 303
    assert not AuditEvent.objects.filter(detail_json__contains="passphrase").exists()


BAD: list[tuple[str, Any, str]] = [
    ("nothing", dict, "The certificate is missing"),
    ("no key", lambda: good(key_text=""), "The private key is missing"),
    ("spaces", lambda: good(key_text=" \n "), "The private key is missing"),
    ("no PEM", lambda: good(chain_text="hello"), "No certificate was found"),
    ("key for certificate", lambda: good(chain_text=good()["key_text"]), "No certificate was found"),
    ("another key", lambda: good(key_text=material.authority().key_pem().decode()), "does not belong"),
    ("a gap in the chain", lambda: texts(material.server(), material.authority()), "which is missing"),
    ("expired", lambda: texts(material.issue("old", days=1, started=2)), "expired on"),
    ("a short RSA key", lambda: texts(material.issue("weak", rsa_bits=1024)), "at least 2048"),
    ("too much", lambda: good(chain_text="x" * (MAX_PEM + 1)), "over 256 kB"),
    ("cut off", lambda: good(chain_text=good()["chain_text"][:300]), "was cut off"),
    ("too many iterations", lambda: good(rounds="2000001"), "less than or equal to 2000000"),
    ("NUL", lambda: good(chain_text="a\0b"), "Null characters"),
    ("a long label", lambda: good(label="x" * 81), "at most 80 characters"),
    ("an odd label", lambda: good(label="a\0b"), "Null characters"),
    ("a long passphrase", lambda: good(passphrase="x" * 1025), "at most 1024 characters"),
]


@pytest.mark.parametrize(("data", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_pair_is_refused_with_the_reason_and_never_echoed(
    visit: Visit, alice: User, project: Project, data: Any, said: str
) -> None:
    sent = data()
    answer = visit(alice).post(ADD, sent)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert said in page
    assert_well_made(page)
    for line in sent.get("key_text", "").strip().splitlines()[1:-1]:
        assert line not in page
    assert not Certificate.objects.exists()
    assert not AuditEvent.objects.filter(action__startswith="certificate").exists()


def test_files_that_are_too_large_are_not_read_whole(visit: Visit, alice: User, project: Project) -> None:
    files = {"chain_file": SimpleUploadedFile("c.pem", b"x" * 3_000_000), "key_text": good()["key_text"]}
    answer = visit(alice).post(ADD, files)
    assert answer.status_code == 422
    assert b"over 256 kB" in answer.content


def test_the_same_certificate_twice_is_refused_in_one_project_and_taken_in_another(
    visit: Visit, alice: User, root: User, project: Project
) -> None:
    Project.objects.create(name="other")
    assert visit(alice).post(ADD, good()).status_code == 303
    again = visit(alice).post(ADD, good(label="again"))
    assert again.status_code == 422
    assert "inventory already" in again.content.decode()
    assert visit(root).post("/projects/other/certificates/add/", good()).status_code == 303


@pytest.mark.parametrize(
    "name",
    ["x" * 64, "größe.example", "line\nbreak", "nul\0byte", "\u202egro.elpmaxe", "<script>alert(1)</script>"],
)
def test_a_hostile_name_becomes_a_label_that_every_database_takes(
    visit: Visit, alice: User, project: Project, name: str
) -> None:
    answer = visit(alice).post(ADD, texts(material.issue(name)), follow=True)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert_well_made(page)
    assert "<script>alert" not in page
    certificate = Certificate.objects.get()
    for text in (certificate.label, certificate.subject, certificate.issuer):
        assert text.isprintable()
        assert len(text) <= 80 or text is not certificate.label


def test_a_subject_without_a_common_name_fits_the_label(visit: Visit, alice: User, project: Project) -> None:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "o" * 64)
    unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "u" * 64)
    issued = material.issue("ignored", subject=x509.Name([organisation, unit]))
    assert visit(alice).post(ADD, texts(issued)).status_code == 303
    assert len(Certificate.objects.get().label) == 80


@pytest.mark.parametrize("person", ["bob", "carol"])
def test_others_see_the_list_and_neither_add_nor_remove(
    visit: Visit, person: str, described: Described, request: pytest.FixtureRequest
) -> None:
    user: User = request.getfixturevalue(person)
    certificate = described.certificate(material.server(), material.intermediate())
    page = visit(user).get(LIST).content.decode()
    assert certificate.label in page
    assert "/add/" not in page
    assert "/remove/" not in page
    assert visit(user).get(ADD).status_code == 403
    assert visit(user).post(ADD, good()).status_code == 403
    assert visit(user).post(f"{LIST}{certificate.pk}/remove/").status_code == 403
    assert Certificate.objects.count() == 1


def test_removal_is_refused_while_a_service_uses_it(visit: Visit, alice: User, described: Described) -> None:
    certificate = described.certificate(material.server(), material.intermediate())
    service = described.service(described.node(), certificate=certificate)
    address = f"{LIST}{certificate.pk}/remove/"
    page = visit(alice).get(address).content.decode()
    assert_well_made(page)
    assert "www@node-a" in page
    answer = visit(alice).post(address, follow=True)
    assert b"A service uses this certificate" in answer.content
    assert Certificate.objects.exists()
    assert not AuditEvent.objects.filter(action="certificate.remove").exists()
    Service.objects.filter(pk=service.pk).update(certificate=None)
    assert b"was removed, with its sealed key" in visit(alice).post(address, follow=True).content
    assert not Certificate.objects.exists()
    event = AuditEvent.objects.get(action="certificate.remove")
    assert event.detail == {"fingerprint": certificate.fingerprint}
    assert visit(alice).post(address).status_code == 404


def test_a_certificate_that_a_service_got_meanwhile_stays(described: Described) -> None:
    certificate = described.certificate(material.server(), material.intermediate())
    known = Certificate.objects.get()
    service = described.service(described.node(), certificate=certificate)
    with pytest.raises(StillUsed):
        remove_certificate(certificate=known, actor=described.alice)
    service.refresh_from_db()
    assert service.certificate == certificate


def test_the_certificate_of_another_project_is_not_there(
    visit: Visit, alice: User, mallory: User, described: Described
) -> None:
    other = Project.objects.create(name="other")
    Membership.objects.create(user=mallory, project=other, role=Role.ADMIN)
    theirs = Described(other, mallory).certificate(material.server(), material.intermediate())
    for person, project in ((alice, "serbest"), (alice, "other"), (mallory, "serbest")):
        assert visit(person).get(f"/projects/{project}/certificates/{theirs.pk}/remove/").status_code == 404
        assert visit(person).post(f"/projects/{project}/certificates/{theirs.pk}/remove/").status_code == 404
    assert "www.example.org" not in visit(alice).get(LIST).content.decode()
    assert Certificate.objects.exists()


def test_the_list_asks_as_much_for_many_as_for_few(
    visit: Visit, carol: User, described: Described, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        certificate = described.certificate(material.issue(f"{number}.example"))
        node = described.node(f"node-{number}", "192.0.2.1")
        for name in ("www", "api"):
            described.service(node, name, ports=[], certificate=certificate)
    client = visit(carol)
    with django_assert_max_num_queries(13):
        answer = client.get(LIST)
    assert answer.content.count(b"api@node-") == 6


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("certificates/add/", {"passphrase": "hunter2"}),
        ("settings/import/", {"text": "hunter2"}),
        ("settings/set/", {"name": "not a name", "value": "hunter2"}),
    ],
)
def test_what_is_secret_is_in_no_report_of_an_error_and_not_echoed(
    visit: Visit, alice: User, project: Project, path: str, data: dict[str, str]
) -> None:
    """Django's reports leave out what a view names as sensitive (django.views.decorators.debug)."""
    answer = visit(alice).post(f"/projects/serbest/{path}", data)
    assert answer.status_code == 422
    assert answer.wsgi_request.sensitive_post_parameters == "__ALL__"  # type: ignore[attr-defined]
    assert b"hunter2" not in answer.content
