"""The records of one request id are found without reading the spans that state it.

Thousands of spans may state one request id, and each link by request id asks whether another record
tells that request otherwise (identities_told_otherwise).
"""

from django.db import migrations

INDEX = """
DROP INDEX event_request;
CREATE INDEX event_request ON evidence_event (hashtextextended(request_id, 0), {columns})
    WHERE request_id IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0036_kept_as_old")]

    operations = [
        migrations.RunSQL(INDEX.format(columns="plane, at"), INDEX.format(columns="at")),
    ]
