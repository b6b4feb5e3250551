"""The registry behind a proxy that ends TLS, as it is reached in life."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from deployments.models import Image
from ffsweb.accounts.models import Project, User
from tests.certificates.material import issue
from tests.oci.images import Picture, archive, podman_members

from .pushing import serving, token_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed"),
]


def _pipe(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def tls_proxy(directory: Path, to: int) -> Iterator[int]:
    """A port that speaks TLS, and passes everything on unchanged: it adds no headers."""
    certificate = issue("127.0.0.1", names=("127.0.0.1",))
    (directory / "both.pem").write_bytes(certificate.pem + certificate.key_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "both.pem")
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def begin(function: object, *arguments: object) -> None:
        threads.append(threading.Thread(target=function, args=arguments, daemon=True))  # type: ignore[arg-type]
        threads[-1].start()

    def passes_on(plain: socket.socket) -> None:
        try:
            outside = context.wrap_socket(plain, server_side=True)
        except OSError:
            plain.close()
            return
        with outside, socket.create_connection(("127.0.0.1", to)) as inside:
            begin(_pipe, inside, outside)
            _pipe(outside, inside)

    def accepts() -> None:
        with contextlib.suppress(OSError):
            while True:
                begin(passes_on, listener.accept()[0])

    begin(accepts)
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in threads:
            thread.join(10)


def test_skopeo_pushes_and_pulls_through_tls(
    bob: User, project: Project, data: Path, tmp_path: Path, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    picture = Picture()
    (tmp_path / "image.tar").write_bytes(archive(podman_members(picture)))
    with serving() as served, tls_proxy(tmp_path, served.port) as port:
        settings.PUBLIC_URL = f"https://127.0.0.1:{port}"
        login = f"bob:{token_of(bob, project)}"
        name = f"docker://127.0.0.1:{port}/serbest:v1"
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}

        def skopeo(*words: str) -> None:
            command = ["skopeo", "--insecure-policy", "copy", "--quiet", *words]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
            assert done.returncode == 0, done.stderr

        # The certificate is the test's own. skopeo would go on in plain HTTP only where TLS is not answered.
        skopeo("--dest-tls-verify=false", "--dest-creds", login, f"docker-archive:{tmp_path}/image.tar", name)
        assert Image.objects.get().image_id == picture.image_id
        skopeo("--src-tls-verify=false", "--src-creds", login, name, f"dir:{tmp_path}/back")
        assert (tmp_path / "back" / picture.image_id[7:]).exists()
