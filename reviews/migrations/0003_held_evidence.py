"""Cases that are not over hold their evidence: retention leaves it (evidence/retention.py).

Held is what is pinned to such a case, and every event under its findings.
"""

from django.db import migrations

HELD = """
CREATE FUNCTION reviews_held_by_cases(begins timestamptz, ends timestamptz)
RETURNS TABLE (at timestamptz, event_id bigint, because text)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT p.at, p.event_id, 'CS-' || c.number
    FROM reviews_case c JOIN reviews_pinned p ON p.case_id = c.id
    WHERE c.state NOT IN ('closed', 'cancelled') AND p.at >= begins AND p.at < ends
    UNION
    SELECT e.at, e.event_id, 'CS-' || c.number
    FROM reviews_case c JOIN reviews_case_findings f ON f.case_id = c.id
    JOIN identities_findingevent e ON e.finding_id = f.finding_id
    WHERE c.state NOT IN ('closed', 'cancelled') AND e.at >= begins AND e.at < ends
$$;
INSERT INTO evidence_holder (name, function, words)
VALUES ('cases', 'reviews_held_by_cases', 'an open case');
"""
UNDO = """
DELETE FROM evidence_holder WHERE name = 'cases';
DROP FUNCTION reviews_held_by_cases(timestamptz, timestamptz);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0008_custody"),
        ("identities", "0004_undone"),
        ("reviews", "0002_withdrawals_and_heartbeats"),
    ]

    operations = [migrations.RunSQL(HELD, UNDO)]
