"""What the pages about access keys show."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from deployments.core.access import Held, HeldKey, bare
from deployments.models import DashboardKey, Node, OwedRotation
from deployments.models.access_key import keep_reading
from deployments.services.access_keys import add_key, remove_key
from ffsweb.remote.keys import generate
from tests.deployments.fleet import Fleet


def all_states(fleet: Fleet, node: Node) -> dict[str, int]:
    """A node with every state of a key, and one whose rotation is owed; the key that can be removed."""
    lines = {name: generate(name)[1] for name in ("alice@laptop", "the safe", "bob@old-laptop", "eve", "gone@home")}
    made = {
        name: add_key(project=fleet.project, actor=fleet.alice, line=line, break_glass=name == "the safe")
        for name, line in lines.items()
        if name not in {"eve", "gone@home"}
    }
    core = [_held("core", lines[name]) for name in ("the safe", "bob@old-laptop", "eve", "gone@home")]
    dashboard = Held((_held("ffsweb", node.public_key),), (), 0, frozenset())
    ways = ("AuthorizedKeysCommand /usr/libexec/directory-keys %u",)
    keep_reading(node, {"core": Held(tuple(core), ways, 1, frozenset()), "ffsweb": dashboard})
    remove_key(key=made["bob@old-laptop"], actor=fleet.alice)
    keep_reading(node, {"core": Held(tuple(core[:3]), ways, 1, frozenset())})
    now = timezone.now()
    for refused in (None, now - timedelta(hours=2)):
        DashboardKey.objects.create(
            node=node,
            state="retired",
            public_key=generate("ffsweb serbest istanbul-1")[1],
            sealed_private_key=b"x",
            operation=1,
            refused_at=refused,
        )
    OwedRotation.objects.create(node=node, operation=1, problem="Nothing listens at 192.0.2.11 port 22.")
    return {"leaving": made["alice@laptop"].pk}


def _held(user: str, line: str) -> HeldKey:
    comment = " ".join(line.split()[2:])
    return HeldKey(f"/home/{user}/.ssh/authorized_keys.d/ffsweb", bare(line), "", comment, heeded=True)
