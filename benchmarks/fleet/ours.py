"""A process that reads all nodes as the worker does, on an installation of its own.

Gets the nodes as JSON on standard input, prints the public keys that they have to admit, waits for a line, and prints
for each round the seconds, and how many nodes answered.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta

from ffsweb.runtime.loading import load_django


def main(rounds: int) -> None:
    """See above."""
    told = json.loads(sys.stdin.readline())
    load_django("worker")
    from django.utils import timezone

    from deployments.execution import connection, readings
    from deployments.models import HostKey, Node, Reading
    from deployments.services import nodes
    from ffsweb.accounts.models import Membership, Project, Role, User

    connection.DASHBOARD_USER = told["user"]  # the nodes are one machine, this one, with its own people
    actor = User.objects.create_user("alice")
    project = Project.objects.create(name="serbest")
    Membership.objects.create(user=actor, project=project, role=Role.ADMIN)
    for number, address in enumerate(told["addresses"]):
        fields = {
            "name": f"node-{number}",
            "address": address,
            "ssh_port": told["port"],
            "tags": [],
            "operator_keys": "",
        }
        node = nodes.create_node(project=project, actor=actor, fields=fields)
        HostKey.objects.create(
            node=node,
            kind=HostKey.Kind.PINNED,
            public_key=" ".join(told["host_key"].split()[:2]),
            fingerprint="SHA256:b",
        )
    print(json.dumps([node.public_key for node in Node.objects.all()]), flush=True)
    sys.stdin.readline()
    for _ in range(rounds):
        began = time.monotonic()
        count = readings.read_due_nodes()
        seconds = time.monotonic() - began
        failed = Reading.objects.filter(taken_at__gte=timezone.now() - timedelta(seconds=seconds + 1)).exclude(
            error=""
        )
        for error in failed.values_list("error", flat=True)[:1]:
            print(error, file=sys.stderr)
        print(json.dumps({"seconds": seconds, "answered": count - failed.count()}), flush=True)
        Reading.objects.all().delete()


if __name__ == "__main__":
    main(int(sys.argv[1]))
