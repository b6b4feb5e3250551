"""What a machine is prepared with, in the API: settings from a ``.env``, and the machine file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ninja import Field, Router, Schema

from deployments.api.nodes import find_node
from deployments.core.env_file import MAX_BYTES, MAX_ENTRIES, EnvError
from deployments.core.machine import MachineError
from deployments.services import machine_files
from deployments.services import settings as settings_services
from ffsweb.accounts.models import Role
from ffsweb.rest.caller import Call
from ffsweb.rest.checking import Body
from ffsweb.rest.rights import needs, unstored
from ffsweb.web.problems import Problem

router = Router()


PlainName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class Env(Body):
    """A ``.env``. Every value is sealed, unless its name is in ``plain``."""

    text: str = Field(max_length=MAX_BYTES)
    plain: list[PlainName] = Field([], max_length=MAX_ENTRIES, description="Names that the text sets.")


class Stored(Schema):
    """The names that were set."""

    names: list[str]


class MachineKind(Body):
    """Which file: ``bu`` (Butane) or ``ign`` (Ignition)."""

    kind: Literal["bu", "ign"]


class Way(Schema):
    """A way to install a machine from the file."""

    title: str
    why: str
    command: str


class MachineFileShape(Schema):
    """A machine file. It holds a private host key: who has it can pretend to be the machine until first contact."""

    text: str
    ways: list[Way]


@router.post("/projects/{project}/settings", response=Stored, tags=["content"], summary="Import a .env")
@needs(Role.ADMIN)
@unstored
def import_settings(request: Call, project: str, sent: Env) -> dict[str, Any]:
    """All of it or nothing. Settings that it does not name stay; they go into the next release."""
    try:
        done = settings_services.import_env(
            project=request.project, actor=request.user, text=sent.text, plain=sent.plain, request=request
        )
    except EnvError as error:
        raise Problem(422, f"{error} Nothing was stored.") from error
    return {"names": list(done.names)}


@router.post(
    "/projects/{project}/nodes/{node}/machine",
    response={201: MachineFileShape},
    tags=["nodes"],
    summary="Make a machine file",
)
@needs(Role.ADMIN)
@unstored
def make_machine_file(request: Call, project: str, node: str, sent: MachineKind) -> dict[str, Any]:
    """Each has a host key of its own, which is awaited from now on."""
    found = find_node(request, node)
    try:
        made = machine_files.make_machine_files(node=found, actor=request.user, kind=sent.kind, request=request)
    except MachineError as error:
        raise Problem(409, f"The file was not made: {error}") from error
    return {"text": made.text, "ways": machine_files.install_commands(found)}
