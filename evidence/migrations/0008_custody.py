"""How long evidence is kept, what holds it, what is gone, and the chain of deposits.

Everything that removes evidence is a function of the owner that looks for itself whether it may:
whether the period is over, by the database's clock, whether nobody holds the rows, whether two
people asked. Reasons: docs/decisions/0008-months-give-way.md.
"""

import django.db.models.deletion
from django.db import migrations, models

import evidence.keys

REFUSE = """
CREATE OR REPLACE FUNCTION countersign_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Functions of the owner set this for as long as they run. Whoever else sets it gains nothing:
    -- the app's role may neither update nor delete these rows, nor become their owner.
    IF current_setting('countersign.letting_go', true) = 'on' AND TG_OP <> 'TRUNCATE'
       AND pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE')
    THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% of % is refused: these rows are append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
"""
REFUSE_AS_BEFORE = """
CREATE OR REPLACE FUNCTION countersign_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: these rows are append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
"""
APPEND_ONLY = (
    "evidence_depositseal",
    "evidence_retentionsaid",
    "evidence_dropped",
    "evidence_tombstone",
)

# A shorter period counts seven days after it was said: until then it can be taken back.
RETENTION = """
CREATE FUNCTION countersign_retention_said() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.retention_days IS DISTINCT FROM OLD.retention_days THEN
        INSERT INTO evidence_retentionsaid (source_id, days, said_at)
        VALUES (NEW.id, NEW.retention_days, clock_timestamp());
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION countersign_retention_said() FROM PUBLIC;
CREATE TRIGGER retention_said AFTER INSERT OR UPDATE OF retention_days ON evidence_source
    FOR EACH ROW EXECUTE FUNCTION countersign_retention_said();
INSERT INTO evidence_retentionsaid (source_id, days, said_at)
SELECT id, retention_days, clock_timestamp() FROM evidence_source;

CREATE FUNCTION evidence_kept_days(source bigint) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT max(s.days) FROM (
        SELECT r.days, lead(r.said_at) OVER (ORDER BY r.id) AS replaced_at
        FROM evidence_retentionsaid r WHERE r.source_id = source) s
    WHERE s.replaced_at IS NULL OR s.replaced_at > clock_timestamp() - interval '7 days'
$$;

-- The moment from which everything of this month and source is past its period; null: never.
CREATE FUNCTION evidence_due_at(source bigint, moment timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT (date_trunc('month', moment AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC'
        + make_interval(days => evidence_kept_days(source))
$$;
"""

