"""A simulated node that asks for a key: who holds none of those in its files is refused, as sshd does it."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import serialization

from deployments.core.access import bare
from ffsweb.remote import AuthRefused, Endpoint, Identity
from ffsweb.remote.fake_session import FakeSession
from tests.deployments.simulated import SimulatedNode, signed_by

FILES = {
    "ffsweb": "/home/ffsweb/.ssh/authorized_keys.d/ffsweb",
    "core": "/home/core/.ssh/authorized_keys.d/ignition",
}


class KeyedNode(SimulatedNode):
    """``keys`` are the lines of each user's files; ``elsewhere`` are keys that no file holds and sshd takes.

    Of the users in ``unheeded`` it says that sshd takes no notice of their files.
    """

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, list[str]] = {"ffsweb": [], "core": []}
        self.elsewhere: set[str] = set()
        self.unheeded: set[str] = set()
        self.break_glass: set[str] = set()
        self.other_ways: list[str] = []
        self.knocks: list[str] = []
        self.given: list[tuple[str, str, str]] = []
        """Of each key that was added for ``core``: fence, line and signature."""
        self.connect = self._connect  # type: ignore[method-assign,assignment]

    def untrusted(self, signature: list[str]) -> bool:
        """Whether it is by none of ``signers``; all are trusted where that is None."""
        return not signature or (self.signers is not None and signed_by("\n".join(signature)) not in self.signers)

    def takes(self, line: str) -> bool:
        """Whether the dashboard gets in with this key."""
        return bare(line) in {bare(each) for each in self.keys["ffsweb"]} | self.elsewhere

    def _connect(self, endpoint: Endpoint, identity: Identity, **limits: Any) -> FakeSession:
        private = serialization.load_ssh_private_key(identity.private_key.reveal(), None)
        public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        session = self.fake.connect(endpoint, identity, **limits)
        self.knocks.append(public.decode())
        if not self.takes(public.decode()):
            raise AuthRefused(f"{endpoint} did not accept the key for user {endpoint.user!r}.")
        return session

    def _access(self, options: dict[str, str], _stdin: bytes) -> dict[str, Any]:
        user = options["user"]
        heeded = user not in self.unheeded
        held = [
            {
                "file": FILES[user],
                "key": bare(line),
                "options": "",
                "comment": line.split(" ", 2)[-1],
                "heeded": heeded,
            }
            for line in self.keys[user]
        ]
        ways, glass = self.other_ways, sorted(self.break_glass)
        return {"ok": True, "keys": held, "other_ways": ways, "unread": 0, "break_glass": glass}

    def _access_add(self, options: dict[str, str], stdin: bytes) -> dict[str, Any]:
        line, *signature = stdin.decode().splitlines()
        keys = self.keys[options["user"]]
        if options["user"] == "core" and self.untrusted(signature):
            return {"ok": False, "code": "verify", "text": "The signature is not one that this node trusts."}
        if options["user"] == "core":
            self.given.append((options["fence"], line, "\n".join((*signature, ""))))
        if "break-glass" in options:
            self.break_glass.add(bare(line))
        if bare(line) in map(bare, keys):
            return {"ok": True, "added": False}
        keys.append(line)
        return {"ok": True, "added": True}

    def _access_remove(self, options: dict[str, str], stdin: bytes) -> dict[str, Any]:
        line, *mine = stdin.decode().splitlines()
        keys = self.keys[options["user"]]
        if options["user"] == "core" and self.untrusted(mine):
            return {"ok": False, "code": "verify", "text": "The signature is not one that this node trusts."}
        left = [each for each in keys if bare(each) != line]
        if line in self.break_glass:
            return {"ok": False, "code": "break-glass", "text": "This is a break-glass key. Nothing was changed."}
        if options["user"] == "ffsweb" and mine[0] not in map(bare, left):
            return {"ok": False, "code": "own-key", "text": "A session does not remove its own key."}
        if not left:
            return {"ok": False, "code": "last-key", "text": "This is the last key. Nothing was changed."}
        self.keys[options["user"]] = left
        return {"ok": True, "removed": len(keys) - len(left)}
