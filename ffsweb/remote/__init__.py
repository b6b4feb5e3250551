"""SSH to nodes, as a small library without Django. It is the only place that knows paramiko.

::

    endpoint = Endpoint("node-a.example", 22, "ffsweb", host_keys=("ssh-ed25519 AAAA…",))
    with connect(endpoint, Identity(private_key)) as session:
        result = session.run(Command(("uname", "-r")), on_line=print)
        result.check()

Arguments go in as a tuple and reach the program unchanged; lines come out numbered, as they arrive. A host key is
pinned exactly, and an unknown or changed one is an error before any log-in. Everything has a time limit.
``fake.FakeNode`` gives sessions without a network. See ``session`` for the contract, ``errors`` for what is raised.
"""

from __future__ import annotations

from ffsweb.remote.connect import connect
from ffsweb.remote.errors import (
    AuthRefused,
    CommandFailed,
    ConnectionLost,
    Deadline,
    ForwardRefused,
    HostKeyChanged,
    HostKeyUnknown,
    Interrupted,
    Reason,
    RemoteError,
    RunRefused,
    Unreachable,
)
from ffsweb.remote.session import ByteStream, Connect, Forward, Handler, Session
from ffsweb.remote.values import Command, Endpoint, Identity, Line, Result

__all__ = [
    "AuthRefused",
    "ByteStream",
    "Command",
    "CommandFailed",
    "Connect",
    "ConnectionLost",
    "Deadline",
    "Endpoint",
    "Forward",
    "ForwardRefused",
    "Handler",
    "HostKeyChanged",
    "HostKeyUnknown",
    "Identity",
    "Interrupted",
    "Line",
    "Reason",
    "RemoteError",
    "Result",
    "RunRefused",
    "Session",
    "Unreachable",
    "connect",
]
