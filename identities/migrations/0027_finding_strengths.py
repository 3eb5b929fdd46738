"""A finding is as strong as its weakest event, and says how many of each strength it has."""

from django.db import migrations, models

COUNT = """
UPDATE identities_finding f SET strength = n.weakest, strengths = n.strengths
FROM (
    SELECT finding_id, min(strength) AS weakest,
        jsonb_object_agg(CASE strength WHEN 3 THEN 'exact' WHEN 2 THEN 'key' ELSE 'inferred' END,
                         events) AS strengths
    FROM (SELECT finding_id, strength, count(*) AS events
          FROM identities_findingevent GROUP BY 1, 2) counted
    GROUP BY 1) n
WHERE f.id = n.finding_id
"""


class Migration(migrations.Migration):
    dependencies = [("identities", "0026_urgent_revocations")]

    operations = [
        migrations.AddField("finding", "strengths", models.JSONField(default=dict)),
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
    ]
