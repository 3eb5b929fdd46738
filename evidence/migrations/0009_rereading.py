"""Deposits can be read again: mapping versions, readings, and the one function that writes them.

Evidence stays append-only for the app. Only countersign_reread, which belongs to the tables'
owner, replaces what was read from a deposit, and it keeps each row that it replaces
(docs/decisions/0009).
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

# The rows that a reading is about to put in the place of others, inside one transaction only.
STAGING = """
CREATE UNLOGGED TABLE evidence_newreading (LIKE evidence_event INCLUDING DEFAULTS);
ALTER TABLE evidence_newreading
    ADD COLUMN reading_id bigint, ADD COLUMN old_at timestamptz, ADD COLUMN old_id bigint,
    ADD COLUMN becomes smallint;
CREATE UNLOGGED TABLE evidence_relink (
    reading_id bigint NOT NULL, at timestamptz NOT NULL, event_id bigint NOT NULL);
-- Statistics of these tables say that they are empty, as between two readings they are: without
-- indexes the planner would walk them once for each event (measured: minutes for 10,000).
CREATE INDEX newreading_ordinal ON evidence_newreading (reading_id, ordinal);
CREATE INDEX newreading_now ON evidence_newreading (reading_id, at, id);
CREATE INDEX newreading_old ON evidence_newreading (reading_id, old_at, old_id);
CREATE INDEX relink_event ON evidence_relink (reading_id, at, event_id);
"""

APPEND_ONLY = ("evidence_mappingversion", "evidence_reading", "evidence_pastreading")

# What of an event is read from its record; the rest is where it came from.
READ = (
    "action_id",
    "resource_id",
    "principal_id",
    "credential_id",
    "agent_id",
    "on_behalf_id",
    "address_id",
    "user_agent_id",
    "error_id",
    "conversation_id",
    "task_id",
    "release_id",
    "span",
    "parent_span",
    "duration",
    "plane",
    "activity",
    "outcome",
    "time_basis",
    "trace",
    "request_id",
)
KEPT = ("received_at", "deposit_id", "source_id")
ALL = ("at", "id", *KEPT, *READ, "ordinal", "reading", "digest")

# becomes: 0 same, 1 only its place among the records, 2 changed, 3 moved to a new key, 4 new,
# 5 known already from elsewhere, 6 moved onto an event that was there (evidence/rereading).
REREAD = """
CREATE FUNCTION countersign_reread(this bigint, answered bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    deposit evidence_deposit;
BEGIN
    SELECT d.* INTO deposit FROM evidence_reading r JOIN evidence_deposit d ON d.id = r.deposit_id
    WHERE r.id = this;
    IF deposit.id IS NULL THEN
        RAISE EXCEPTION 'there is no reading %', this;
    END IF;
    PERFORM set_config('countersign.letting_go', 'on', true);

    -- Links rest on what is read of both ends, of the spans between, and of what issued a key:
    -- all links of such an API event go, and are found again.
    INSERT INTO evidence_relink (reading_id, at, event_id)
    WITH gone AS (
        SELECT e.at, e.id, e.trace, e.source_id FROM evidence_newreading n
        JOIN evidence_event e ON e.at = n.old_at AND e.id = n.old_id
        WHERE n.reading_id = this AND n.becomes IN (2, 3, 6)
    )
    SELECT this, l.effect_at, l.effect_id FROM gone g
    JOIN evidence_link l ON l.effect_at = g.at AND l.effect_id = g.id
    UNION
    SELECT this, l.effect_at, l.effect_id FROM gone g
    JOIN evidence_link l ON l.cause_at = g.at AND l.cause_id = g.id
    UNION
    SELECT this, l.effect_at, l.effect_id
    FROM (SELECT DISTINCT trace, source_id FROM gone WHERE trace IS NOT NULL) g
    JOIN evidence_event s ON s.trace = g.trace AND s.source_id = g.source_id
    JOIN evidence_link l ON l.cause_at = s.at AND l.cause_id = s.id
    UNION
    SELECT this, l.effect_at, l.effect_id FROM gone g
    JOIN evidence_issuance i ON i.at = g.at AND i.event_id = g.id
    JOIN evidence_event e ON e.credential_id = i.credential_id
    JOIN evidence_link l ON l.effect_at = e.at AND l.effect_id = e.id;
    INSERT INTO evidence_pastreading (reading_id, kind, at, event_id, row)
    SELECT this, 'link', l.effect_at, l.effect_id, to_jsonb(l) FROM evidence_relink k
    JOIN evidence_link l ON l.effect_at = k.at AND l.effect_id = k.event_id
    WHERE k.reading_id = this;
    DELETE FROM evidence_link l USING evidence_relink k
    WHERE k.reading_id = this AND l.effect_at = k.at AND l.effect_id = k.event_id;

    INSERT INTO evidence_pastreading (reading_id, kind, at, event_id, row)
    SELECT this, 'issuance', i.at, i.event_id, to_jsonb(i) FROM evidence_newreading n
    JOIN evidence_issuance i ON i.at = n.old_at AND i.event_id = n.old_id
    WHERE n.reading_id = this AND n.becomes IN (2, 3, 6);
    DELETE FROM evidence_issuance i USING evidence_newreading n
    WHERE n.reading_id = this AND n.becomes IN (2, 3, 6)
      AND i.at = n.old_at AND i.event_id = n.old_id;

    INSERT INTO evidence_pastreading (reading_id, kind, at, event_id, now_at, now_id, row)
    SELECT this, 'event', e.at, e.id, CASE WHEN n.becomes IN (3, 6) THEN n.at END,
           CASE WHEN n.becomes IN (3, 6) THEN n.id END, to_jsonb(e)
    FROM evidence_newreading n JOIN evidence_event e ON e.at = n.old_at AND e.id = n.old_id
    WHERE n.reading_id = this AND n.becomes IN (2, 3, 6);
    UPDATE evidence_event e SET ordinal = n.ordinal, reading = n.reading,
           @replaced@
    FROM evidence_newreading n
    WHERE n.reading_id = this AND n.becomes = 2 AND e.at = n.at AND e.id = n.id;
    UPDATE evidence_event e SET ordinal = n.ordinal FROM evidence_newreading n
    WHERE n.reading_id = this AND n.becomes = 1 AND e.at = n.at AND e.id = n.id;
    DELETE FROM evidence_event e USING evidence_newreading n
    WHERE n.reading_id = this AND n.becomes IN (3, 6) AND e.at = n.old_at AND e.id = n.old_id;
    INSERT INTO evidence_event (@all@)
    SELECT @all@ FROM evidence_newreading
    WHERE reading_id = this AND becomes IN (3, 4) ORDER BY at, id ON CONFLICT DO NOTHING;

    -- Who else sent it, and whom it came from when it was there before.
    INSERT INTO evidence_sighting (at, event_id, source_id, deposit_id)
    SELECT n.at, n.id, g.source_id, g.deposit_id FROM evidence_newreading n
    JOIN evidence_sighting g ON g.at = n.old_at AND g.event_id = n.old_id
    WHERE n.reading_id = this AND n.becomes IN (3, 6) ON CONFLICT DO NOTHING;
    DELETE FROM evidence_sighting g USING evidence_newreading n
    WHERE n.reading_id = this AND n.becomes IN (3, 6) AND g.at = n.old_at
      AND g.event_id = n.old_id;
    INSERT INTO evidence_sighting (at, event_id, source_id, deposit_id)
    SELECT n.at, n.id, n.source_id, n.deposit_id FROM evidence_newreading n
    JOIN evidence_event e ON e.at = n.at AND e.id = n.id AND e.source_id <> n.source_id
    WHERE n.reading_id = this AND n.becomes IN (5, 6) ON CONFLICT DO NOTHING;

    INSERT INTO evidence_pastreading (reading_id, kind, row)
    SELECT this, 'reject', to_jsonb(r) FROM evidence_reject r
    WHERE r.id = ANY(answered) AND r.deposit_id = deposit.id;
    DELETE FROM evidence_reject r WHERE r.id = ANY(answered) AND r.deposit_id = deposit.id;
    PERFORM set_config('countersign.letting_go', 'off', true);
END $$;
REVOKE ALL ON FUNCTION countersign_reread(bigint, bigint[]) FROM PUBLIC;

-- Events that stay as they were read: only their number among the records follows.
CREATE FUNCTION countersign_number_again(this bigint, ats timestamptz[], ids bigint[],
    ordinals int[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM set_config('countersign.letting_go', 'on', true);
    UPDATE evidence_event e SET ordinal = s.ordinal
    FROM unnest(ats, ids, ordinals) AS s(at, id, ordinal), evidence_reading r
    WHERE r.id = this AND e.deposit_id = r.deposit_id AND e.at = s.at AND e.id = s.id;
    PERFORM set_config('countersign.letting_go', 'off', true);
END $$;
REVOKE ALL ON FUNCTION countersign_number_again(bigint, timestamptz[], bigint[], int[]) FROM PUBLIC;

-- What is erased or let go of is so in earlier readings as well; the keys stay, so that old
-- addresses still lead on. Runs inside the owner's functions that write tombstones.
CREATE FUNCTION evidence_forget_readings() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE evidence_pastreading p SET row = '{}' FROM evidence_reading r
    WHERE r.deposit_id = NEW.deposit_id AND p.reading_id = r.id AND p.row <> '{}';
    RETURN NULL;
END $$;
CREATE TRIGGER forget_readings AFTER INSERT ON evidence_tombstone
    FOR EACH ROW EXECUTE FUNCTION evidence_forget_readings();

-- What is said of a deposit's reading; what it keeps and where it came from stays.
CREATE FUNCTION countersign_deposit_reread(this bigint, events_now int, rejects_now int,
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
REVOKE ALL ON FUNCTION countersign_deposit_reread(
    bigint, int, int, timestamptz, timestamptz, jsonb) FROM PUBLIC;
"""
REREAD = REREAD.replace("@replaced@", ", ".join(f"{name} = n.{name}" for name in READ))
REREAD = REREAD.replace("@all@", ", ".join(ALL))


GUARDS = "".join(
    f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}"
    " FOR EACH ROW EXECUTE FUNCTION countersign_refuse();"
    f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION countersign_refuse();"
    for table in APPEND_ONLY
)


class Migration(migrations.Migration):
    dependencies = [("evidence", "0008_custody")]

    operations = [
        migrations.AddField("deposit", "format_version", models.SmallIntegerField(db_default=1)),
        migrations.AddField("reject", "place", models.IntegerField(null=True)),
        migrations.AddField("reject", "unread", models.BooleanField(db_default=True)),
        migrations.AddIndex(
            "deposit", models.Index(name="deposit_read_as", fields=["format", "format_version"])
        ),
        migrations.CreateModel(
            name="MappingVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.TextField()),
                ("version", models.PositiveIntegerField()),
                ("title", models.TextField()),
                ("plane", models.TextField()),
                ("text", models.TextField()),
                ("made_at", models.DateTimeField()),
                ("made_by", models.TextField()),
                ("made_name", models.TextField(blank=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(name="mapping_version_once", fields=["name", "version"])
                ]
            },
        ),
        migrations.CreateModel(
            name="Rereading",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("to_format", models.TextField(blank=True)),
                ("since", models.DateTimeField(null=True)),
                ("state", models.TextField(default="running")),
                ("asked_at", models.DateTimeField()),
                ("asked_by", models.TextField()),
                ("asked_name", models.TextField(blank=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("through", models.BigIntegerField()),
                ("after", models.BigIntegerField(default=0)),
                ("total", models.PositiveIntegerField()),
                ("done", models.PositiveIntegerField(default=0)),
                ("counts", models.JSONField(default=dict)),
                ("failed", models.PositiveIntegerField(default=0)),
                ("problem", models.TextField(blank=True)),
                (
                    "deposit",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.deposit",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.source",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        name="rereading_state_is_known",
                        condition=Q(state__in=["running", "done", "cancelled"]),
                    ),
                    models.UniqueConstraint(
                        name="rereading_live_once",
                        fields=["source", "deposit", "to_format", "since"],
                        condition=Q(state="running"),
                        nulls_distinct=False,
                    ),
                ],
                "indexes": [
                    models.Index(name="rereading_live", fields=["id"], condition=Q(state="running"))
                ],
            },
        ),
        migrations.CreateModel(
            name="Reading",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("read_at", models.DateTimeField()),
                ("format_before", models.TextField()),
                ("version_before", models.IntegerField()),
                ("format", models.TextField()),
                ("version", models.IntegerField()),
                ("forced", models.BooleanField(default=False)),
                ("counts", models.JSONField(default=dict)),
                (
                    "deposit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="readings",
                        to="evidence.deposit",
                    ),
                ),
                (
                    "rereading",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.rereading",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PastReading",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reading_id", models.BigIntegerField()),
                ("kind", models.TextField()),
                ("at", models.DateTimeField(null=True)),
                ("event_id", models.BigIntegerField(null=True)),
                ("now_at", models.DateTimeField(null=True)),
                ("now_id", models.BigIntegerField(null=True)),
                ("row", models.JSONField()),
            ],
            options={
                "indexes": [
                    models.Index(name="past_reading_of", fields=["at", "event_id"]),
                    models.Index(name="past_reading_by", fields=["reading_id"]),
                ]
            },
        ),
        migrations.RunSQL(STAGING, "DROP TABLE evidence_newreading; DROP TABLE evidence_relink;"),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
        migrations.RunSQL(
            REREAD,
            "DROP TRIGGER forget_readings ON evidence_tombstone;"
            "DROP FUNCTION evidence_forget_readings();"
            "DROP FUNCTION countersign_reread(bigint, bigint[]);"
            "DROP FUNCTION countersign_number_again(bigint, timestamptz[], bigint[], int[]);"
            "DROP FUNCTION countersign_deposit_reread("
            "bigint, int, int, timestamptz, timestamptz, jsonb);",
        ),
    ]
