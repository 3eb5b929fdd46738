"""What was judged before people's use of machine credentials was a rule is judged once more.

And what was remembered of addresses goes where retention or an erasure took its events.
"""

from django.db import migrations, models

SIGN_INS = """ARRAY['signin:consolelogin', 'user.session.start', 'user.authentication.sso',
        'sign-in activity', 'login:login_success', 'google.login.loginservice.loginsuccess',
        'user.login']"""
GONE = f"""
DELETE FROM identities_calleraddress c WHERE NOT EXISTS (
    SELECT FROM evidence_event e
    WHERE e.credential_id = c.actor_id AND coalesce(e.address_id, 0) = c.address_id AND e.plane = 1
      AND e.at >= c.day::timestamp AT TIME ZONE 'UTC'
      AND e.at < (c.day + 1)::timestamp AT TIME ZONE 'UTC')
AND NOT EXISTS (
    SELECT FROM evidence_event e
    WHERE e.principal_id = c.actor_id AND e.credential_id IS NULL
      AND coalesce(e.address_id, 0) = c.address_id AND e.plane = 1
      AND e.at >= c.day::timestamp AT TIME ZONE 'UTC'
      AND e.at < (c.day + 1)::timestamp AT TIME ZONE 'UTC');
DELETE FROM identities_signinaddress s WHERE NOT EXISTS (
    SELECT FROM evidence_event e JOIN evidence_term t ON t.id = e.action_id
    WHERE e.principal_id = s.actor_id AND e.address_id = s.address_id AND e.plane = 1
      AND e.outcome = 1 AND (e.activity = 12 OR lower(t.value) = ANY({SIGN_INS}))
      AND e.at >= s.day::timestamp AT TIME ZONE 'UTC'
      AND e.at < (s.day + 1)::timestamp AT TIME ZONE 'UTC');
"""  # noqa: S608 - our own words
AGAIN = """
INSERT INTO identities_rejudging (below)
SELECT max(deposit_id) + 1 FROM evidence_progress
WHERE consumer = 'judging' AND done_at IS NOT NULL HAVING max(deposit_id) IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("identities", "0045_principals_made")]
    operations = [
        migrations.CreateModel(
            name="Rejudging",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("below", models.BigIntegerField()),
                ("moved_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                condition=models.Q(
                    ("rule", "conflicting_trace"), ("state__in", ["open", "confirmed"])
                ),
                fields=["family"],
                name="finding_conflicting",
            ),
        ),
        migrations.RunSQL(GONE, migrations.RunSQL.noop),
        migrations.RunSQL(AGAIN, migrations.RunSQL.noop),
    ]
