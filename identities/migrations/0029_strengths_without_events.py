"""Findings whose events were dropped keep the strength they had, also where it is counted."""

from django.db import migrations

KEEP = """
UPDATE identities_finding SET strengths = jsonb_build_object(
    CASE strength WHEN 3 THEN 'exact' WHEN 2 THEN 'key' ELSE 'inferred' END, greatest(count, 1))
WHERE strengths = '{}'
"""


class Migration(migrations.Migration):
    dependencies = [("identities", "0028_contradictory_times")]

    operations = [migrations.RunSQL(KEEP, migrations.RunSQL.noop)]
