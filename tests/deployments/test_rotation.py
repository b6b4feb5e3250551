"""A rotation: the same release with another certificate, which stays only if the service really serves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates.models import Certificate
from deployments.core.rollout import OWE, Rollout
from deployments.core.rotation import FILE_ALONE, ROTATE
from deployments.execution import connection
from deployments.models import HadCertificate, Node, Proven, Served, Service
from deployments.models.proven import needed_on
from deployments.models.served_table import served_table
from deployments.services import deploys
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Operation
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_sealer
from tests.certificates.material import Issued, issue
from tests.deployments.fleet import Fleet, log_of, run
from tests.deployments.push_site import Site
from tests.deployments.serving import serving


class Rotating:
    """A node whose service serves the certificate that its unit names; ``stuck`` is one that it never lets go."""

    def __init__(self, fleet: Fleet, tmp_path: Path) -> None:
        self.site = Site(fleet, tmp_path)
        self.fleet, self.node = fleet, self.site.node
        self.issued = {"old": issue("old.example.org", names=("old.example.org",)), "new": issue("new", days=200)}
        self.rows = {name: fleet.certificate(each) for name, each in self.issued.items()}
        self.stuck: Issued | None = None
        self.service = self.site.service

    def serves(self) -> Issued:
        unit = self.node.units["www"]
        name = next((name for name, row in self.rows.items() if f"Certificate={row.version}" in unit), "old")
        return self.stuck or self.issued[name]

    def begin(self, port: int) -> None:
        """Deploy it with the old certificate, published at ``port`` of this machine."""
        Node.objects.filter(pk=self.site.row.pk).update(address="127.0.0.1")
        ports = [{"host": port, "container": 8443, "protocol": "tcp"}]
        Service.objects.filter(pk=self.service.pk).update(ports=ports, certificate=self.rows["old"])
        self.service.refresh_from_db()
        ended = self.site.deploy()
        assert ended.state == "succeeded", ended.message + log_of(ended)
        self.service = Service.objects.select_related("node", "certificate").get(pk=self.service.pk)

    def rotate(self, to: str = "new", kind: str = ROTATE) -> Operation:
        self.fleet.read(self.site.row)
        service = Service.objects.get(pk=self.service.pk)
        assert service.live_release is not None
        plan = deploys.preview(
            release=service.live_release,
            services=[service],
            actor=self.fleet.alice,
            kind=kind,
            certificate=self.rows[to],
        )
        assert not plan.parsed().refused, plan.body
        return run(deploys.request_deploy(plan=plan, actor=self.fleet.alice))

    @property
    def row(self) -> Certificate | None:
        return Service.objects.select_related("certificate").get(pk=self.service.pk).certificate

    @property
    def on_node(self) -> str:
        unit = self.node.units["www"]
        return next(name for name, row in self.rows.items() if f"Certificate={row.version}" in unit)


@pytest.fixture
def rotating(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rotating]:
    rotating = Rotating(fleet, tmp_path)
    monkeypatch.setattr(connection, "connect", rotating.node.connect)
    with serving(rotating.serves) as port:
        rotating.begin(port)
        yield rotating


def test_a_rotation_ends_when_the_new_certificate_is_served(rotating: Rotating) -> None:
    release, switches = rotating.node.release(), len(rotating.node.switches)
    ended = rotating.rotate()
    assert ended.state == "succeeded", ended.message + log_of(ended)
    assert ended.title == "Rotate the certificate of www@node-a"
    assert (rotating.row, rotating.on_node) == (rotating.rows["new"], "new")
    assert f"shows the certificate {rotating.rows['new'].fingerprint[:16]}" in log_of(ended)
    assert rotating.node.release() == release
    assert len(rotating.node.switches) == switches + 1
    assert Proven.objects.get(service=rotating.service).certificate == rotating.rows["new"].version
    assert AuditEvent.objects.filter(action="rotate.request").exists()
    looked = Served.objects.get()  # before it ended, from both sides
    assert looked.fingerprint == looked.node_fingerprint == rotating.rows["new"].fingerprint


def test_a_service_that_ignores_the_new_file_goes_back_and_keeps_the_old_one(rotating: Rotating) -> None:
    rotating.stuck = rotating.issued["old"]
    unit = rotating.node.units["www"]
    ended = rotating.rotate()
    assert ended.state == "rolled_back", ended.message + log_of(ended)
    assert "the container did not load the new file" in ended.message
    assert "The certificate from before is in place again." in ended.message
    assert (rotating.row, rotating.on_node) == (rotating.rows["old"], "old")
    assert rotating.node.units["www"] == unit


def test_where_the_dashboard_does_not_reach_the_port_the_nodes_own_handshake_proves_it(rotating: Rotating) -> None:
    Node.objects.filter(pk=rotating.site.row.pk).update(address="127.0.0.2")  # nobody listens there
    ended = rotating.rotate()
    assert ended.state == "succeeded", ended.message + log_of(ended)
    assert "The node's own TLS handshake with port" in log_of(ended)
    looked = Served.objects.get()
    assert (looked.fingerprint, looked.node_fingerprint) == ("", rotating.rows["new"].fingerprint)
    rotating.stuck = rotating.issued["new"]
    ended = rotating.rotate("old")
    assert ended.state == "rolled_back", ended.message + log_of(ended)
    assert rotating.row == rotating.rows["new"]


def test_something_in_front_that_keeps_its_own_certificate_stops_no_rotation(rotating: Rotating) -> None:
    rotating.stuck = issue("proxy")
    rotating.node.sees = rotating.rows["new"].fingerprint
    ended = rotating.rotate()
    assert ended.state == "succeeded", ended.message + log_of(ended)
    (row,) = served_table(Service.objects.all())
    assert row.verdict.state == "front"


def test_a_rollback_that_does_not_serve_the_old_one_again_needs_hands(rotating: Rotating) -> None:
    stranger = issue("stranger")

    def another() -> None:
        rotating.stuck = stranger

    rotating.node.after["switch"] = another
    ended = rotating.rotate()
    assert ended.state == "needs_hands", ended.message + log_of(ended)
    assert rotating.row == rotating.rows["old"]


def test_a_node_that_keeps_the_new_unit_when_it_is_to_go_back_needs_hands(rotating: Rotating) -> None:
    rotating.stuck = rotating.issued["old"]
    rotating.node.lies = True
    ended = rotating.rotate()
    assert ended.state == "needs_hands", ended.message + log_of(ended)


def test_the_certificate_from_before_comes_back_by_the_same_way(rotating: Rotating) -> None:
    assert rotating.rotate().state == "succeeded"
    staged = rotating.node.verbs().count("stage-certificate")
    ended = rotating.rotate("old")
    assert ended.state == "succeeded", ended.message + log_of(ended)
    assert (rotating.row, rotating.on_node) == (rotating.rows["old"], "old")
    assert rotating.node.verbs().count("stage-certificate") == staged  # it was there still


def test_what_a_service_had_is_kept_and_what_came_back_is_not_listed_as_gone(rotating: Rotating) -> None:
    assert not HadCertificate.objects.exists()
    assert rotating.rotate().state == "succeeded"
    had = HadCertificate.objects.get()
    assert (had.service, had.certificate) == (rotating.service, rotating.rows["old"])
    assert bytes(had.certificate.sealed_key)
    assert rotating.rotate("old").state == "succeeded"
    assert [row.certificate for row in HadCertificate.objects.all()] == [rotating.rows["new"]]


def test_a_rotation_that_failed_changes_nothing_in_what_was_before(rotating: Rotating) -> None:
    rotating.stuck = rotating.issued["old"]
    assert rotating.rotate().state == "rolled_back"
    assert not HadCertificate.objects.exists()


def test_a_deploy_that_brings_another_certificate_keeps_the_one_from_before_too(rotating: Rotating) -> None:
    Service.objects.filter(pk=rotating.service.pk).update(certificate=rotating.rows["new"])
    assert rotating.site.deploy().state == "succeeded"
    assert HadCertificate.objects.get().certificate == rotating.rows["old"]


def test_what_a_rotation_took_the_place_of_is_not_pruned(rotating: Rotating) -> None:
    assert rotating.rotate().state == "succeeded"
    kept = {each.certificate for each in needed_on(rotating.site.row, None)["www"]}
    assert {rotating.rows["old"].version, rotating.rows["new"].version} <= kept


def test_a_certificate_that_does_not_match_its_key_never_leaves_the_dashboard(rotating: Rotating) -> None:
    row, stranger = rotating.rows["new"], issue("stranger")
    sealed = worker_sealer().seal(Secret(stranger.key_pem()), row.key_context)
    Certificate.objects.filter(pk=row.pk).update(sealed_key=sealed)
    staged, switches = rotating.node.verbs().count("stage-certificate"), list(rotating.node.switches)
    ended = rotating.rotate()
    assert ended.state == "failed", ended.message
    assert "does not belong to it. Nothing of it was sent." in ended.message
    assert rotating.node.verbs().count("stage-certificate") == staged
    assert not any(row.chain_pem.encode() in (call.stdin or b"") for call in rotating.node.fake.calls)
    assert (rotating.node.switches, rotating.on_node, rotating.row) == (switches, "old", rotating.rows["old"])


def test_a_service_without_tls_is_refused_before_anything_is_touched(rotating: Rotating) -> None:
    switches = list(rotating.node.switches)
    Service.objects.filter(pk=rotating.service.pk).update(ports=[])
    ended = rotating.rotate()
    assert ended.state == "failed"
    assert "no handshake: the file alone" in ended.message
    assert rotating.node.switches == switches


def test_the_file_alone_is_replaced_where_nobody_looks(rotating: Rotating) -> None:
    Service.objects.filter(pk=rotating.service.pk).update(ports=[])
    ended = rotating.rotate(kind=FILE_ALONE)
    assert ended.state == "succeeded", ended.message + log_of(ended)
    assert (rotating.row, rotating.on_node) == (rotating.rows["new"], "new")


def test_a_plan_says_what_is_replaced_what_is_lost_and_what_is_served_now(rotating: Rotating) -> None:
    assert rotating.service.live_release is not None
    looked = Served.objects.create(
        service=rotating.service, at=rotating.service.created_at, port=443, fingerprint="e" * 64
    )
    plan = deploys.preview(
        release=rotating.service.live_release,
        services=[rotating.service],
        actor=rotating.fleet.alice,
        kind=ROTATE,
        certificate=rotating.rows["new"],
    ).parsed()
    said = " ".join(check.text for check in plan.targets[0].checks)
    assert plan.kind == ROTATE
    assert f"served the certificate {looked.fingerprint[:16]}" in said
    assert "The new certificate is not for old.example.org." in said
    assert plan.targets[0].certificate.new == rotating.rows["new"].version


def test_no_rotation_is_owed_or_brings_another_release(rotating: Rotating) -> None:
    assert rotating.service.live_release is not None
    for release, rollout, words in (
        (rotating.service.live_release, Rollout(offline=OWE), "cannot be owed"),
        (rotating.site.first, Rollout(), "is not live on www@node-a"),
    ):
        with pytest.raises(deploys.NotPossible, match=words):
            deploys.preview(
                release=release,
                services=[rotating.service],
                actor=rotating.fleet.alice,
                rollout=rollout,
                kind=ROTATE,
                certificate=rotating.rows["new"],
            )