HELD = """
-- Whom each live legal hold on an actor is about: the actor, and what came out of it.
CREATE FUNCTION evidence_held_by_law(begins timestamptz, ends timestamptz)
RETURNS TABLE (at timestamptz, event_id bigint, because text)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH RECURSIVE live AS (
        SELECT h.id, h.source_id, h.deposit_id, h.actor_id, h.reason,
               greatest($1, h.begins) AS since, least($2, h.ends) AS until
        FROM evidence_legalhold h WHERE h.released_at IS NULL
    ), who AS (
        SELECT l.id, l.actor_id AS actor FROM live l WHERE l.actor_id IS NOT NULL
        UNION SELECT w.id, a.id FROM who w JOIN evidence_actor a ON a.parent_id = w.actor
    )
    SELECT e.at, e.id, 'legal hold: ' || l.reason
    FROM live l JOIN evidence_event e ON e.at >= l.since AND e.at < l.until
        AND (l.source_id IS NULL OR e.source_id = l.source_id)
        AND (l.deposit_id IS NULL OR e.deposit_id = l.deposit_id)
        AND (l.actor_id IS NULL OR EXISTS (
            SELECT FROM who w WHERE w.id = l.id
            AND w.actor IN (e.principal_id, e.credential_id, e.agent_id, e.on_behalf_id)))
$$;
INSERT INTO evidence_holder (name, function, words)
VALUES ('law', 'evidence_held_by_law', 'a legal hold');

-- Every event between these moments that somebody holds, and why.
CREATE FUNCTION evidence_held(begins timestamptz, ends timestamptz)
RETURNS TABLE (at timestamptz, event_id bigint, because text)
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    holder text;
BEGIN
    FOR holder IN SELECT h.function FROM evidence_holder h ORDER BY h.name LOOP
        RETURN QUERY EXECUTE
            format('SELECT f.at, f.event_id, f.because FROM %I($1, $2) f', holder)
            USING begins, ends;
    END LOOP;
END $$;

-- The same, with what is linked to it: the run behind a held call is evidence with it. Both ends
-- of a link lie within days of each other (evidence/correlation.py).
CREATE FUNCTION evidence_held_with_links(begins timestamptz, ends timestamptz)
RETURNS TABLE (at timestamptz, event_id bigint)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH direct AS MATERIALIZED (
        SELECT DISTINCT h.at, h.event_id
        FROM evidence_held(begins - interval '7 days', ends + interval '7 days') h)
    SELECT d.at, d.event_id FROM direct d WHERE d.at >= begins AND d.at < ends
    UNION SELECT l.cause_at, l.cause_id FROM direct d
        JOIN evidence_link l ON l.effect_at = d.at AND l.effect_id = d.event_id
        WHERE l.cause_at >= begins AND l.cause_at < ends
    UNION SELECT l.effect_at, l.effect_id FROM direct d
        JOIN evidence_link l ON l.cause_at = d.at AND l.cause_id = d.event_id
        WHERE l.effect_at >= begins AND l.effect_at < ends
$$;

-- Whether a legal hold covers the bytes of a deposit.
CREATE FUNCTION evidence_deposit_is_held(deposit evidence_deposit) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM evidence_legalhold h WHERE h.released_at IS NULL
        AND (h.source_id IS NULL OR h.source_id = deposit.source_id)
        AND (h.deposit_id IS NULL OR h.deposit_id = deposit.id)
        -- Of an actor, its events are held, and a deposit stays as long as one of its events.
        AND h.actor_id IS NULL
        AND coalesce(h.begins, '-infinity') <= coalesce(deposit.last_at, deposit.received_at)
        AND coalesce(h.ends, 'infinity') > coalesce(deposit.first_at, deposit.received_at))
$$;

-- Deposits whose bytes nothing needs any more.
CREATE FUNCTION evidence_deposits_due(upto timestamptz, most integer)
RETURNS SETOF evidence_deposit
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT d.* FROM evidence_deposit d
    WHERE evidence_due_at(d.source_id, coalesce(d.last_at, d.received_at)) <= upto
      AND NOT EXISTS (SELECT FROM evidence_tombstone t
                      WHERE t.deposit_id = d.id AND t.ordinal IS NULL)
      AND NOT EXISTS (SELECT FROM evidence_event e
                      WHERE e.at BETWEEN d.first_at AND d.last_at AND e.deposit_id = d.id)
      AND NOT EXISTS (SELECT FROM evidence_erasure w WHERE w.deposit_id = d.id
                      AND w.state IN ('asked', 'confirmed'))
      AND NOT evidence_deposit_is_held(d)
    ORDER BY d.id LIMIT most
$$;
"""

