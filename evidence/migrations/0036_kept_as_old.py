"""Records that are older than what is read of a source are counted apart from rejects.

What was refused for its time before this lies among the rejects as it did; reading its deposit
again counts it anew.
"""

from django.db import migrations, models

BEFORE = """
CREATE OR REPLACE FUNCTION countersign_deposit_reread(this bigint, events_now int, rejects_now int,
    first_now timestamptz, last_now timestamptz, became jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM set_config('countersign.letting_go', 'on', true);
    UPDATE evidence_deposit d SET format = r.format, format_version = r.version,
        events = events_now, rejects = rejects_now,
        duplicates = greatest(0, d.records - events_now - rejects_now),
        first_at = first_now, last_at = last_now
    FROM evidence_reading r WHERE r.id = this AND d.id = r.deposit_id;
    UPDATE evidence_reading SET counts = became WHERE id = this;
    PERFORM set_config('countersign.letting_go', 'off', true);
END $$;
"""
# `rejects_now` are all rows of the table, of which some are old.
SINCE = """
CREATE OR REPLACE FUNCTION countersign_deposit_reread(this bigint, events_now int, rejects_now int,
    first_now timestamptz, last_now timestamptz, became jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM set_config('countersign.letting_go', 'on', true);
    UPDATE evidence_deposit d SET format = r.format, format_version = r.version,
        events = events_now, rejects = rejects_now - o.old,
        duplicates = greatest(0, d.records - events_now - rejects_now),
        first_at = first_now, last_at = last_now,
        old = o.old, old_from = o.old_from, old_to = o.old_to
    FROM evidence_reading r, LATERAL (
        SELECT count(j.old_at)::int AS old, min(j.old_at) AS old_from, max(j.old_at) AS old_to
        FROM evidence_reject j WHERE j.deposit_id = r.deposit_id) o
    WHERE r.id = this AND d.id = r.deposit_id;
    UPDATE evidence_reading SET counts = became WHERE id = this;
    PERFORM set_config('countersign.letting_go', 'off', true);
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0035_spans_that_name_a_pod")]

    operations = [
        migrations.AddField("deposit", "old", models.IntegerField(db_default=0)),
        migrations.AddField("deposit", "old_from", models.DateTimeField(null=True)),
        migrations.AddField("deposit", "old_to", models.DateTimeField(null=True)),
        migrations.AddField("reject", "old_at", models.DateTimeField(null=True)),
        migrations.RunSQL(SINCE, BEFORE),
    ]
