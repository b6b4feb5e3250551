"""Pushing and pulling by the programs that people use, against the dashboard on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deployments.models import Image
from deployments.models.image_store import store
from deployments.services.registry import request_pull, set_login
from ffsweb.accounts.models import Membership, Project, Role, User
from tests.deployments.fleet import log_of, run
from tests.oci.images import Picture, archive, layer, multi_arch_members, podman_members, sha
from tests.oci.podman import Podman

from .pushing import Served, served, token_of
from .skopeo import Skopeo

__all__ = ["served"]

pytestmark = pytest.mark.django_db(transaction=True)
needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
needs_podman = pytest.mark.skipif(
    shutil.which("podman") is None or os.geteuid() != 0, reason="podman is not installed, or this is not root"
)
LARGE = layer(**{f"f{n}": f"{n} {os.urandom(3000).hex()}" for n in range(200)})


@pytest.fixture
def text(bob: User, project: Project) -> str:
    return token_of(bob, project)


@pytest.fixture
def skopeo(tmp_path: Path, served: Served, text: str) -> Skopeo:
    (tmp_path / "skopeo").mkdir()
    return Skopeo(tmp_path / "skopeo", served, text)


@needs_skopeo
@pytest.mark.parametrize("options", [(), ("--dest-compress-format=zstd",)], ids=["gzip", "zstd"])
def test_skopeo_pushes_and_pulls_back(skopeo: Skopeo, tmp_path: Path, options: tuple[str, ...]) -> None:
    picture = Picture()
    skopeo.push(f"docker-archive:{skopeo.archive(archive(podman_members(picture)))}", "serbest/web:v1", *options)
    image = Image.objects.get()
    assert image.reference == "web:v1"
    assert [each["diff_id"] for each in image.layers] == [f"sha256:{sha(each)}" for each in picture.layers]
    skopeo.pull("serbest/web:v1", f"oci:{tmp_path}/back:v1")
    assert image.image_id[7:] in {path.name for path in (tmp_path / "back/blobs/sha256").iterdir()}
    tags = skopeo.run(
        "list-tags", "--tls-verify=false", "--creds", f"bob:{skopeo.text}", f"{skopeo.registry}/serbest/web"
    )
    assert json.loads(tags)["Tags"] == ["v1"]


@needs_skopeo
def test_a_second_push_sends_the_new_layer_alone(skopeo: Skopeo, served: Served) -> None:
    first = Picture(layers=[LARGE, layer(app="one")])
    second = Picture(layers=[LARGE, layer(app="two")])
    skopeo.push(f"docker-archive:{skopeo.archive(archive(podman_members(first)))}", "serbest:v1")
    sent = served.received
    assert sent > 500_000
    skopeo.push(f"docker-archive:{skopeo.archive(archive(podman_members(second)), 'two.tar')}", "serbest:v2")
    assert served.received - sent < 5_000
    assert Image.objects.count() == 2


@needs_skopeo
def test_skopeo_pushes_every_architecture(skopeo: Skopeo, tmp_path: Path) -> None:
    pictures = [Picture(architecture="amd64"), Picture(layers=[layer(arm="1")], architecture="arm64")]
    members = multi_arch_members(*pictures)
    index = json.loads(members["index.json"])["manifests"][0]["digest"][7:]
    entries = json.loads(members.pop(f"blobs/sha256/{index}"))
    entries["manifests"].pop()  # the attestation, whose blob this layout does not have
    changed = json.dumps(entries).encode()
    members[f"blobs/sha256/{sha(changed)}"] = changed
    top = json.loads(members["index.json"])
    top["manifests"][0] |= {"digest": f"sha256:{sha(changed)}", "size": len(changed)}
    members["index.json"] = json.dumps(top).encode()
    source = skopeo.archive(archive(members))
    skopeo.push(f"oci-archive:{source}", "serbest:v1", "--all")
    rows = {image.architecture: image.image_id for image in Image.objects.all()}
    assert rows == {picture.architecture: picture.image_id for picture in pictures}
    skopeo.pull("serbest:v1", f"oci:{tmp_path}/back:v1", "--all")
    blobs = {f"sha256:{path.name}" for path in (tmp_path / "back/blobs/sha256").iterdir()}
    assert blobs >= set(rows.values())


@needs_skopeo
def test_skopeo_mounts_a_layer_of_another_project(
    tmp_path: Path, served: Served, bob: User, project: Project
) -> None:
    other = Project.objects.create(name="other")
    Membership.objects.create(user=bob, project=other, role=Role.OPERATOR)
    theirs = Skopeo(tmp_path, served, token_of(bob, other))
    ours = Skopeo(tmp_path, served, token_of(bob, project, also_reads=[other]))
    source = f"docker-archive:{theirs.archive(archive(podman_members(Picture(layers=[LARGE]))))}"
    theirs.push(source, "other/base:1")
    sent = served.received
    ours.push(source, "serbest:v1")  # skopeo remembers where it has pushed the layer to
    assert served.received - sent < 5_000
    assert any("POST /v2/serbest/blobs/uploads/" in each for each in served.requests)
    assert Image.objects.filter(project=project).exists()


@needs_skopeo
def test_skopeo_is_told_why_it_may_not(
    skopeo: Skopeo, served: Served, tmp_path: Path, carol: User, project: Project
) -> None:
    source = f"docker-archive:{skopeo.archive(archive(podman_members(Picture())))}"
    skopeo.push(source, "other:v1", fails="403 (Forbidden)")
    skopeo.text = "ffs_wrong"
    skopeo.push(source, "serbest:v1", fails="unauthorized")
    reader = Skopeo(tmp_path, served, token_of(carol, project, Role.VIEWER))
    login = ["--dest-tls-verify=false", "--dest-creds", f"carol:{reader.text}"]
    reader.run("copy", *login, source, f"{reader.registry}/serbest:v1", fails="takes the role Operator")
    assert not Image.objects.exists()


@needs_skopeo
def test_what_was_pushed_is_pulled_into_another_project(
    skopeo: Skopeo, served: Served, bob: User, alice: User, tmp_path: Path
) -> None:
    """The worker logs in to this very dashboard, as to any other registry."""
    picture = Picture(layers=[LARGE, layer(app="one")])
    skopeo.push(f"docker-archive:{skopeo.archive(archive(podman_members(picture)))}", "serbest/web:v1")
    host, other = f"127.0.0.1:{served.port}", Project.objects.create(name="other")
    set_login(project=other, actor=alice, host=host, username="bob", password=skopeo.text, plain_http=True)
    ended = run(request_pull(project=other, actor=alice, reference=f"{host}/serbest/web:v1"))
    assert ended.state == "succeeded", log_of(ended)
    assert skopeo.text not in log_of(ended)
    pulled = Image.objects.get(project=other)
    assert (pulled.image_id, pulled.reference) == (picture.image_id, f"{host}/serbest/web:v1")
    ended = run(request_pull(project=other, actor=alice, reference=f"{host}/serbest/web:v9"))
    assert ended.state == "failed"
    assert "There is no image" in ended.message or "no such image" in ended.message


@needs_podman
@pytest.mark.podman
def test_podman_logs_in_pushes_and_pulls_back(
    served: Served, text: str, project: Project, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    podman = Podman(tmp_path_factory.mktemp("p"))  # it takes no long paths
    (tmp_path / "image.tar").write_bytes(archive(podman_members(Picture(layers=[LARGE, layer(app="one")]))))
    podman.run("load", "--quiet", "--signature-policy", str(podman.policy), "-i", str(tmp_path / "image.tar"))
    registry, login = f"127.0.0.1:{served.port}", ["--authfile", str(tmp_path / "auth.json"), "--tls-verify=false"]
    podman.run("login", *login, "-u", "bob", "-p", text, registry)
    signed = ["--signature-policy", str(podman.policy)]
    podman.run("push", *login, *signed, "localhost/app:v1", f"{registry}/serbest:v1")
    image = Image.objects.get()
    for each in image.layers:
        store().blobs.verify(each["diff_id"])
    podman.run("rmi", "--all", "--force")
    pulled = podman.run("pull", "--quiet", *login, *signed, f"{registry}/serbest:v1")
    assert f"sha256:{pulled}" == image.image_id
    sent = served.received
    podman.run("push", *login, *signed, f"{registry}/serbest:v1", f"{registry}/serbest:v2")
    assert served.received - sent < 5_000


@needs_curl
def test_curl_pushes_a_blob_in_pieces_and_asks_how_far_it_is(served: Served, text: str, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(LARGE)
    base = f"http://127.0.0.1:{served.port}"

    def curl(*arguments: str) -> str:
        command = ["curl", "-sS", "-D", "-", "-o", str(tmp_path / "out"), "-u", f"bob:{text}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout.lower()

    def field(answer: str, name: str) -> str:
        return next(line.split(": ", 1)[1] for line in answer.splitlines() if line.startswith(f"{name}: "))

    location = base + field(curl("-X", "POST", f"{base}/v2/serbest/blobs/uploads/"), "location")
    half = len(LARGE) // 2
    (tmp_path / "first").write_bytes(LARGE[:half])
    (tmp_path / "rest").write_bytes(LARGE[half:])
    curl("-X", "PATCH", "-H", f"Content-Range: 0-{half - 1}", "-T", str(tmp_path / "first"), location)
    assert field(curl(location), "range") == f"0-{half - 1}"
    done = curl("-X", "PUT", "-T", str(tmp_path / "rest"), f"{location}?digest=sha256:{sha(LARGE)}")
    assert " 201 " in done.splitlines()[0] or " 201 " in done
    curl(f"{base}/v2/serbest/blobs/sha256:{sha(LARGE)}")
    assert (tmp_path / "out").read_bytes() == LARGE
