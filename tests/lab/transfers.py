"""Images for pushes to real nodes, and the pushes: each way and form, counted at the endpoint, cut on demand."""

from __future__ import annotations

import io
import random
import secrets
import tarfile
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from deployments.core import node_commands
from deployments.core.node_events import Answer, Event, parse_event
from deployments.core.transfer_request import Door, FetchBlob, pull_line
from deployments.execution.transfer_parcel import fetch_request
from deployments.oci.archive import import_archive
from deployments.oci.forms import Forms, Wanted
from deployments.oci.forms_offer import offer_fetch, offer_pull
from deployments.oci.registry import serve
from deployments.oci.store import Store
from ffsweb.remote import Command, Line
from ffsweb.sealed import Secret
from tests.lab.base import base
from tests.oci.images import Picture, archive, member, podman_members, tar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from deployments.core.transfer_values import Way
    from deployments.oci.endpoint import Endpoint
    from deployments.oci.forms_values import Form, Kind
    from deployments.oci.pacing import Pacer
    from deployments.oci.store import ImportedImage
    from ffsweb.remote import Session
    from tests.lab.ffs_node_machine import Machine

NEVER = threading.Event()
DIRECTORY = member("app", kind=tarfile.DIRTYPE)
"""As every real layer has it: podman's partial pulls write files side by side, and may come before a directory that is
only implied."""
HEALTH = {"Test": ["CMD", "/bin/true"], "Interval": 30_000_000_000}


