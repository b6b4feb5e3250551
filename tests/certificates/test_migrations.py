"""Certificates that were there before keys were bound to their public key."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from certificates.core.keys import public_digest

from .material import server

BEFORE, AFTER = [("certificates", "0001_initial")], [("certificates", "0003_name_public_keys")]


@pytest.mark.django_db(transaction=True)
def test_they_get_the_name_of_their_key_and_stay_sealed_as_they_are() -> None:
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()
    executor.migrate(BEFORE)
    try:
        old = executor.loader.project_state(BEFORE).apps
        project = old.get_model("accounts", "Project").objects.create(name="old")
        common = {"project": project, "not_before": datetime.now(UTC), "not_after": datetime.now(UTC)}
        table = old.get_model("certificates", "Certificate").objects
        for number, chain in enumerate((server().pem.decode(), "damaged")):
            table.create(
                **common,
                label=chain[:9],
                fingerprint=str(number),
                chain_pem=chain,
                sealed_key=b"x",
                sealed_passphrase=b"y",
            )
        executor = MigrationExecutor(connection)
        executor.migrate(AFTER)
        rows = executor.loader.project_state(AFTER).apps.get_model("certificates", "Certificate").objects
        found = list(rows.order_by("pk").values_list("public_key", "bound_by_key", "source"))
        digest = public_digest(server().certificate.public_key())
        assert found == [(digest, False, "upload"), ("", False, "upload")]
        rows.all().delete()
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(latest)
