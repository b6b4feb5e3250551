"""A migration of its own: PostgreSQL changes no table in the transaction that has changed its rows."""

from django.db import migrations


def name_public_keys(apps, schema_editor):
    """Keys that are there already stay sealed under the context that they have."""
    from certificates.core.details import UNREADABLE, describe_chain

    certificates = apps.get_model("certificates", "Certificate").objects
    certificates.update(bound_by_key=False)
    for row in certificates.only("chain_pem").iterator():
        try:
            public_key = describe_chain(row.chain_pem)[0].public_key
        except UNREADABLE:
            continue
        certificates.filter(pk=row.pk).update(public_key=public_key)


class Migration(migrations.Migration):

    dependencies = [("certificates", "0002_details")]
    operations = [migrations.RunPython(name_public_keys, migrations.RunPython.noop)]
