"""A container with a sealed key, as the unit and the deploy make one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

PASSWORD = "correct horse battery staple"


def openssl(*arguments: str, feed: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=feed, check=True, capture_output=True).stdout


@pytest.fixture(scope="session")
def pair(tmp_path_factory) -> Path:
    """A key, its certificate, the key as `openssl enc` and as PKCS#8, and a stranger's certificate."""
    place = tmp_path_factory.mktemp("pair")
    for name in ("server", "stranger"):
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", f"{place}/{name}.key", "-out", f"{place}/{name}.crt"),
        )
    openssl(
        *("enc", "-aes-256-cbc", "-pbkdf2", "-salt", "-in", f"{place}/server.key"),
        *("-out", f"{place}/server.key.enc", "-pass", f"pass:{PASSWORD}"),
    )
    openssl(
        *("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", f"{place}/server.key"),
        *("-out", f"{place}/server.p8", "-passout", f"pass:{PASSWORD}"),
    )
    openssl(
        *("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", f"{place}/server.key", "-outform", "DER"),
        *("-out", f"{place}/server.der", "-passout", f"pass:{PASSWORD}"),
    )
    return place


@pytest.fixture
def memory():
    """A directory on a tmpfs, as the unit mounts one at /tmp/secrets."""
    place = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield place
    shutil.rmtree(place)


@pytest.fixture
def container(tmp_path, pair) -> Path:
    """What the unit mounts: certificates and credentials."""
    (tmp_path / "certs").mkdir()
    (tmp_path / "run").mkdir()
    shutil.copy(pair / "server.crt", tmp_path / "certs")
    shutil.copy(pair / "server.key.enc", tmp_path / "certs")
    (tmp_path / "run" / "cert_pass").write_text(PASSWORD)
    return tmp_path
