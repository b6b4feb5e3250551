"""A node as the product makes it, and a dashboard's view of it: its own SSH user, real image, files and certificates."""

from __future__ import annotations

import hashlib
import io
import itertools
import subprocess
import tarfile
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from deployments.core import node_commands, node_input
from deployments.core.butane import translate
from deployments.core.facts import NodeFacts, facts_of
from deployments.core.machine import MachineService, MachineSpec, butane
from deployments.core.node_events import Answer, Event, parse_event
from deployments.core.quadlet import Mode, Port, UnitSpec, render
from deployments.core.transfer_request import Door, pull_line
from deployments.nodekit.released import ffs_node_script, restore_unit
from deployments.nodekit.supervisor import onefile
from deployments.oci.archive import import_archive
from deployments.oci.endpoint import offer
from deployments.oci.registry import serve
from deployments.oci.store import Store
from ffsweb.remote import Command, Endpoint, Identity, Session, connect
from ffsweb.remote.keys import generate
from ffsweb.sealed import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from deployments.oci.store import ImportedImage
    from tests.lab.lab import Lab
    from tests.lab.nodes import Node

TOKEN = "t" * 32
PASSPHRASE = "correct horse battery staple"
SENTINEL = "sentinel-9f1c7a55e0"


@dataclass
class Machine:
    """A node of project ``serbest`` with the service ``www``, as the dashboard sees it."""

    node: Node
    private_key: Secret
    host_key: str
    signer: Secret
    _fences: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _operations: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _session: Session | None = None

    @property
    def fence(self) -> tuple[int, int]:
        """A newer fence with each use."""
        return (1, next(self._fences))

    def operation(self) -> str:
        return f"op{next(self._operations)}"

    def connect(self) -> Session:
        endpoint = Endpoint(self.node.address, 22, "ffsweb", (self.host_key,))
        return connect(endpoint, Identity(self.private_key), timeout=10)

    @property
    def session(self) -> Session:
        if self._session is None or not self._session.alive:
            self._session = self.connect()
        return self._session

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def said(self, argv: tuple[str, ...], stdin: bytes | Secret | None = None, timeout: float = 60) -> list[Event]:
        """Every event of a verb."""
        result = self.session.run(Command(argv, stdin=stdin, timeout=timeout))
        assert result.err == ""
        events = [event for line in result.out.splitlines() if (event := parse_event(line))]
        assert isinstance(events[-1], Answer)
        assert (result.exit_status == 0) == events[-1].ok
        return events

    def ask(self, argv: tuple[str, ...], stdin: bytes | Secret | None = None, timeout: float = 60) -> Answer:
        """The result of a verb, good or bad."""
        answer = self.said(argv, stdin, timeout)[-1]
        assert isinstance(answer, Answer)
        return answer

    def do(self, argv: tuple[str, ...], stdin: bytes | Secret | None = None, timeout: float = 60) -> Answer:
        """The result of a verb, which has to be good."""
        return self.ask(argv, stdin, timeout).check()

    def facts(self) -> NodeFacts:
        return facts_of(self.do(node_commands.facts()))

    def root(self, *argv: str) -> str:
        return self.node.exec(argv).check().out

    # Staging.

    def stage_image(self, store: Store, image: ImportedImage) -> Answer:
        endpoint = offer(store, image.manifest_digest, token=TOKEN, repository="serbest")
        with self.session.reverse_forward(lambda channel: serve(channel, endpoint)) as forward:
            argv = node_commands.stage_image(self.fence, "www", "serbest", image.image_id)
            stdin = pull_line(Door(forward.port, TOKEN), manifest=image.manifest_digest, need=0)
            return self.ask(argv, stdin, timeout=100)

    def stage_files(
        self, release: int, files: Mapping[str, bytes], *, sent: list[str] | None = None, base: int | None = None
    ) -> Answer:
        sent = sorted(files) if sent is None else sent
        head = files_head(files, sent)
        tar = archive({name: files[name] for name in sent}) if sent else b""
        return self.ask(node_commands.stage_files(self.fence, "www", release, base), head + tar)

    def stage_supervisor(self) -> str:
        sha256 = hashlib.sha256(onefile.source()).hexdigest()
        self.do(node_commands.stage_supervisor(self.fence, "www", sha256), onefile.source())
        return sha256

    def seal(self, version: str, **settings: str) -> Answer:
        values = {name.replace("__", "."): Secret(value) for name, value in settings.items()}
        return self.ask(node_commands.seal(self.fence, "www", version), node_input.seal_input(values))

    def switch(self, spec: UnitSpec, *, deadline: int = 60) -> Answer:
        argv = node_commands.switch(self.fence, "www", spec.operation, deadline)
        return self.ask(argv, render(spec).encode(), timeout=110)

    def confirm(self, op: str) -> Answer:
        return self.ask(node_commands.confirm(self.fence, "www", op))

    def rollback(self, op: str, *, confirmed: bool = False) -> Answer:
        return self.ask(node_commands.rollback(self.fence, "www", op, confirmed=confirmed))

    def unit(self) -> str:
        return self.node.read_text("/etc/containers/systemd/ffs-www.container")

    def spec(self, release: int, image: ImportedImage, supervisor: str, **more: object) -> UnitSpec:
        """A unit for a staged release, under a new operation."""
        spec = UnitSpec(
            project="serbest",
            service="www",
            node="node-a",
            release=release,
            image_id=image.image_id,
            supervisor=supervisor,
            interpreter="/usr/bin/python3",
            entrypoint=image.config.entrypoint,
            ports=(Port(8080, 8080),),
            operation=self.operation(),
        )
        return replace(spec, **more)  # type: ignore[arg-type]


