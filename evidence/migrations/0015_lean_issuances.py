"""Issuances without constraints on their actors and without an index that nothing asks.

Four checks and six indexes a row took longer than the event that the row is of; in the log of an
identity provider every second record issues a credential. What a constraint told an erasure of
names (0013), a function tells it now.
"""

import django.db.models.deletion
from django.db import migrations, models


def _actor(name: str, **options: object) -> migrations.AlterField:
    return migrations.AlterField(
        "issuance",
        name,
        models.ForeignKey(
            db_constraint=False,
            on_delete=django.db.models.deletion.PROTECT,
            to="evidence.actor",
            **options,
        ),
    )


NAMES = """
CREATE FUNCTION evidence_named_by_issuances(actors bigint[]) RETURNS SETOF bigint
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT i.credential_id FROM evidence_issuance i WHERE i.credential_id = ANY(actors)
    UNION SELECT i.issued_to_id FROM evidence_issuance i WHERE i.issued_to_id = ANY(actors)
    UNION SELECT i.by_principal_id FROM evidence_issuance i WHERE i.by_principal_id = ANY(actors)
    UNION SELECT i.by_credential_id FROM evidence_issuance i WHERE i.by_credential_id = ANY(actors)
$$;
UPDATE evidence_holder SET names = 'evidence_named_by_issuances' WHERE name = 'law';
"""
UNDO = """
UPDATE evidence_holder SET names = '' WHERE name = 'law';
DROP FUNCTION evidence_named_by_issuances(bigint[]);
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0013_erasing_further")]
    operations = [
        _actor("credential", related_name="issuances"),
        _actor("issued_to", related_name="+", null=True),
        _actor("by_principal", related_name="+", null=True, db_index=False),
        _actor("by_credential", related_name="issued", null=True),
        migrations.RunSQL(NAMES, UNDO),
    ]
