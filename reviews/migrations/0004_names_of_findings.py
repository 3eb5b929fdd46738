"""Findings name actors without a foreign key: an erasure leaves those names (evidence/erasing.py)."""

from django.db import migrations

NAMES = """
CREATE FUNCTION reviews_named_by_findings(actors bigint[]) RETURNS SETOF bigint
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT DISTINCT f.actor_id FROM identities_finding f WHERE f.actor_id = ANY(actors)
$$;
UPDATE evidence_holder SET names = 'reviews_named_by_findings' WHERE name = 'cases';
"""
UNDO = """
UPDATE evidence_holder SET names = '' WHERE name = 'cases';
DROP FUNCTION reviews_named_by_findings(bigint[]);
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0013_erasing_further"), ("reviews", "0003_held_evidence")]

    operations = [migrations.RunSQL(NAMES, UNDO)]
