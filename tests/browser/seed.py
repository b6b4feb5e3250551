"""Fills an installation with everything that a page can show. Run in a process of that installation:
``ffs manage shell -c "from tests.browser import seed; seed.main()"``; its last line is JSON.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from django.utils import timezone

from certificates.core.making import KeyKind
from certificates.models import Alert
from certificates.services.alerts import tell
from certificates.services.inventory import upload_certificate
from certificates.services.making import request_certificate
from certificates.services.minding import acknowledge
from certificates.services.renewals import failed, mark
from deployments.core.rollout import ASK, HOLD, OWE, Rollout
from deployments.models import (
    Collection,
    FilesVersion,
    HadCertificate,
    HostKey,
    Image,
    Node,
    Owed,
    Plan,
    Reading,
    Release,
    Service,
)
from deployments.models.desired import credentials_of, desired
from deployments.services import deploys
from deployments.services.nodes import cordon_node
from deployments.services.releases import make_release
from ffsweb.accounts import invitations
from ffsweb.accounts.memberships import add_member
from ffsweb.accounts.models import Membership, Role, User
from ffsweb.accounts.projects import create_project
from ffsweb.audit.services import record
from tests.browser import seed_access, seed_mail, seed_operations, seed_registry, seed_served, seed_webhooks
from tests.browser.seed_facts import GIGABYTE, heartbeats, node_facts, service_facts
from tests.certificates.material import authority, intermediate, issue, server
from tests.deployments.fleet import Fleet
from tests.oci.images import Picture, archive, layer, multi_arch_members, podman_members

PASSWORDS = {
    name: f"{name}-long-password" for name in ("root", "alice", "bob", "carol", "newcomer", "leyla", "manuela")
}
MANY_NODES = 500
ENV = "SITE_NAME=Serbest Bölge\nLOG_LEVEL=info\nDATABASE_URL=postgres://db.internal/serbest\nAPI_TOKEN=91c2\nSMTP_PASSWORD=x\n"


def main() -> None:
    """Everything; prints the names and numbers that tests need."""
    root = User.objects.create_user("root", password=PASSWORDS["root"], first_name="Ruth Root", is_administrator=True)
    fleet = Fleet()
    with tempfile.TemporaryDirectory() as directory:
        seeded = _serbest(fleet, Path(directory))
    seed_registry.registry(fleet)
    for name, role in (("bob", Role.OPERATOR), ("carol", Role.VIEWER)):
        User.objects.create_user(name, password=PASSWORDS[name], first_name=name.title())
        add_member(fleet.project, actor=fleet.alice, username=name, role=role)
    seed_mail.mail(fleet)
    for name in ("newcomer", "leyla"):  # leyla sets up a second factor, so that nobody else's log-in changes
        User.objects.create_user(name, password=PASSWORDS[name])
    invited = invitations.invite(actor=fleet.alice, username="dilek", project=fleet.project, role=Role.OPERATOR)
    reset = invitations.password_link(User.objects.get(username="carol"), actor=root)
    empty = create_project(actor=root, name="empty-one", title="Nothing in here yet")
    add_member(empty, actor=root, username="alice", role=Role.ADMIN)
    _many(root)
    hooks = seed_webhooks.webhooks(fleet)
    print(json.dumps({**seeded, "webhooks": hooks, "join": invited.token, "new_password": reset.token}))


def _serbest(fleet: Fleet, directory: Path) -> dict[str, Any]:
    fleet.settings(ENV, plain=("SITE_NAME", "LOG_LEVEL"))
    tls = fleet.certificate(server(), intermediate())
    short = fleet.certificate(issue("api.example.org", names=("api.example.org",), days=10))
    images = [fleet.image(_image(directory, number)) for number in (1, 2, 3)]
    Collection.objects.create(ended_at=timezone.now(), freed_blobs=12, freed_bytes=345_678_901, kept_bytes=10**10)
    Collection.objects.create(
        asked_by="root", problem="An upload is being taken in. The collection waits for its end."
    )
    files = [fleet.files(_files(directory, number)) for number in (1, 2)]
    releases = [
        _release(fleet, images[at], files[min(at, 1)], note)
        for at, note in enumerate(("The first", "", "Faster search"))
    ]
    names = ("istanbul-1", "ankara-1", "bursa-1", "izmir-1", "konya-1")
    nodes = {name: fleet.node(name, f"192.0.2.{11 + at}", tags=["edge", "eu"]) for at, name in enumerate(names)}
    www = {
        name: fleet.service(node, certificate=tls, health_check="https://:443/healthz", health_from="both")
        for name, node in nodes.items()
    }
    ports = [{"host": 8443, "container": 8443, "protocol": "tcp"}, {"host": 5353, "container": 53, "protocol": "udp"}]
    api = fleet.service(nodes["istanbul-1"], "api", certificate=short, ports=ports, supervision="own")
    fleet.node("antalya-1", "antalya-1.example.org", ssh_port=2222)
    for name in ("istanbul-1", "ankara-1"):
        _key(nodes[name], HostKey.Kind.RETIRED)
        _key(nodes[name], HostKey.Kind.PINNED)
    fleet.machine_file(nodes["istanbul-1"])
    fleet.machine_file(nodes["izmir-1"])

    cordon_node(node=nodes["bursa-1"], reason="Its disk is replaced on Friday.", actor=fleet.alice)
    _runs(www["istanbul-1"], releases[2])
    _runs(api, releases[2])
    _runs(www["ankara-1"], releases[1])
    _runs(www["konya-1"], releases[2])
    back = {"releases": [1, 2, 3], "credentials_held": [credentials_of(www["istanbul-1"], releases[1])[0]]}
    back["certs"] = [tls.version]
    here = {"ids": [], "diff_ids": [], "staged": [f"serbest:{each.image.image_id}" for each in releases]}
    _read(
        nodes["istanbul-1"],
        images_held=here,
        www=service_facts(www["istanbul-1"], releases[2], **back),
        api=_stopped(api, releases[2]),
    )
    _read(
        nodes["ankara-1"],
        version="0.0.9",
        reboot_pending=True,
        www=service_facts(www["ankara-1"], releases[1], restarts=1),
    )
    _read(nodes["izmir-1"], www=service_facts(www["izmir-1"], None))
    _read(nodes["konya-1"], www=_crashing(www["konya-1"], releases[2]))
    error = (
        "No answer at 192.0.2.13 port 22 within 15 s. Is the machine up, and does a firewall let the dashboard in?"
    )
    Reading.objects.create(node=nodes["bursa-1"], taken_at=timezone.now() - timedelta(hours=3), error=error)

    Owed.objects.create(service=www["konya-1"], release=releases[2], operation=1, problem="The disk is full.")
    detail = {"count": 2, "releases": [1, 2]}
    record(actor=None, action="retention.releases", project=fleet.project, detail=detail)

    def plan(*chosen: Service) -> str:
        rollout = Rollout("1, rest", between=ASK, on_failure=HOLD, offline=OWE) if len(chosen) > 1 else Rollout()
        return deploys.preview(release=releases[2], services=chosen, actor=fleet.alice, rollout=rollout).hash

    plans = {
        "ready": plan(www["ankara-1"], www["izmir-1"]),
        "refused": plan(www["bursa-1"], www["ankara-1"]),
        "stale": plan(www["konya-1"]),
    }
    full = {
        "images": {"free": GIGABYTE // 10, "total": 20 * GIGABYTE},
        "var": {"free": GIGABYTE, "total": 80 * GIGABYTE},
    }
    held = {"ids": [], "diff_ids": []}
    _read(nodes["konya-1"], disk=full, images_held=held, www=_crashing(www["konya-1"], releases[1]))
    assert deploys.is_stale(Plan.objects.get(hash=plans["stale"]))
    assert not deploys.is_stale(Plan.objects.get(hash=plans["ready"]))
    certificates = {"used": tls.pk, "short": short.pk, **_certificates(fleet)}
    seed_served.all_states(www, api)
    HadCertificate.objects.create(
        service=www["istanbul-1"], certificate_id=certificates["unused"], until=timezone.now() - timedelta(days=30)
    )
    return {
        "plans": plans,
        "operations": seed_operations.all_states(fleet.alice, [www["istanbul-1"], www["ankara-1"]]),
        "certificates": certificates,
        "access": seed_access.all_states(fleet, nodes["istanbul-1"]),
    }


def _certificates(fleet: Fleet) -> dict[str, int]:
    """One that was replaced, and a request that waits."""
    old = fleet.certificate(issue("old.example.org", names=("old.example.org",), days=40))
    newer = issue("old.example.org", intermediate(), names=("old.example.org", "www.old.example.org"))
    upload_certificate(
        project=fleet.project,
        actor=fleet.alice,
        label="",
        chain=newer.pem + intermediate().pem + authority().pem,
        key=newer.key_pem(),
        replaces=old,
    )
    names = ("shop.example.org", "*.shop.example.org")
    waiting = request_certificate(
        project=fleet.project, actor=fleet.alice, label="Shop", names=names, kind=KeyKind.P256
    )
    fleet.certificate(issue("ends.example.org", names=("ends.example.org",), days=28, started=15))
    fleet.certificate(issue("late.example.org", names=("late.example.org",), days=28, started=26))
    tell(fleet.project, timezone.now())
    acknowledge(alert=Alert.objects.filter(is_open=True).latest("pk"), actor=fleet.alice)
    _own_and_automatic(fleet)
    return {"unused": old.pk, "request": waiting.pk}


def _own_and_automatic(fleet: Fleet) -> None:
    """A service that serves something else, and a certificate that a machine renews, not always."""
    wrong = Service.objects.get(node__name="konya-1", name="www")
    Alert.objects.create(
        project=fleet.project,
        subject=wrong.resource,
        kind="mismatch",
        label=str(wrong),
        path=wrong.get_absolute_url(),
        reason="The container serves the certificate from before: it did not load the new file. Restart it; it should "
        "serve tls (3f1b2c4d5e6f7081…); since 2026-11-24 08:10 UTC",
        rung=10,
        is_open=True,
        told_at=timezone.now(),
    )
    assert wrong.certificate is not None
    mark(certificate=wrong.certificate, automatic=True, renew_by=None, actor=fleet.alice)
    failed(certificate=wrong.certificate, reason="<b>urn:ietf:params:acme:error:dns</b> " * 3, actor=fleet.alice)


def _image(directory: Path, number: int) -> Path:
    """The last one is for several architectures."""
    path = directory / f"serbest-1.{number}.tar"
    layers = [layer(etc_base="base"), layer(app_main=f"version {number}" * 5000)]
    pictures = [Picture(layers=layers, architecture=name) for name in ("amd64", "arm64", "riscv64")]
    members = podman_members(pictures[0], tags=(f"localhost/serbest:1.{number}",))
    path.write_bytes(archive(multi_arch_members(*pictures) if number == 3 else members))
    return path


def _files(directory: Path, number: int) -> Path:
    texts = {f"templates/page-{at:02}.html": b"<p>" * at for at in range(4)}
    texts |= {"conf/app.toml": f"colour = {number}\n".encode(), f"only-in-{number}.txt": b"x" * 3000}
    path = directory / f"files-{number}.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            made.addfile(member, BytesIO(text))
    return path


def _release(fleet: Fleet, image: Image, files: FilesVersion, note: str) -> Release:
    return make_release(project=fleet.project, actor=fleet.alice, image=image, files=files, note=note)


def _key(node: Node, kind: HostKey.Kind) -> None:
    number = HostKey.objects.count()
    HostKey.objects.create(
        node=node, kind=kind, public_key=f"ssh-ed25519 {number:068}", fingerprint=f"SHA256:{number:02}{'bV9' * 13}fw"
    )


def _runs(service: Service, release: Release) -> None:
    """As a deploy leaves it."""
    unit = desired(service, release, now=timezone.now(), operation="1795480000-17").unit
    Service.objects.filter(pk=service.pk).update(live_release=release, desired_release=release, unit_text=unit)
    service.refresh_from_db()


def _read(node: Node, /, **facts: Any) -> None:
    services = {name: facts.pop(name) for name in ("www", "api") if name in facts}
    Reading.objects.create(node=node, taken_at=timezone.now(), facts=node_facts(node.name, services, **facts))


def _stopped(service: Service, release: Release) -> dict[str, Any]:
    return service_facts(
        service, release, active="inactive", sub="dead", container=None, heartbeats=None, status_text=""
    )


def _crashing(service: Service, release: Release) -> dict[str, Any]:
    return service_facts(
        service,
        release,
        active="failed",
        sub="failed",
        result="watchdog",
        restarts=14,
        status_text="app: hung (no heartbeat for 30 s, the last of them before it read its cache)",
        heartbeats=heartbeats(
            state="hung",
            heartbeat_age=41.0,
            restarts=3,
            reason="hung: no heartbeat for 30 s, the last of them before it read its cache",
            before={"state": "gave up: app ended 3 times within 5 s; it exited with 7", "reason": "exited with 7"},
        ),
    )


def _many(root: User) -> None:
    """A fleet of 500 nodes, seen by manuela alone: the rows are written at once, because it is their number that counts."""
    project = create_project(actor=root, name="many", title="Five hundred nodes")
    manuela = User.objects.create_user("manuela", password=PASSWORDS["manuela"])
    Membership.objects.create(user=manuela, project=project, role=Role.OPERATOR)
    nodes = Node.objects.bulk_create(
        Node(
            project=project,
            name=f"node-{at:03}",
            address=f"198.51.{100 + at // 250}.{at % 250 + 1}",
            public_key="-",
            sealed_private_key=b"-",
        )
        for at in range(MANY_NODES)
    )
    image = Image.objects.create(
        project=project, image_id="sha256:" + "ab" * 32, manifest_digest="", architecture="amd64", layers=[], size=0
    )
    releases = [Release.objects.create(project=project, number=at, image=image) for at in (1, 2, 3)]
    rows = [
        Service(project=project, node=node, name="shop", live_release=releases[node.pk % 3], ports=[])
        for node in nodes
    ]
    Service.objects.bulk_create(rows)
    by_node: dict[int, dict[str, Any]] = {}
    for row in rows:
        by_node.setdefault(row.node_id, {})[row.name] = service_facts(row, row.live_release)
    Reading.objects.bulk_create(
        Reading(node=node, taken_at=timezone.now(), facts=node_facts(node.name, by_node[node.pk])) for node in nodes
    )
