"""A client of the upload protocol for tests, over Django's test client."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from deployments.models import Upload
from deployments.oci.running_sums import RunningSums
from deployments.services import resumable
from ffsweb.accounts.models import User

from .conftest import Visit

CREATE = "/projects/serbest/uploads/"
PAGES = {"image": "/projects/serbest/images/", "files": "/projects/serbest/files/"}
CONTENT = bytes(range(256)) * 40
PART = "application/offset+octet-stream"


def metadata(**values: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Sender:
    """One person who sends one file."""

    def __init__(self, client: Client, content: bytes = b"an archive, or not", name: str = "app.tar") -> None:
        self.client, self.content, self.name = client, content, name
        self.address = ""

    def create(self, what: str = "image", **headers: str) -> Any:
        asked = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(self.content)),
            "Upload-Metadata": metadata(filename=self.name, what=what, modified="1700000000000"),
        } | headers
        answer = self.client.post(CREATE, headers={key: value for key, value in asked.items() if value})
        self.address = answer.headers.get("Location", "")
        return answer

    def patch(self, offset: int, data: bytes, content_type: str = PART, **headers: str) -> Any:
        asked = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset)} | headers
        return self.client.patch(self.address, data, content_type=content_type, headers=asked)

    def head(self) -> Any:
        return self.client.head(self.address, headers={"Tus-Resumable": "1.0.0"})

    def offset(self) -> int:
        return int(self.head()["Upload-Offset"])

    def delete(self) -> Any:
        return self.client.delete(self.address, headers={"Tus-Resumable": "1.0.0"})

    def finish(self, sum_of: bytes | None = None) -> Any:
        return self.client.post(
            f"{self.address}finish/", {"sha256": sha256(self.content if sum_of is None else sum_of)}
        )

    @property
    def row(self) -> Upload:
        return Upload.objects.get(key=self.address.split("/")[-2])

    @property
    def file(self) -> Path:
        return self.row.path


@pytest.fixture
def sender(visit: Visit, bob: User, monkeypatch: pytest.MonkeyPatch) -> Sender:
    """Bob, who has begun to send CONTENT to a process that has just started."""
    restart(monkeypatch)
    begun = Sender(visit(bob), CONTENT)
    assert begun.create().status_code == 201
    return begun


def restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the web process had in memory is gone."""
    monkeypatch.setattr(resumable, "SUMS", RunningSums())
    monkeypatch.setattr("deployments.services.parts.SUMS", resumable.SUMS)


def files_in(data: Path) -> list[str]:
    return [path.name for path in data.rglob("*") if path.is_file()]
