"""What the test of the composed services asks of them, run in the web container with Django set up.

Each function is a process of its own there: what one makes, the next finds in the database.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

from deployments.models import Node, Release, Service
from deployments.services import deploys
from ffsweb.accounts.models import Project, User
from ffsweb.operations.models import LogLine, Operation
from tests.demo.sample import PROJECT, SampleProject, files_archive

RESULT = "RESULT "


class Again(SampleProject):
    """The sample project that an earlier process made."""

    def __init__(self) -> None:
        self._say, self._alive = print, lambda: None
        self.actor = User.objects.get(username="demo")
        self.project = Project.objects.get(name=PROJECT)


def describe(address: str) -> str:
    """Make project, node and service; the text of the node's ffs.ign."""
    project = SampleProject(say=print, alive=lambda: None)
    node, service = project.describe(address)
    Service.objects.filter(pk=service.pk).update(settle=20)
    return project.machine_file(node)


def prepare(image: str) -> int:
    """Read the node, take the image in, and make a release of it: its number."""
    project = Again()
    project.read(Node.objects.get())
    project.take_in("image", Path(image))
    project.take_in("files", files_archive(Path("/tmp/files.tar.gz")))
    return project.release("by the composed services").number


def deploy() -> int:
    """Begin to deploy the release; the operation's number."""
    project = Again()
    plan = deploys.preview(release=Release.objects.get(), services=[Service.objects.get()], actor=project.actor)
    return deploys.request_deploy(plan=plan, actor=project.actor).pk


def told(operation: int) -> dict[str, object]:
    """How it is with an operation, and its log as (number, text)."""
    row = Operation.objects.get(pk=operation)
    lines = list(LogLine.objects.filter(operation=row).order_by("number").values_list("number", "text"))
    live = Service.objects.get().live_release
    return {
        "finished": row.finished,
        "state": row.state,
        "message": row.message,
        "lines": lines,
        "live": live and live.number,
    }


def main(name: str, *arguments: object) -> None:
    """Run one of the functions and write what it gives, as JSON, on a line of its own."""
    said, sys.stdout = sys.stdout, io.StringIO()
    given = globals()[name](*arguments)
    said.write(f"\n{RESULT}{json.dumps(given)}\n")
    said.flush()