DROP_MONTH = """
-- A partition of one month gives way to another with the rows that stay; null: none stay.
CREATE FUNCTION countersign_swap(parent text, month date, stays text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    child text := parent || to_char(month, '"_"YYYY"_"MM');
    begins timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
    ends timestamptz :=
        (date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
    by_column text;
BEGIN
    SELECT a.attname INTO by_column FROM pg_partitioned_table p
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = to_regclass(quote_ident(parent));
    IF stays IS NOT NULL THEN
        -- With this check the rows are not looked at again while everybody waits.
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I CHECK (%I >= %L AND %I < %L)',
            stays, stays || '_month', by_column, begins, by_column, ends);
    END IF;
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, child);
    EXECUTE format('DROP TABLE %I', child);
    IF stays IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I RENAME TO %I', stays, child);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            parent, child, begins, ends);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', child, stays || '_month');
    END IF;
END $$;

CREATE FUNCTION countersign_drop_month(month date, upto timestamptz)
RETURNS TABLE (source bigint, dropped bigint, held bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
    begins timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
    ends timestamptz :=
        (date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
    child text := 'evidence_event' || to_char(month, '"_"YYYY"_"MM');
    stays text := child || '_stays';
    part text;
    due bigint[];
    total bigint;
    left_over bigint;
    follower record;
BEGIN
    -- The database's own clock, so that nobody makes evidence old by saying so.
    IF upto > clock_timestamp() THEN
        RAISE EXCEPTION 'retention cannot run for a moment that is still to come';
    END IF;
    SELECT array_agg(s.id) INTO due FROM evidence_source s
    WHERE evidence_due_at(s.id, begins) <= upto;
    IF due IS NULL OR to_regclass(quote_ident(child)) IS NULL THEN
        RETURN;
    END IF;
    PERFORM set_config('countersign.letting_go', 'on', true);
    -- Late records wait outside until this is over; who reads does not.
    EXECUTE format('LOCK TABLE %I IN SHARE ROW EXCLUSIVE MODE', child);
    CREATE TEMP TABLE going (source bigint, dropped bigint, held bigint) ON COMMIT DROP;
    EXECUTE format(
        'WITH held AS MATERIALIZED (SELECT * FROM evidence_held_with_links($1, $2))'
        ' INSERT INTO going SELECT s.id, count(e.id) FILTER (WHERE h.at IS NULL),'
        ' count(e.id) FILTER (WHERE h.at IS NOT NULL) FROM unnest($3) AS s(id)'
        ' LEFT JOIN %I e ON e.source_id = s.id'
        ' LEFT JOIN held h ON h.at = e.at AND h.event_id = e.id GROUP BY 1', child)
        USING begins, ends, due;
    SELECT sum(g.dropped) INTO total FROM going g;
    IF total > 0 THEN
        EXECUTE format('CREATE TABLE %I (LIKE evidence_event INCLUDING ALL)', stays);
        EXECUTE format(
            'WITH held AS MATERIALIZED (SELECT * FROM evidence_held_with_links($1, $2))'
            ' INSERT INTO %I SELECT e.* FROM %I e WHERE NOT (e.source_id = ANY($3))'
            ' OR EXISTS (SELECT FROM held h WHERE h.at = e.at AND h.event_id = e.id)', stays, child)
            USING begins, ends, due;
        EXECUTE format('SELECT count(*) FROM (SELECT FROM %I LIMIT 1) one', stays) INTO left_over;
        -- Links and attributions go with their events; a link needs both of its ends.
        FOR follower IN SELECT * FROM (VALUES
            ('evidence_link', 'f.effect_at', 'f.effect_id',
             'AND (f.cause_at < $1 OR f.cause_at >= $2 OR EXISTS'
             ' (SELECT FROM %1$I c WHERE c.at = f.cause_at AND c.id = f.cause_id))'),
            ('identities_attribution', 'f.at', 'f.event_id', '')
        ) AS known(parent, at_column, id_column, besides) LOOP
            part := follower.parent || to_char(month, '"_"YYYY"_"MM');
            CONTINUE WHEN to_regclass(quote_ident(part)) IS NULL;
            IF left_over > 0 THEN
                EXECUTE format('LOCK TABLE %I IN SHARE ROW EXCLUSIVE MODE', part);
                EXECUTE format(
                    'CREATE TABLE %I (LIKE %I INCLUDING ALL)', part || '_stays', follower.parent);
                EXECUTE format(
                    'INSERT INTO %2$I SELECT f.* FROM %3$I f WHERE EXISTS (SELECT FROM %1$I e'
                    ' WHERE e.at = ' || follower.at_column || ' AND e.id = '
                    || follower.id_column || ')' || follower.besides,
                    stays, part || '_stays', part) USING begins, ends;
            END IF;
        END LOOP;
        EXECUTE format('DELETE FROM evidence_link l WHERE l.cause_at >= $1 AND l.cause_at < $2'
            ' AND NOT (l.effect_at >= $1 AND l.effect_at < $2) AND NOT EXISTS'
            ' (SELECT FROM %I e WHERE e.at = l.cause_at AND e.id = l.cause_id)', stays)
            USING begins, ends;
        EXECUTE format('DELETE FROM evidence_sighting s WHERE s.at >= $1 AND s.at < $2'
            ' AND NOT EXISTS (SELECT FROM %I e WHERE e.at = s.at AND e.id = s.event_id)', stays)
            USING begins, ends;
        -- From here on others wait: everything is copied, what follows takes milliseconds.
        LOCK TABLE ONLY evidence_event, ONLY evidence_link IN ACCESS EXCLUSIVE MODE;
        IF left_over = 0 THEN
            EXECUTE format('DROP TABLE %I', stays);
        END IF;
        PERFORM countersign_swap('evidence_event', month, CASE WHEN left_over > 0 THEN stays END);
        FOREACH part IN ARRAY ARRAY['evidence_link', 'identities_attribution'] LOOP
            CONTINUE WHEN
                to_regclass(quote_ident(part || to_char(month, '"_"YYYY"_"MM'))) IS NULL;
            PERFORM countersign_swap(part, month, CASE WHEN left_over > 0
                THEN part || to_char(month, '"_"YYYY"_"MM') || '_stays' END);
        END LOOP;
    END IF;
    INSERT INTO evidence_dropped (source_id, month, events, held, at)
    SELECT g.source, begins AT TIME ZONE 'UTC', g.dropped, g.held, clock_timestamp() FROM going g
    WHERE g.dropped > 0 OR NOT EXISTS (
        SELECT FROM evidence_dropped d WHERE d.source_id = g.source
        AND d.month = (begins AT TIME ZONE 'UTC')::date AND d.held = g.held AND d.id = (
            SELECT max(x.id) FROM evidence_dropped x
            WHERE x.source_id = d.source_id AND x.month = d.month));
    RETURN QUERY SELECT g.source, g.dropped, g.held FROM going g ORDER BY 1;
    DROP TABLE going;
    PERFORM set_config('countersign.letting_go', '', true);
END $$;
REVOKE ALL ON FUNCTION countersign_drop_month(date, timestamptz) FROM PUBLIC;

-- An emptied month of bodies goes as a whole; false: there are rows, or there is no such month.
CREATE FUNCTION countersign_drop_empty(month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET lock_timeout = '2s' AS $$
DECLARE
    child text := 'evidence_depositbody' || to_char(month, '"_"YYYY"_"MM');
    filled boolean;
BEGIN
    IF to_regclass(quote_ident(child)) IS NULL
       OR (month + interval '2 months') AT TIME ZONE 'UTC' > clock_timestamp() THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', child) INTO filled;
    IF filled THEN
        RETURN false;
    END IF;
    LOCK TABLE ONLY evidence_depositbody IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', child) INTO filled;
    IF NOT filled THEN
        PERFORM countersign_swap('evidence_depositbody', month, NULL);
    END IF;
    RETURN NOT filled;
END $$;
REVOKE ALL ON FUNCTION countersign_drop_empty(date) FROM PUBLIC;
"""

