"""A node that does what ``ffs-node`` does, in this process: for what goes wrong between two steps of a deploy.

The lab shows that the real one does the same. What is simulated: facts, images that really come over the forward
(``held``), other staging as a note that it is there, switch with its pending unit, confirm, roll back, fences, and the
deadline (``pass_deadline``).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from deployments.core.node_argv import PREFIX
from deployments.core.program import version_key
from deployments.models import Release
from deployments.nodekit.released import ffs_node_program
from ffsweb.remote.fake import HOST_KEY, Answer, Call, FakeNode
from tests.deployments.facts import node_facts, service_facts
from tests.deployments.pulling import NodeImages

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


class SimulatedNode:
    """One node; ``connect`` stands in for ``ffsweb.remote.connect``."""

    def __init__(self) -> None:
        self.fake = FakeNode()
        self.connect = self.fake.connect
        self.units: dict[str, str] = {}
        self.pending: dict[str, tuple[str, str | None]] = {}
        self.previous: dict[str, str | None] = {}
        self.operations: dict[str, str] = {}
        self.why: dict[str, str] = {}
        self.staged: dict[str, set[int]] = {}
        self.held = NodeImages(self.fake)
        self.images = self.held.ids
        self.credentials: set[str] = set()
        self.supervisors: set[str] = set()
        self.certs: set[str] = set()
        self.switches: list[str] = []
        self.never_ready: set[int] = set()
        self.dying: set[int] = set()
        self.before: dict[str, Callable[[], None]] = {}
        self.after: dict[str, Callable[[], None]] = {}
        self.restarts = 0
        self.arch = "x86_64"
        self.program = ffs_node_program()
        self.signers: set[str] | None = None
        self.lies = False
        self.journal: list[str] = []
        self.probes: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.program_too_old = False
        self.sees = ""
        self.busy: set[str] = set()
        self.collisions: list[str] = []
        self.fences: dict[str, tuple[int, ...]] = {}
        self.stale: list[str] = []
        self._lock = threading.Lock()
        self.fake.on(PREFIX, self._answer)

    # What a test asks.

    def release(self, service: str = "www") -> int | None:
        """The release that the unit names; None if there is no unit."""
        return int(_field(self.units[service], "Release")) if service in self.units else None

    def verbs(self) -> list[str]:
        """The verbs that arrived, in order."""
        return [call.argv[len(PREFIX)] for call in self.fake.calls]

    def install(self, release: Release, service: str = "www") -> None:
        """Let a release run, as an earlier deploy left it."""
        self.units[service] = (
            f"[X-FFS]\nProject=serbest\nRelease={release.number}\nImageId={release.image.image_id}\n"
            f"Certificate=none\nCredentials=none\nOperation=0-0\n"
        )
        self.images.add(release.image.image_id)
        self.staged.setdefault(service, set()).add(release.number)

    def pass_deadline(self) -> None:
        """What the node's timer does when no confirmation came."""
        for service in list(self.pending):
            self.put_back(service, "it was not confirmed in time")

    def vanish(self) -> None:
        """No connection is left, and none is taken, until ``fake.accept()``."""
        self.fake.refuse()
        self.fake.cut()

    # What it answers.

    def _answer(self, call: Call) -> Answer:
        verb, *words = call.argv[len(PREFIX) :]
        options = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=False)}
        options |= {"confirmed": "yes"} if "--confirmed" in words else {}
        options |= {"break-glass": "yes"} if "--break-glass" in words else {}
        self._turn(self.before.get(verb))
        with self._lock:
            if verb in self.busy:
                self.collisions.append(verb)
            self.busy.add(verb)
        try:
            does = getattr(self, f"_{verb.replace('-', '_')}", self._nothing)
            told = self._check_fence(verb, options) or does(options, call.stdin)
        finally:
            with self._lock:
                self.busy.discard(verb)
        self._turn(self.after.get(verb))
        events = [*told.pop("events", []), {"event": "result", **told}]
        return Answer(out="".join(json.dumps(each) + "\n" for each in events), exit_status=0 if told["ok"] else 1)

    def _check_fence(self, verb: str, options: dict[str, str]) -> dict[str, Any] | None:
        """The refusal of a fence lower than the highest seen, for the service or for the node as a whole.

        A switch that was begun, and a rollback of what there is not, are answered without it.
        """
        if "fence" not in options or self._answered_before_the_fence(verb, options):
            return None
        key = f"service-{options['service']}" if "service" in options else "node"
        fence = tuple(int(part) for part in options["fence"].split("."))
        with self._lock:
            highest = self.fences.get(key, (0, 0))
            if fence < highest:
                self.stale.append(verb)
                return _refused(
                    "stale", f"This request has fence {options['fence']}: a newer operation has taken over."
                )
            self.fences[key] = fence
        return None

    def _answered_before_the_fence(self, verb: str, options: dict[str, str]) -> bool:
        begun = f"{options.get('op')}.{options.get('service')}" in self.operations
        return (verb == "switch" and begun) or (verb == "rollback" and not begun)

    @staticmethod
    def _turn(hook: Callable[[], None] | None) -> None:
        if hook is not None:
            hook()

    def _nothing(self, _options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        return {"ok": True}

    def _logs(self, _options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        lines = [{"event": "line", "at": float(at), "text": text} for at, text in enumerate(self.journal)]
        return {"ok": True, "events": lines}

    def _control(self, _options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        return {"ok": True, "events": [{"event": "log", "text": text} for text in self.journal]}

    def _probe(self, options: dict[str, str], stdin: bytes) -> dict[str, Any]:
        """What is next in ``probes``, the last of them for ever; a good answer if there is none."""
        self.asked.append(options | ({"words": json.loads(stdin)} if stdin else {}))
        if not self.probes:
            return {"ok": True, "good": True, "said": "answered 200"}
        return dict(self.probes.pop(0) if len(self.probes) > 1 else self.probes[0])

    def _served(self, options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        """A handshake with the first port, which the tests serve on loopback."""
        if self.program_too_old:
            return _refused("bad-argument", "ffs-node has no such verb.")
        port = int(options["ports"].partition(",")[0])
        try:
            pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=5)
        except OSError:
            said = f"port {port} took no connection"
            return {"ok": True, "port": 0, "fingerprint": "", "not_after": None, "said": said}
        shown = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        return {"ok": True, "port": port, "fingerprint": self.sees or shown, "not_after": 2_000_000_000, "said": ""}

    def _rekey_host(self, options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        if not {"activate", "confirm"} & set(options):
            return {"ok": True, "public_key": OTHER_KEY}
        self.fake.host_key = OTHER_KEY
        return {"ok": True}

    def _facts(self, _options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        services = {name: self._service(name) for name in {*self.units, *self.staged, "www"}}
        told = node_facts(services, host_keys=[HOST_KEY + "A" * 20], arch=self.arch)
        program = {"protocol": self.program.protocol, "version": self.program.version}
        return {"ok": True, **told, **program, "program_sha256": self.program.sha256, **self.held.facts()}

    def _version(self, _options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        return {"ok": True, "protocol": self.program.protocol, "version": self.program.version}

    def _upgrade(self, _options: dict[str, str], stdin: bytes) -> dict[str, Any]:
        if self.signers is None:
            return _refused("not-found", "This node knows no key for upgrades (/etc/ffs/upgrade.signers).")
        if signed_by(json.loads(stdin)["signature"]) not in self.signers:
            return _refused("verify", "The signature is not one that this node trusts; nothing was changed.")
        if version_key(self.program.version) > version_key(ffs_node_program().version):
            return _refused("stale", f"Version X is older than {self.program.version}; nothing was changed.")
        script = base64.b64decode(json.loads(stdin)["script"])
        self.program = replace(ffs_node_program(), sha256=hashlib.sha256(script).hexdigest())
        return {"ok": True}

    def _service(self, name: str) -> dict[str, Any]:
        unit = self.units.get(name)
        pending = (
            {"op": self.pending[name][0].partition(".")[0], "deadline": 2_000_000_000}
            if name in self.pending
            else None
        )
        facts = service_facts(None, pending=pending, project=None) | {
            "releases": sorted(self.staged.get(name, ())),
            "credentials_held": sorted(self.credentials),
            "supervisors": sorted(self.supervisors),
            "certs": sorted(self.certs),
        }
        if unit is None:
            return facts | {"installed": False, "unit_sha256": None}
        number, image = int(_field(unit, "Release")), _field(unit, "ImageId")
        container = {
            "id": f"{number:064x}",
            "image_id": image,
            "running": True,
            "started": "2026-11-24",
            "health": None,
        }
        if number in self.dying:
            self.restarts += 1
        return facts | {
            "deployed": True,
            "unit_sha256": hashlib.sha256(unit.encode()).hexdigest(),
            "project": _field(unit, "Project"),
            "release": number,
            "image_id": image,
            "credentials": None if _field(unit, "Credentials") == "none" else _field(unit, "Credentials"),
            "certificate": None if _field(unit, "Certificate") == "none" else _field(unit, "Certificate"),
            "operation": _field(unit, "Operation"),
            "active": "activating" if number in self.never_ready else "active",
            "sub": "running",
            "restarts": self.restarts if number in self.dying else 0,
            "main_pid": 42,
            "container": container,
        }

    def _stage_image(self, options: dict[str, str], stdin: bytes) -> dict[str, Any]:
        return self.held.stage(options["image-id"], options["project"], stdin, options.get("from", ""))

    def _stage_files(self, options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        self.staged.setdefault(options["service"], set()).add(int(options["release"]))
        return {"ok": True}

    def _stage_supervisor(self, options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        self.supervisors.add(options["sha256"])
        return {"ok": True}

    def _stage_certificate(self, options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        self.certs.add(options["fingerprint"])
        return {"ok": True}

    def _seal(self, options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        self.credentials.add(options["version"])
        return {"ok": True}

    def _prune(self, options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        keep = set(map(int, options["keep"].split(","))) | {self.release(options["service"]) or 0}
        removed = self.staged.get(options["service"], set()) - keep
        self.staged[options["service"]] = self.staged.get(options["service"], set()) & keep
        images = self.images - set(options.get("keep-images", ",".join(self.images)).split(","))
        self.images -= images
        return {"ok": True, "removed": len(removed) + len(images)}

    def _switch(self, options: dict[str, str], stdin: bytes) -> dict[str, Any]:
        service, unit = options["service"], stdin.decode()
        operation = f"{options['op']}.{service}"
        if operation not in self.operations:
            if service in self.pending:
                return _refused("pending", f"The switch of operation {self.pending[service][0]} is not confirmed.")
            self.switches.append(operation)
            self.pending[service] = (operation, self.units.get(service))
            self.units[service] = unit
            self.operations[operation] = "failed" if int(_field(unit, "Release")) in self.never_ready else "switched"
        if self.operations[operation] == "rolled-back":
            return _refused("rolled-back", f"The old release is back: {self.why[operation]}.")
        if self.operations[operation] == "failed":
            return _refused("start-failed", "The new release did not become ready.")
        return {"ok": True}

    def _confirm(self, options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        service = options["service"]
        operation = f"{options['op']}.{service}"
        state = self.operations.get(operation)
        if state == "confirmed":
            return {"ok": True}
        if state != "switched":
            return _refused(state or "not-found", "There is nothing to confirm.")
        self.previous[operation] = self.pending.pop(service)[1]
        self.operations[operation] = "confirmed"
        return {"ok": True}

    def _rollback(self, options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        operation = f"{options['op']}.{options['service']}"
        state = self.operations.get(operation)
        if state is None:
            return _refused("not-found", "There is no such operation on this node.")
        if state == "confirmed":
            if "confirmed" not in options:
                return _refused("confirmed", "This switch was confirmed; go back by deploying the older release.")
            if _field(self.units[options["service"]], "Operation") != options["op"]:
                return _refused(
                    "changed", "The service was switched again since this operation; nothing was changed."
                )
            self.pending[options["service"]] = (operation, self.previous[operation])
        if self.pending.get(options["service"], ("",))[0] == operation and not self.lies:
            self.put_back(options["service"], "it was asked for")
        return {"ok": True}

    def put_back(self, service: str, why: str) -> None:
        """Undo a pending switch."""
        operation, unit = self.pending.pop(service)
        self.operations[operation], self.why[operation] = "rolled-back", why
        if unit is None:
            del self.units[service]
        else:
            self.units[service] = unit


def signed_by(armoured: str) -> str:
    """The public key that a signature carries (PROTOCOL.sshsig); that it is right is for a real node to see."""
    blob = base64.b64decode("".join(armoured.splitlines()[1:-1]))
    size = int.from_bytes(blob[10:14], "big")
    return f"ssh-ed25519 {base64.b64encode(blob[14 : 14 + size]).decode()}"


def _field(unit: str, name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", unit, re.MULTILINE)
    assert found is not None, f"the unit has no {name}"
    return found[1]


def _refused(code: str, text: str) -> dict[str, Any]:
    return {"ok": False, "code": code, "text": text}
