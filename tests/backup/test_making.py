"""Making a backup while everything runs: whole, or not at all."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.conf import settings
from django.db import models

from certificates.models import CertificateRequest
from deployments.execution import sweep
from deployments.models import DashboardKey, Image, RegistryCredential, SigningKey
from deployments.models.image_store import store
from deployments.models.node import node_key_context
from deployments.models.registry import registry_context
from deployments.models.signing import signing_key_context
from deployments.oci.errors import StoreBusy
from ffsweb.accounts.mfa import Adapter
from ffsweb.backup import keyfile, sealing
from ffsweb.backup.checking import check
from ffsweb.backup.errors import Damaged, NotMade
from ffsweb.backup.gathering import gathered
from ffsweb.backup.making import make
from ffsweb.backup.manifest import Manifest
from ffsweb.backup.models import Backup
from ffsweb.notify.models import MailServer
from ffsweb.sealed import Secret, key_of
from ffsweb.web.keys import web_opener, worker_opener, worker_sealer
from ffsweb.webhooks.models import Endpoint
from tests.certificates.material import intermediate, server
from tests.deployments.fleet import Fleet
from tests.deployments.push_site import Site


def checked(file: Path | bytes) -> Manifest:
    data = file if isinstance(file, bytes) else file.read_bytes()
    return check(io.BytesIO(data), worker_opener(), keyfile.private_names(settings.KEYS))


def test_a_backup_has_database_images_and_files_and_is_noted(site: Site, tmp_path: Path) -> None:
    made = make(tmp_path)
    assert made.place is not None
    assert made.place.stat().st_mode & 0o777 == 0o600
    manifest = checked(made.place)
    names = {part.name for part in manifest.parts}
    assert manifest.counts["nodes"] == 1
    assert {f"oci/blobs/sha256/{digest.removeprefix('sha256:')}" for digest in store().blobs.digests()} <= names
    assert "oci/index.json" in names
    assert manifest.sealed_by["worker"] == [worker_sealer().key]
    assert not any(word in name for name in names for word in ("private", "secret_key", "uploads", "run"))
    row = Backup.objects.get()
    assert (row.place, row.size, row.images) == (str(made.place), made.place.stat().st_size, True)


def test_without_images_it_has_none_of_them(site: Site, tmp_path: Path) -> None:
    made = make(tmp_path / "small", images=False)
    assert made.place is not None
    assert not any(part.name.startswith("oci/") for part in checked(made.place).parts)


def test_secrets_are_not_in_it_and_the_stream_is_the_same_as_a_file(fleet: Fleet) -> None:
    fleet.settings("PASSWORD=sentinel-of-the-backup\n")
    stream = io.BytesIO()
    made = make(stream)
    assert made.size == len(stream.getvalue())
    assert checked(stream.getvalue()).counts["projects"] == 1
    assert b"sentinel" not in stream.getvalue()


def test_no_collection_removes_anything_while_a_backup_is_made(site: Site) -> None:
    with gathered(images=True), pytest.raises(StoreBusy), store().blobs.alone():
        pass
    with store().blobs.alone():
        pass


def test_an_image_that_is_not_whole_makes_no_backup(site: Site, tmp_path: Path) -> None:
    image = Image.objects.first()
    assert image is not None
    store().blobs.path(image.layers[0]["diff_id"]).unlink()
    with pytest.raises(NotMade, match="is not whole"):
        make(tmp_path)
    assert list(tmp_path.glob("*.backup")) == []
    make(tmp_path, images=False)


def test_a_disk_that_is_full_leaves_nothing_behind(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "out"
    target.mkdir()
    make(io.BytesIO())  # the stores are there from now on
    Backup.objects.all().delete()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotMade, match="No space left"):
        make(target / "one")
    assert list(target.iterdir()) == []
    assert list((settings.DATA / "files" / "scratch").glob("new-*")) == []
    assert not Backup.objects.exists()


def test_a_file_that_is_there_is_left_as_it_was(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("mine")
    with pytest.raises(NotMade, match="there already"):
        make(tmp_path / "one")
    assert (tmp_path / "one").read_text() == "mine"


def test_what_a_killed_backup_left_goes_with_the_next_sweep(fleet: Fleet) -> None:
    with gathered(images=True):
        left = settings.DATA / "files" / "scratch" / "new-backup-killed"
        left.mkdir()
    sweep.files()
    assert not left.exists()


def test_a_backup_cut_short_is_refused(fleet: Fleet) -> None:
    stream = io.BytesIO()
    make(stream)
    with pytest.raises(Damaged):
        checked(stream.getvalue()[:-1])


def test_every_kind_of_sealed_value_is_looked_at() -> None:
    """A model with a new sealed column makes this fail until it is in the list of its application."""
    columns = {
        (model.__name__, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.BinaryField) or getattr(field, "name", "").startswith("sealed")
    }
    assert columns == {
        ("MailServer", "sealed_password"),
        ("Certificate", "sealed_key"),
        ("Certificate", "sealed_passphrase"),
        ("CertificateRequest", "sealed_key"),
        ("Node", "sealed_private_key"),
        ("DashboardKey", "sealed_private_key"),
        ("SigningKey", "sealed_private_key"),
        ("RegistryCredential", "sealed_password"),
        ("Setting", "sealed"),
        ("Release", "sealed_settings"),
        ("Endpoint", "sealed_secret"),
        ("Endpoint", "sealed_old_secret"),
    }


def test_each_kind_opens_with_its_context_and_a_box_in_the_wrong_place_is_named(site: Site) -> None:
    fleet, sealer = site.fleet, worker_sealer()
    fleet.settings("PASSWORD=secret\n")
    fleet.release(site.first.image)
    fleet.certificate(server(), intermediate())
    fields = {"project": fleet.project, "label": "x", "key_type": "x", "csr_pem": "x", "public_key": "ab"}
    request = CertificateRequest(**fields)
    request.sealed_key = sealer.seal(Secret("x"), request.key_context)
    request.save()
    mail = MailServer(host="mail.example.org", user="ffs", sender="ffs@example.org")
    mail.sealed_password = sealer.seal(Secret("x"), mail.context)
    mail.save()
    DashboardKey.objects.create(
        node=site.row,
        state="pending",
        public_key="other",
        operation=1,
        sealed_private_key=sealer.seal(Secret("x"), node_key_context("other")),
    )
    SigningKey.objects.get_or_create(
        defaults={"public_key": "k", "sealed_private_key": sealer.seal(Secret("x"), signing_key_context("k"))}
    )
    context = registry_context(fleet.project.pk, "registry.example.org")
    sealed = sealer.seal(Secret("x"), context)
    RegistryCredential.objects.create(project=fleet.project, host="registry.example.org", sealed_password=sealed)
    endpoint = Endpoint(project=fleet.project, url="https://hooks.example.org/x", events=["*"])
    endpoint.sealed_secret = sealer.seal(Secret("x"), endpoint.context)
    endpoint.save()
    secret = Adapter().encrypt("totp")
    Authenticator.objects.create(user=fleet.alice, type="totp", data={"secret": secret})
    openers = {"worker": worker_opener(), "web": web_opener()}
    assert len({value.kind for value in sealing.every()}) == 12
    assert sealing.closed(openers) == []
    assert sealing.keys_needed() == {"worker": [sealer.key], "web": [key_of(base64.b64decode(secret))]}
    RegistryCredential.objects.update(host="elsewhere")
    MailServer.objects.update(sealed_password=b"no box")
    found = sealing.closed(openers)
    assert [text.partition(" (")[0] for text in found] == [
        "the password of the mail server",
        "the password of a registry",
    ]
