"""What only a dashboard's pages do, for the life of a node: somebody, a project, certificates, a webhook and a token.

``python -m tests.lab.life_begin DIRECTORY WEBHOOK``, with an installation's environment; puts out the secret of a
webhook to that address, and the token. DIRECTORY has old.pem, old.key, new.pem and new.key. ``python -m tests.lab.life_begin --settle SECONDS`` shortens what a deploy waits.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ffsweb.runtime.loading import load_django

USER, PROJECT = "alice", "serbest"


def main() -> None:
    load_django("command")
    from certificates.services.inventory import add_certificate
    from deployments.models import Service
    from ffsweb.accounts import tokens
    from ffsweb.accounts.models import Role, User
    from ffsweb.accounts.projects import create_project
    from ffsweb.webhooks import services as webhooks

    if sys.argv[1] == "--settle":
        Service.objects.update(settle=int(sys.argv[2]))
        return
    alice = User.objects.create_user(USER)
    project = create_project(actor=alice, name=PROJECT)
    for name in ("old", "new"):
        chain, key = (Path(sys.argv[1], f"{name}.{kind}").read_bytes() for kind in ("pem", "key"))
        add_certificate(project=project, actor=alice, label=name, chain_pem=chain, key_pem=key)
    _, secret = webhooks.add(actor=alice, project=project, url=sys.argv[2], events=["operation.succeeded"])
    sys.stdout.write(secret.reveal_text() + "\n")
    sys.stdout.write(tokens.make(actor=alice, project=project, name="laptop", role=Role.ADMIN, days=7).text)


if __name__ == "__main__":
    main()
