"""A revocation that was released before it was effective is undone; it had been called failed."""

from django.db import migrations, models

STATES = ["requested", "sending", "sent", "confirmed", "effective", "failed", "undone"]
FORWARDS = """
UPDATE identities_revocation SET state = 'undone', failed_why = ''
WHERE state = 'failed' AND who_must_act = '' AND failed_why = 'undone before it was effective'
"""
BACKWARDS = """
UPDATE identities_revocation SET state = 'failed', failed_why = 'undone before it was effective'
WHERE state = 'undone'
"""


class Migration(migrations.Migration):
    dependencies = [("identities", "0003_consumers")]

    operations = [
        migrations.RemoveConstraint(model_name="revocation", name="revocation_state_is_known"),
        # Between the two constraints, so that neither meets a word it does not know.
        migrations.RunSQL(migrations.RunSQL.noop, BACKWARDS),
        migrations.AddConstraint(
            model_name="revocation",
            constraint=models.CheckConstraint(
                name="revocation_state_is_known", condition=models.Q(state__in=STATES)
            ),
        ),
        migrations.RunSQL(FORWARDS, migrations.RunSQL.noop),
    ]
