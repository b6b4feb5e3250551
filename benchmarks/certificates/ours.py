"""A process that looks at the endpoints as the beat does, on an installation of its own, and compares what it saw.

Gets the ports and the certificate's pair as JSON on standard input; prints for each round the seconds, and of how
many services a certificate was seen.
"""

from __future__ import annotations

import json
import sys
import time

from ffsweb.runtime.loading import load_django

PER_NODE = 100


def main(rounds: int) -> None:
    """See above."""
    told = json.loads(sys.stdin.readline())
    load_django("worker")
    from certificates.services.inventory import add_certificate
    from deployments.execution import looking
    from deployments.models import Served, Service
    from deployments.models.served_table import served_table
    from deployments.services import nodes
    from ffsweb.accounts.models import Membership, Project, Role, User

    actor = User.objects.create_user("alice")
    project = Project.objects.create(name="serbest")
    Membership.objects.create(user=actor, project=project, role=Role.ADMIN)
    pem = {"chain_pem": told["chain"].encode(), "key_pem": told["key"].encode()}
    certificate = add_certificate(project=project, actor=actor, label="tls", **pem)
    ports = told["ports"]
    for number in range(0, len(ports), PER_NODE):
        fields = {"name": f"node-{number}", "address": "127.0.0.1", "ssh_port": 22, "tags": [], "operator_keys": ""}
        node = nodes.create_node(project=project, actor=actor, fields=fields)
        Service.objects.bulk_create(
            Service(
                project=project,
                node=node,
                name=f"www-{port}",
                ports=[{"host": port, "container": 8443, "protocol": "tcp"}],
                certificate=certificate,
            )
            for port in ports[number : number + PER_NODE]
        )
    loaded = Service.objects.select_related("node", "certificate").prefetch_related("node__host_keys")
    for _ in range(rounds):
        Served.objects.all().delete()
        began = time.monotonic()
        looking.look_at(list(loaded), seconds=600)
        table = served_table(Service.objects.all())
        seconds = time.monotonic() - began
        seen = sum(row.outside is not None and row.outside.fingerprint == row.local.fingerprint for row in table)
        print(json.dumps({"seconds": seconds, "seen": seen}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