BURY = """
-- The bytes of up to so many deposits go, each with a tombstone in their place.
CREATE FUNCTION countersign_bury(upto timestamptz, most integer)
RETURNS TABLE (deposit bigint, source bigint, gone_digest bytea, gone_bytes bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    chosen bigint[];
BEGIN
    IF upto > clock_timestamp() THEN
        RAISE EXCEPTION 'retention cannot run for a moment that is still to come';
    END IF;
    SELECT array_agg(d.id) INTO chosen FROM evidence_deposits_due(upto, most) d;
    IF chosen IS NULL THEN
        RETURN;
    END IF;
    PERFORM set_config('countersign.letting_go', 'on', true);
    DELETE FROM evidence_depositbody b USING evidence_deposit d
    WHERE d.id = ANY(chosen) AND b.received_at = d.received_at AND b.deposit_id = d.id;
    UPDATE evidence_reject r SET excerpt = '' WHERE r.deposit_id = ANY(chosen) AND excerpt <> '';
    RETURN QUERY
    INSERT INTO evidence_tombstone AS made (deposit_id, ordinal, cause, why, asked_by, asked_name,
        confirmed_by, confirmed_name, at, gone_digest, gone_bytes)
    SELECT d.id, NULL, 'retention', 'none of its events is kept any more', '', '', '', '',
        clock_timestamp(),
        coalesce((SELECT t.left_digest FROM evidence_tombstone t WHERE t.deposit_id = d.id
                  ORDER BY t.id DESC LIMIT 1), d.kept_digest), d.kept_bytes
    FROM evidence_deposit d WHERE d.id = ANY(chosen) ORDER BY d.id
    RETURNING made.deposit_id,
        (SELECT x.source_id FROM evidence_deposit x WHERE x.id = made.deposit_id),
        made.gone_digest, made.gone_bytes;
    PERFORM set_config('countersign.letting_go', '', true);
END $$;
REVOKE ALL ON FUNCTION countersign_bury(timestamptz, integer) FROM PUBLIC;
"""

