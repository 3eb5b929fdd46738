"""A call of an SDK that names its pod alone says which event it is to the log of a cluster only.

Other logs know no pods: such calls are inferred like those that state nothing. The index now also
holds calls that state a credential; who asks reads what it is.
"""

from importlib import import_module

from django.db import migrations

_BEFORE = import_module("evidence.migrations.0032_inferred_sets")

INDEX = _BEFORE.INDEX.replace(" AND credential_id IS NULL", "")
SILENT = _BEFORE.SILENT.replace(
    "t.request_id IS NULL AND t.credential_id IS NULL",
    """t.request_id IS NULL AND (t.credential_id IS NULL
                       OR EXISTS (SELECT FROM evidence_actor p
                                  WHERE p.id = t.credential_id AND p.kind = 'pod'))""",
)


class Migration(migrations.Migration):
    dependencies = [("evidence", "0034_networks")]

    operations = [
        migrations.RunSQL(sql) for sql in ("DROP INDEX event_call_without_id", INDEX, SILENT)
    ]
