"""The image side of a simulated node: a store of layers that really pulls and fetches what it is offered."""

from __future__ import annotations

import hashlib
import io
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deployments.oci.zstd import zstd
from ffsweb.remote.fake import FakeNode


class WasCut(Exception):
    """The connection ended while something came."""


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class NodeImages:
    """What the node holds, and what is to go wrong with the next pushes."""

    fake: FakeNode
    ids: set[str] = field(default_factory=set)
    unnamed: set[str] = field(default_factory=set)
    """Of ``ids``, what podman knows but no staging has finished."""
    layers: dict[str, bytes] = field(default_factory=dict)
    configs: dict[str, bytes] = field(default_factory=dict)
    """Configurations of images, by ID."""
    parts: dict[str, bytes] = field(default_factory=dict)
    tools: list[str] = field(default_factory=list)
    older: bool = False
    """Its program does not read packed requests."""
    chunked: set[str] = field(default_factory=set)
    requests: list[dict[str, Any]] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    """Bytes of blobs after which the connection is cut; one for each coming attempt."""
    refusals: list[str] = field(default_factory=list)
    """Codes that the coming attempts are refused with, after everything came."""
    while_staging: Callable[[], None] | None = None
    _fetching: str = ""
    received: int = 0

    def facts(self) -> dict[str, Any]:
        held = {
            "ids": sorted(self.ids),
            "diff_ids": sorted(self.layers),
            "chunked": sorted(self.chunked),
            "staged": [f"serbest:{image_id}" for image_id in sorted(self.ids - self.unnamed)],
        }
        told = {"images_held": held, "tools": sorted(self.tools), "partial_pulls": bool(self.chunked), "cpus": 2}
        verbs = [] if self.older else ["stage-image-packed"]
        return told | {"fetched": self._fetched(), "verbs": verbs}

    def _fetched(self) -> dict[str, int]:
        """What a cut fetch left: the bytes of the image, and those of each blob."""
        each = {name: len(data) for name, data in self.parts.items()}
        return {self._fetching: sum(each.values())} | each if each else {}

    def hold(self, *layers: bytes) -> None:
        self.layers |= {digest(data): data for data in layers}

    def stage(self, image_id: str, repository: str, stdin: bytes, against: str = "") -> dict[str, Any]:
        """``stage-image``, as the contract has it."""
        opened = self._open(stdin, against)
        if opened is None:
            return _refused("delta")
        request, self._behind = opened
        self.requests.append(request)
        if request["way"] == "fetch":  # pieces of other blobs are removed, as the program does
            wanted = {blob["digest"] for blob in request["blobs"]}
            self._fetching = image_id
            self.parts = {name: data for name, data in self.parts.items() if name in wanted}
        self._budget = self.cuts.pop(0) if self.cuts else None
        if self.while_staging is not None:
            self.while_staging()
        if image_id in self.ids:
            self.unnamed.discard(image_id)
            return {"ok": True, "image_id": image_id, "way": request["way"], "kept": 0}
        made = self._bring(request, repository)
        if isinstance(made, str):
            return _refused(made)
        layers, kept, config = made
        if digest(config) != image_id or [digest(data) for data in layers] != _diff_ids(config):
            return {"ok": False, "code": "verify", "text": "It is another image."}
        self.hold(*layers)
        self.ids.add(image_id)
        self.configs[image_id] = config
        self.parts.clear()
        return {"ok": True, "image_id": image_id, "way": request["way"], "kept": kept}

    def _bring(self, request: dict[str, Any], repository: str) -> tuple[list[bytes], int, bytes] | str:
        """Layers, what of them was here before, and the configuration; or the code of a refusal."""
        get = _Client(self.fake, request.get("port", 0), f"{request.get('token')}/{repository}", self._came)
        try:
            made = self._fetch(get, request) if request["way"] == "fetch" else self._pull(get, request)
        except WasCut:
            self.fake.cut()
            return "interrupted"
        return self.refusals.pop(0) if self.refusals and not isinstance(made, str) else made

    def _open(self, stdin: bytes, against: str) -> tuple[dict[str, Any], io.BytesIO] | None:
        """The request, and what stands behind its first line; None if it was packed against something else."""
        if stdin.startswith(b"\x28\xb5\x2f\xfd"):
            known = [config for name, config in self.configs.items() if name[7:].startswith(against) and against]
            if bool(known) != bool(against):
                return None
            dictionary = zstd.ZstdDict(known[0], is_raw=True).as_undigested_dict if known else None
            stdin = zstd.decompress(stdin, zstd_dict=dictionary)
        line, _, rest = stdin.partition(b"\n")
        request = json.loads(line)
        riders = sum(blob["size"] for blob in request.get("blobs", ()) if blob.get("rides"))
        assert len(rest) == request.get("config", 0) + riders
        return request, io.BytesIO(rest)

    def _came(self, count: int) -> int:
        """How many of so many bytes come before the cut."""
        if self._budget is None:
            self.received += count
            return count
        taken = min(count, self._budget)
        self._budget -= taken
        self.received += taken
        return taken

    def _pull(self, get: _Client, request: dict[str, Any]) -> tuple[list[bytes], int, bytes] | str:
        body = get.document("manifests", request["manifest"])
        manifest = json.loads(body)
        config = get.document("blobs", manifest["config"]["digest"])
        layers = []
        for layer in manifest["layers"]:
            data = self.layers.get(layer["digest"])
            if data is None:
                packed = get.blob(layer["digest"], layer["size"])
                if digest(packed) != layer["digest"]:
                    return "podman"
                data = zstd.decompress(packed) if packed.startswith(b"\x28\xb5\x2f\xfd") else packed
            layers.append(data)
        return layers, 0, config

    def _fetch(self, get: _Client, request: dict[str, Any]) -> tuple[list[bytes], int, bytes] | str:
        config = self._behind.read(request["config"])
        kept, made = 0, dict(self.layers)
        for blob in request["blobs"]:
            there = self.parts.get(blob["digest"], b"")
            kept += len(there)
            try:
                rest = self._rider(blob) if blob.get("rides") else get.blob(blob["digest"], blob["size"], len(there))
            except _Partly as partly:
                self.parts[blob["digest"]] = there + partly.data
                raise WasCut from None
            whole = self.parts[blob["digest"]] = rest if blob.get("rides") else there + rest
            if digest(whole) != blob["digest"] or len(whole) != blob["size"]:
                return "verify"
            base = self.layers.get(blob.get("base", ""))
            if blob["form"] == "delta" and base is None:
                return "delta"
            prefix = zstd.ZstdDict(base, is_raw=True).as_prefix if base and blob["form"] == "delta" else None
            try:
                data = whole if blob["form"] == "raw" else zstd.decompress(whole, zstd_dict=prefix, options=_LONG)
            except zstd.ZstdError:
                data = b""
            if digest(data) != blob["diff_id"] or len(data) != blob["diff_size"]:
                return "delta" if blob["form"] == "delta" else "verify"
            made[blob["diff_id"]] = data
        layers = _diff_ids(config)
        if len(layers) != len(request["sizes"]) or any(diff_id not in made for diff_id in layers):
            return "podman"
        return [made[diff_id] for diff_id in layers], kept, config

    def _rider(self, blob: dict[str, Any]) -> bytes:
        """It came with the request, or the connection ended before all of that was there: then nothing of it stays."""
        if self._came(blob["size"]) < blob["size"]:
            raise WasCut
        return self._behind.read(blob["size"])