ERASE = """
-- What two people asked for: the bytes, the texts of rejects and events; how many events.
-- `remains` are the compressed bytes without the record, where they belong into a row.
CREATE FUNCTION countersign_erase(
    wanted uuid, gone bytea, size bigint, remains bytea, remains_digest bytea)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asked evidence_erasure;
    held evidence_deposit;
    texts bigint[];
    word bigint;
    many bigint;
    known uuid;
BEGIN
    SELECT * INTO asked FROM evidence_erasure WHERE id = wanted FOR UPDATE;
    IF asked.id IS NULL OR asked.state <> 'confirmed' OR asked.settled_by = asked.asked_by THEN
        RAISE EXCEPTION 'this erasure is not confirmed by a second person';
    END IF;
    SELECT * INTO held FROM evidence_deposit WHERE id = asked.deposit_id;
    PERFORM set_config('countersign.letting_go', 'on', true);
    DELETE FROM evidence_depositbody b
    WHERE b.received_at = held.received_at AND b.deposit_id = held.id;
    IF remains IS NOT NULL THEN
        INSERT INTO evidence_depositbody (received_at, deposit_id, body)
        VALUES (held.received_at, held.id, remains);
    END IF;
    IF asked.ordinal IS NULL THEN
        UPDATE evidence_reject SET excerpt = '' WHERE deposit_id = held.id AND excerpt <> '';
    END IF;
    INSERT INTO evidence_term (key, kind, value)
    VALUES ('bab22dbc-c247-0bd0-d2f7-5fade7151bd4'::uuid, 1, '[erased]') ON CONFLICT (key) DO NOTHING;
    SELECT id INTO word FROM evidence_term WHERE key = 'bab22dbc-c247-0bd0-d2f7-5fade7151bd4'::uuid;
    SELECT array_agg(DISTINCT t.id), max(one.digest::text)::uuid INTO texts, known
    FROM evidence_event one CROSS JOIN LATERAL unnest(ARRAY[
        one.action_id, one.resource_id, one.address_id, one.user_agent_id, one.error_id,
        one.conversation_id, one.task_id, one.release_id]) AS t(id)
    WHERE one.at BETWEEN held.first_at AND held.last_at AND one.deposit_id = held.id
      AND (asked.ordinal IS NULL OR one.ordinal = asked.ordinal) AND t.id <> word;
    UPDATE evidence_event one SET action_id = word, resource_id = NULL, address_id = NULL,
        user_agent_id = NULL, error_id = NULL, conversation_id = NULL, task_id = NULL,
        release_id = NULL, request_id = NULL,
        principal_id = CASE WHEN asked.names THEN NULL ELSE principal_id END,
        credential_id = CASE WHEN asked.names THEN NULL ELSE credential_id END,
        agent_id = CASE WHEN asked.names THEN NULL ELSE agent_id END,
        on_behalf_id = CASE WHEN asked.names THEN NULL ELSE on_behalf_id END
    WHERE one.at BETWEEN held.first_at AND held.last_at AND one.deposit_id = held.id
      AND (asked.ordinal IS NULL OR one.ordinal = asked.ordinal);
    GET DIAGNOSTICS many = ROW_COUNT;
    -- A text that no other event repeats would lie on in the dictionary.
    WITH alone AS (
        UPDATE evidence_term t SET value = '[erased]', key = gen_random_uuid()
        WHERE t.id = ANY(texts) AND NOT EXISTS (
            SELECT FROM evidence_event e WHERE t.id IN (e.action_id, e.resource_id, e.address_id,
                e.user_agent_id, e.error_id, e.conversation_id, e.task_id, e.release_id))
        RETURNING t.id)
    SELECT array_agg(a.id) INTO texts FROM alone a;
    -- What later migrations derive from a text goes with it.
    IF to_regclass('evidence_meaning') IS NOT NULL THEN
        EXECUTE 'DELETE FROM evidence_meaning WHERE term_id = ANY($1)' USING texts;
    END IF;
    INSERT INTO evidence_tombstone (deposit_id, ordinal, cause, why, asked_by, asked_name,
        confirmed_by, confirmed_name, at, gone_digest, gone_bytes, left_digest, record_digest)
    VALUES (held.id, asked.ordinal, 'erasure', asked.reason, asked.asked_by, asked.asked_name,
        asked.settled_by, asked.settled_name, clock_timestamp(), gone, size, remains_digest,
        CASE WHEN asked.ordinal IS NOT NULL THEN known END);
    UPDATE evidence_erasure SET state = 'done', done_at = clock_timestamp() WHERE id = wanted;
    PERFORM set_config('countersign.letting_go', '', true);
    RETURN many;
END $$;
REVOKE ALL ON FUNCTION countersign_erase(uuid, bytea, bigint, bytea, bytea) FROM PUBLIC;
"""
# What a filter left out stands among a deposit's redactions; the counts of a day follow from it.
FILTERED = """
CREATE FUNCTION evidence_count_filtered() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO evidence_filteredout AS f (source_id, day, reason, records)
    SELECT NEW.source_id, (NEW.received_at AT TIME ZONE 'UTC')::date,
        substr(k.key, length('filtered: ') + 1), (k.value ->> 'count')::bigint
    FROM jsonb_each(NEW.redactions -> 'kinds') k WHERE k.key LIKE 'filtered: %' ORDER BY k.key
    ON CONFLICT (source_id, day, reason) DO UPDATE SET records = f.records + excluded.records;
    RETURN NULL;
END $$;
CREATE TRIGGER count_filtered AFTER INSERT ON evidence_deposit FOR EACH ROW
    WHEN (NEW.redactions @? '$.kinds.keyvalue() ? (@.key starts with "filtered: ")')
    EXECUTE FUNCTION evidence_count_filtered();
"""
UNDO = """
DROP TRIGGER count_filtered ON evidence_deposit;
DROP FUNCTION evidence_count_filtered();
DROP FUNCTION countersign_erase(uuid, bytea, bigint, bytea, bytea);
DROP FUNCTION countersign_bury(timestamptz, integer);
DROP FUNCTION countersign_drop_empty(date);
DROP FUNCTION countersign_drop_month(date, timestamptz);
DROP FUNCTION countersign_swap(text, date, text);
DROP FUNCTION evidence_deposits_due(timestamptz, integer);
DROP FUNCTION evidence_deposit_is_held(evidence_deposit);
DROP FUNCTION evidence_held_with_links(timestamptz, timestamptz);
DROP FUNCTION evidence_held(timestamptz, timestamptz);
DROP FUNCTION evidence_held_by_law(timestamptz, timestamptz);
DROP FUNCTION evidence_due_at(bigint, timestamptz);
DROP FUNCTION evidence_kept_days(bigint);
DROP TRIGGER retention_said ON evidence_source;
DROP FUNCTION countersign_retention_said();
"""


