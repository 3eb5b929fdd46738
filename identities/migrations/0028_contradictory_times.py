"""Credentials whose stated times contradict each other are marked (identities/actions/credentials.py).

An end before the issue is not known to be wrong, nor the issue: as the end of those that are
there, none is known from now on. The issuance keeps what its event stated.
"""

from django.db import migrations, models

MARK = """
UPDATE identities_credential SET
    contradiction = 'it starts on '
        || to_char(issued_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
        || ' UTC, but its issuance states that it ends on '
        || to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC',
    expires_at = NULL
WHERE expires_at < issued_at
"""


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0027_finding_strengths"),
    ]

    operations = [
        migrations.AddField(
            model_name="credential",
            name="contradiction",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.RunSQL(MARK, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(
                fields=["id"],
                name="credential_contradicts",
                condition=models.Q(("contradiction", ""), _negated=True),
            ),
        ),
    ]