def files_head(files: Mapping[str, bytes], sent: list[str]) -> bytes:
    rows = [
        node_input.StagedFile(name, 0o644, len(data), hashlib.sha256(data).hexdigest())
        for name, data in sorted(files.items())
    ]
    return node_input.stage_files_head(rows, sent)


def archive(files: Mapping[str, bytes], *extra: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in extra:
            tar.addfile(member)
    return buffer.getvalue()


@dataclass(frozen=True)
class Pair:
    """A self-signed certificate, and its key in the form of ``openssl enc``."""

    directory: Path

    def _openssl(self, *argv: str) -> bytes:
        return subprocess.run(("openssl", *argv), cwd=self.directory, check=True, capture_output=True).stdout

    @cached_property
    def chain(self) -> str:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        self._openssl(
            "req", "-x509", *curve, "-nodes", "-days", "2", "-subj", "/CN=www", "-keyout", "key", "-out", "crt"
        )
        return (self.directory / "crt").read_text()

    @property
    def fingerprint(self) -> str:
        assert self.chain
        return hashlib.sha256(self._openssl("x509", "-in", "crt", "-outform", "DER")).hexdigest()

    def key_enc(self, passphrase: str = PASSPHRASE) -> bytes:
        assert self.chain
        (self.directory / "pass").write_text(passphrase)
        return self._openssl("enc", "-aes-256-cbc", "-pbkdf2", "-in", "key", "-pass", "file:pass")


def boot(lab: Lab, name: str, *, disks: Mapping[str, int] | None = None) -> Machine:
    """Boot a node from the product's own machine file."""
    private_key, public_key = generate("ffsweb")
    host_private, host_public = generate()
    signer, signer_public = generate()
    spec = MachineSpec(
        project="serbest",
        node="node-a",
        services=(MachineService("www", (Port(8080, 8080),), Mode.SUPERVISOR),),
        operator_keys=(),
        dashboard_key=public_key,
        host_key_private=host_private.reveal_text(),
        host_key_public=host_public,
        ffs_node=ffs_node_script(),
        restore_unit=restore_unit(),
        upgrade_signers=f'ffs-node namespaces="ffs-node-upgrade" {signer_public}\n',
    )
    node = lab.up(name, translate(butane(spec)), disks=disks)
    return Machine(node, private_key, " ".join(host_public.split()[:2]), signer)


@dataclass
class Deployable:
    """A machine with everything of two releases staged: image, files 1 and 2, supervisor, credentials, certificate."""

    machine: Machine
    image: ImportedImage
    supervisor: str
    pair: Pair

    def spec(self, release: int, **more: object) -> UnitSpec:
        """A unit of a release, with its secrets, under a new operation."""
        secrets = {"credentials_version": "v1", "credentials": ("cert_pass", "env.SECRET")}
        own = {"certificate": self.pair.fingerprint, **secrets, **more}
        return replace(self.machine.spec(release, self.image, self.supervisor), **own)  # type: ignore[arg-type]

    def deploy(self, release: int, **more: object) -> UnitSpec:
        """Switch and confirm."""
        spec = self.spec(release, **more)
        self.machine.switch(spec).check()
        self.machine.confirm(spec.operation).check()
        return spec


def deployable(lab: Lab, name: str, tmp_path: Path, archive: Path) -> Deployable:
    """Boot a node and stage two releases on it. About five seconds."""
    machine = boot(lab, name)
    machine.do(node_commands.setup(machine.fence))
    store = Store(tmp_path / "store")
    image = import_archive(archive, store)
    machine.stage_image(store, image).check()
    machine.stage_files(1, {"version": b"1", "same/file": b"same"}).check()
    machine.stage_files(2, {"version": b"2", "same/file": b"same"}, sent=["version"], base=1).check()
    machine.seal("v1", env__SECRET=SENTINEL, cert_pass=PASSPHRASE).check()
    pair = Pair(tmp_path)
    argv = node_commands.stage_certificate(machine.fence, "www", pair.fingerprint)
    machine.do(argv, node_input.stage_certificate_input(pair.chain, pair.key_enc()))
    return Deployable(machine, image, machine.stage_supervisor(), pair)