def triggers(table: str) -> str:
    return f"""
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION countersign_refuse();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION countersign_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0007_pulls"),
    ]

    operations = [
        migrations.CreateModel(
            name="Holder",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("function", models.TextField()),
                ("words", models.TextField()),
            ],
        ),
        migrations.AddField(
            model_name="source",
            name="keep_rules",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.CreateModel(
            name="RetentionSaid",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("source_id", models.BigIntegerField()),
                ("days", models.IntegerField()),
                ("said_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["source_id", "-id"], name="retention_said_of")],
            },
        ),
        migrations.CreateModel(
            name="DepositSeal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.BigIntegerField()),
                ("digest", models.BinaryField()),
                ("previous", models.BinaryField()),
                ("hash", models.BinaryField()),
                ("sealed_at", models.DateTimeField()),
                (
                    "deposit",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="seal",
                        to="evidence.deposit",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.source",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("source", "number"), name="deposit_seal_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Dropped",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("month", models.DateField()),
                ("events", models.BigIntegerField()),
                ("held", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dropped",
                        to="evidence.source",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["source", "-month"], name="dropped_of_source")],
            },
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("ordinal", models.IntegerField(null=True)),
                ("names", models.BooleanField(default=False)),
                ("reason", models.TextField()),
                ("state", models.TextField(default="asked")),
                ("asked_at", models.DateTimeField()),
                ("asked_by", models.TextField()),
                ("asked_name", models.TextField()),
                ("asked_person", models.TextField(blank=True)),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.TextField(blank=True)),
                ("settled_name", models.TextField(blank=True)),
                ("settled_reason", models.TextField(blank=True)),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "deposit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="erasures",
                        to="evidence.deposit",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["asked", "confirmed", "done", "refused"])
                        ),
                        name="erasure_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["confirmed", "done"]), _negated=True),
                            models.Q(("settled_by", models.F("asked_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="erasure_is_confirmed_by_another",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["asked", "confirmed"])),
                        fields=("deposit", "ordinal"),
                        name="erasure_live_once",
                        nulls_distinct=False,
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="FilteredOut",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("reason", models.TextField()),
                ("records", models.BigIntegerField(default=0)),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="filtered",
                        to="evidence.source",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("source", "day", "reason"), name="filtered_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LegalHold",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("begins", models.DateTimeField(blank=True, null=True)),
                ("ends", models.DateTimeField(blank=True, null=True)),
                ("reason", models.TextField()),
                ("placed_at", models.DateTimeField()),
                ("placed_by", models.TextField()),
                ("placed_name", models.TextField(blank=True)),
                ("released_at", models.DateTimeField(blank=True, null=True)),
                ("released_by", models.TextField(blank=True)),
                ("released_name", models.TextField(blank=True)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.actor",
                    ),
                ),
                (
                    "deposit",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="holds",
                        to="evidence.deposit",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="holds",
                        to="evidence.source",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("released_at", None)),
                        fields=["source"],
                        name="legal_hold_live",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ordinal", models.IntegerField(null=True)),
                ("cause", models.TextField()),
                ("why", models.TextField()),
                ("asked_by", models.TextField(blank=True)),
                ("asked_name", models.TextField(blank=True)),
                ("confirmed_by", models.TextField(blank=True)),
                ("confirmed_name", models.TextField(blank=True)),
                ("at", models.DateTimeField()),
                ("gone_digest", models.BinaryField()),
                ("gone_bytes", models.BigIntegerField()),
                ("left_digest", models.BinaryField(null=True)),
                ("record_digest", models.UUIDField(null=True)),
                (
                    "deposit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tombstones",
                        to="evidence.deposit",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("cause__in", ["retention", "erasure"])),
                        name="tombstone_cause_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("cause", "erasure"), _negated=True),
                            models.Q(
                                models.Q(("asked_by", ""), _negated=True),
                                models.Q(("confirmed_by", ""), _negated=True),
                                models.Q(("asked_by", models.F("confirmed_by")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="tombstone_erasure_took_two",
                    ),
                ],
            },
        ),
        migrations.RunSQL(REFUSE, REFUSE_AS_BEFORE),
        migrations.RunSQL(
            "".join(triggers(table) for table in APPEND_ONLY),
            "".join(
                f"DROP TRIGGER append_only ON {table};DROP TRIGGER append_only_truncate ON {table};"
                for table in APPEND_ONLY
            ),
        ),
        migrations.RunSQL(RETENTION + HELD + DROP_MONTH + BURY + ERASE + FILTERED, UNDO),
    ]