_LONG = {int(zstd.DecompressionParameter.window_log_max): 31}


def _refused(code: str) -> dict[str, Any]:
    return {"ok": False, "code": code, "text": f"It was refused ({code})."}


def _diff_ids(config: bytes) -> list[str]:
    found: list[str] = json.loads(config)["rootfs"]["diff_ids"]
    return found


class _Partly(WasCut):
    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data


class _Client:
    """HTTP as far as the endpoint needs it, a connection for each request."""

    def __init__(self, fake: FakeNode, port: int, name: str, came: Callable[[int], int]) -> None:
        self._fake, self._port, self._name, self._came = fake, port, name, came

    def document(self, kind: str, reference: str) -> bytes:
        with self._ask(kind, reference, "") as channel:
            data = _read(channel, lambda count: count)
        assert digest(data) == reference
        return data

    def blob(self, reference: str, size: int, begin: int = 0) -> bytes:
        if begin >= size:
            return b""
        with self._ask("blobs", reference, f"Range: bytes={begin}-\r\n" if begin else "") as channel:
            return _read(channel, self._came)

    def _ask(self, kind: str, reference: str, field: str) -> socket.socket:
        try:
            channel = self._fake.dial(self._port)
        except ConnectionRefusedError:
            raise WasCut from None
        channel.settimeout(60)
        head = f"GET /v2/{self._name}/{kind}/{reference} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{field}\r\n"
        channel.sendall(head.encode())
        return channel


def _read(channel: socket.socket, came: Callable[[int], int]) -> bytes:
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            more = channel.recv(65536)
            if not more:
                raise WasCut
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        status, size = head.split(b" ")[1], int(fields[b"content-length"])
        if status not in (b"200", b"206"):
            return b""
        taken = came(len(body))
        whole = bytearray(body[:taken])
        while len(whole) < size:
            more = channel.recv(65536)
            taken = came(len(more))
            whole += more[:taken]
            if not more or taken < len(more):
                raise _Partly(bytes(whole))
    except ConnectionError:
        raise WasCut from None
    return bytes(whole)