def text_layer(name: str, *, files: int, size: int, seed: int, changed: tuple[int, ...] = ()) -> bytes:
    """A layer of ``files`` files of about ``size`` bytes of text; those in ``changed`` end differently."""
    chance = random.Random(f"{name}-{seed}")
    words = [bytes(chance.choices(b"abcdefghijklmnop \n", k=40)) for _ in range(2000)]
    contents = (
        b"".join(chance.choices(words, k=size // 40)) + (b"changed\n" if at in changed else b"")
        for at in range(files)
    )
    return tar(
        [
            member(name, kind=tarfile.DIRTYPE),
            *(member(f"{name}/{at}", content) for at, content in enumerate(contents)),
        ]
    )


def dense_layer(name: str, size: int, seed: int = 0) -> bytes:
    """A layer of one file that does not pack."""
    return tar([member(name, random.Random(f"{name}-{seed}").randbytes(size))])


def newer_skopeo(directory: Path) -> Path:
    """A directory with the nodes' skopeo as a program of this machine: only that one writes zstd:chunked."""
    tree = base()
    library = next(tree.glob("usr/lib/*-linux-gnu"))
    loader = next(tree.glob("usr/lib*/ld-linux-*"), None) or next(library.glob("ld-linux-*"))
    script = directory / "skopeo"
    script.write_text(f'#!/bin/sh\nexec {loader} --library-path {library} {tree}/usr/bin/skopeo "$@"\n')
    script.chmod(0o755)
    return directory


@dataclass
class Pushed:
    """What a push came to: the events, the answer, and the bytes on the wire by digest ("" for all else)."""

    events: list[Event]
    sent: Counter[str]
    token: str
    alive: int
    """Lines that only say that it goes on."""

    @property
    def answer(self) -> Answer:
        assert isinstance(self.events[-1], Answer)
        return self.events[-1]

    @property
    def texts(self) -> str:
        return "\n".join(str(getattr(event, "text", "")) for event in self.events)

    @property
    def bytes(self) -> int:
        return sum(self.sent.values())


@dataclass
class Cutter:
    """Once so many bytes have gone to the node, ends one channel of the tunnel, or the whole connection."""

    after: int
    session: Session | None = None
    done: bool = False
    counted: int = 0

    def __call__(self, count: int) -> None:
        self.counted += count
        if self.counted >= self.after and not self.done:
            self.done = True
            if self.session is not None:
                self.session.close()
            raise OSError("cut for the test")


@dataclass
class Dashboard:
    """The dashboard's half: a store, its other forms, and pushes from them."""

    store: Store
    forms: Forms
    project: str = "serbest"
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def at(cls, directory: Path) -> Dashboard:
        store = Store(directory / "oci")
        return cls(store, Forms(store, directory / "forms", 10**10))

    def image(self, *layers: bytes, health: bool = False) -> ImportedImage:
        run: dict[str, Any] = {"Cmd": ["/bin/sh"]} | ({"Healthcheck": HEALTH} if health else {})
        picture = Picture(layers=list(layers), run=run)
        return import_archive(io.BytesIO(archive(podman_members(picture))), self.store)

    def archive(self, path: Path, *layers: bytes) -> Path:
        """The archive of that image, as podman writes it."""
        path.write_bytes(archive(podman_members(Picture(layers=list(layers), run={"Cmd": ["/bin/sh"]}))))
        return path

    def made(self, kind: Kind, *diff_ids: str, base: str = "") -> dict[str, Form]:
        return {each: self.forms.make(Wanted(kind, each, base), NEVER) for each in diff_ids}

    def push(
        self,
        machine: Machine,
        image: ImportedImage,
        forms: Mapping[str, Form] | None = None,
        *,
        way: Way = "pull",
        held: tuple[str, ...] = (),
        service: str = "www",
        need: int | None = None,
        session: Session | None = None,
        cutter: Sequence[Cutter] = (),
        pace: Pacer | None = None,
        sent: Counter[str] | None = None,
        ride: bool = False,
        against: ImportedImage | None = None,
    ) -> Pushed:
        """Push the image in these forms; ``held`` layers are taken to be on the node, and not offered.

        ``sent`` goes on counting. ``ride``: all that is fetched comes with the request, which is packed ``against``
        another image. Raises what the session does.
        """
        forms, sent = forms or {}, Counter() if sent is None else sent

        def on_bytes(digest: str, count: int) -> None:
            with self._lock:
                sent[digest] += count
            for each in cutter:
                each(count)

        token = secrets.token_hex(16)
        options: dict[str, Any] = {"repository": self.project, "on_bytes": on_bytes, "pace": pace}
        manifest = image.manifest_digest
        if way == "fetch":
            endpoint = offer_fetch(self.store, manifest, forms, token=token, **options)
        else:
            endpoint, manifest = offer_pull(self.store, manifest, forms, token=token, **options)
        gone = {layer.diff_id for layer in image.layers if layer.diff_id in held}
        endpoint = replace(endpoint, blobs=tuple(blob for blob in endpoint.blobs if blob.digest not in gone))
        missing = [layer for layer in image.layers if layer.diff_id not in held]
        argv = node_commands.stage_image(
            machine.fence, service, self.project, image.image_id, against.image_id if against else ""
        )
        events: list[Event] = []
        alive = [0]

        def on_line(line: Line) -> None:
            event = parse_event(line.text) if line.stream == "out" else None
            if event is not None:
                events.append(event)
            alive[0] += line.text == '{"event":"alive"}'

        session = session or machine.session
        with session.reverse_forward(_server(endpoint)) as forward:
            door = Door(forward.port, token)
            need = sum(layer.size for layer in missing) if need is None else need
            blobs = [_blob(layer.diff_id, layer.size, forms.get(layer.diff_id)) for layer in missing]
            riding = [replace(blob, rides=ride) for blob in blobs]
            stdin = (
                fetch_request(
                    self.store,
                    image.manifest_digest,
                    None if ride else door,
                    need=need,
                    blobs=riding,
                    riders=[self._content(blob) for blob in riding if blob.rides],
                    known=self.store.document(against.image_id) if against else b"",
                )
                if way == "fetch"
                else Secret(pull_line(door, manifest=manifest, need=need))
            )
            result = session.run(Command(argv, stdin=stdin, timeout=200), on_line=on_line)
        assert token not in result.out
        assert result.err == ""
        return Pushed(events, sent, token, alive[0])

    def _content(self, blob: FetchBlob) -> bytes:
        if blob.form == "raw":
            return self.store.blobs.path(blob.digest).read_bytes()
        (form,) = (
            each for each in self.forms.every(blob.form, blob.diff_id, blob.base) if each.digest == blob.digest
        )
        return form.path.read_bytes()


def _server(endpoint: Endpoint) -> Any:
    def handle(channel: Any) -> None:
        serve(channel, endpoint)

    return handle


def _blob(diff_id: str, size: int, form: Form | None) -> FetchBlob:
    if form is None:
        return FetchBlob(diff_id, size, "raw", diff_id, size)
    return FetchBlob(form.digest, form.size, form.kind, diff_id, size, form.base)
