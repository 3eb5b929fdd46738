"""Erasure reaches what was frozen for decisions, and the names that nothing else needs.

As in 0008, what removes is a function of the owner that looks for itself whether two people asked
and whether anything else still needs a name. Three steps, each of which may be repeated: rows of
one capsule, the content of the deposit, the dictionary. The first two of a record that is frozen or
stored at the same time wait for each other by two locks (evidence/erasing.py, evidence/names.py).
"""

from importlib import import_module

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

_CUSTODY = import_module("evidence.migrations.0008_custody")

INDEX = """
-- Which capsules hold rows of a deposit.
CREATE INDEX capsule_deposits ON evidence_capsule
    USING gin ((body -> 'deposits') jsonb_path_ops);
"""

IN_CAPSULES = """
-- Where an event is now that was frozen under this key: reading again may have moved it.
CREATE FUNCTION evidence_key_now(INOUT moment timestamptz, INOUT event bigint)
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    later record;
BEGIN
    FOR step IN 1..50 LOOP
        EXIT WHEN EXISTS (SELECT FROM evidence_event e WHERE e.at = moment AND e.id = event);
        SELECT p.now_at, p.now_id INTO later FROM evidence_pastreading p
        WHERE p.at = moment AND p.event_id = event AND p.kind = 'event' AND p.now_at IS NOT NULL
        ORDER BY p.id DESC LIMIT 1;
        EXIT WHEN NOT FOUND;
        moment := later.now_at;
        event := later.now_id;
    END LOOP;
END $$;

-- Whether a frozen row is of what an erasure names. Of an event that retention dropped, its place
-- among the records of its deposit says so.
CREATE FUNCTION evidence_frozen_of(line jsonb, wanted evidence_erasure) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    place integer;
BEGIN
    IF line ->> 'deposit' <> wanted.deposit_id::text THEN
        RETURN false;
    END IF;
    IF wanted.ordinal IS NULL THEN
        RETURN true;
    END IF;
    SELECT e.ordinal INTO place
    FROM evidence_key_now((line ->> 'at')::timestamptz, (line ->> 'id')::bigint) k
    JOIN evidence_event e ON e.at = k.moment AND e.id = k.event;
    RETURN coalesce(place, (line ->> 'position')::integer) = wanted.ordinal;
END $$;

-- A frozen row without its words; who asked for the names as well, loses them too.
CREATE FUNCTION evidence_frozen_without(line jsonb, wanted evidence_erasure) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT line || '{"action": "[erased]", "resource": null, "address": null, "error": null,
                     "request_id": null}'
        || CASE WHEN wanted.names THEN '{"principal": null, "credential": null, "agent": null,
                                         "on_behalf": null}'::jsonb ELSE '{}' END
$$;

-- A capsule's body as the erasure leaves it; the very same where it holds nothing of it.
CREATE FUNCTION evidence_capsule_without(body jsonb, this uuid) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT jsonb_set(body, '{events}', coalesce((
        SELECT jsonb_agg(
            CASE WHEN evidence_frozen_of(l.line, w) AND evidence_frozen_without(l.line, w) <> l.line
            THEN evidence_frozen_without(l.line, w) || jsonb_build_object('erased', w.id)
            ELSE l.line END ORDER BY l.place)
        FROM jsonb_array_elements(body -> 'events') WITH ORDINALITY AS l(line, place)), '[]'))
    FROM evidence_erasure w WHERE w.id = this
$$;

-- Who holds what is frozen of events that retention dropped: by law, by deposit, source, time or
-- actor. Events that are still there are asked for by evidence_held.
CREATE FUNCTION evidence_frozen_is_held(this uuid) RETURNS text
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH RECURSIVE frozen AS (
        SELECT l.line, (l.line ->> 'at')::timestamptz AS at
        FROM evidence_erasure w
        JOIN evidence_capsule c
            ON c.body -> 'deposits' @> jsonb_build_array(
                jsonb_build_object('id', w.deposit_id::text))
        CROSS JOIN LATERAL jsonb_array_elements(c.body -> 'events') AS l(line)
        WHERE w.id = this AND evidence_frozen_of(l.line, w)
    ), who AS (
        SELECT h.id, a.id AS actor, a.value FROM evidence_legalhold h
        JOIN evidence_actor a ON a.id = h.actor_id WHERE h.released_at IS NULL
        UNION SELECT w.id, a.id, a.value FROM who w JOIN evidence_actor a ON a.parent_id = w.actor
    )
    SELECT 'legal hold: ' || h.reason
    FROM evidence_legalhold h JOIN evidence_erasure w ON w.id = this
    JOIN evidence_deposit d ON d.id = w.deposit_id
    WHERE h.released_at IS NULL
      AND (h.source_id IS NULL OR h.source_id = d.source_id)
      AND (h.deposit_id IS NULL OR h.deposit_id = d.id)
      AND EXISTS (
        SELECT FROM frozen r
        WHERE (h.begins IS NULL OR r.at >= h.begins) AND (h.ends IS NULL OR r.at < h.ends)
        AND (h.actor_id IS NULL OR EXISTS (
            SELECT FROM who o WHERE o.id = h.id AND o.value IN (r.line ->> 'principal',
                r.line ->> 'credential', r.line ->> 'agent', r.line ->> 'on_behalf'))))
    ORDER BY h.id LIMIT 1
$$;

-- The rows of one capsule lose their words, and a tombstone says so; how many did.
-- `gone` and `remains` are the digests of its canonical form before and after.
CREATE FUNCTION countersign_erase_frozen(this uuid, number bigint, gone bytea, remains bytea)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wanted evidence_erasure;
    held evidence_capsule;
    remaining jsonb;
    many integer;
BEGIN
    SELECT * INTO wanted FROM evidence_erasure WHERE id = this FOR UPDATE;
    IF wanted.id IS NULL OR wanted.state <> 'confirmed' OR wanted.settled_by = wanted.asked_by THEN
        RAISE EXCEPTION 'this erasure is not confirmed by a second person';
    END IF;
    SELECT c.* INTO held FROM evidence_capsule c WHERE c.number = $2 FOR UPDATE;
    remaining := evidence_capsule_without(held.body, this);
    IF remaining = held.body THEN
        RETURN 0;
    END IF;
    SELECT count(*) INTO many
    FROM jsonb_array_elements(held.body -> 'events') WITH ORDINALITY AS b(line, place)
    JOIN jsonb_array_elements(remaining -> 'events') WITH ORDINALITY AS a(line, place)
        ON a.place = b.place WHERE a.line <> b.line;
    PERFORM set_config('countersign.letting_go', 'on', true);
    UPDATE evidence_capsule c SET body = remaining WHERE c.id = held.id;
    INSERT INTO evidence_capsuletombstone (capsule_id, erasure_id, events, why, asked_by,
        asked_name, confirmed_by, confirmed_name, at, gone_digest, left_digest)
    VALUES (held.id, wanted.id, many, wanted.reason, wanted.asked_by, wanted.asked_name,
        wanted.settled_by, wanted.settled_name, clock_timestamp(), gone, remains);
    PERFORM set_config('countersign.letting_go', '', true);
    RETURN many;
END $$;
REVOKE ALL ON FUNCTION countersign_erase_frozen(uuid, bigint, bytea, bytea) FROM PUBLIC;
"""
NOT_IN_CAPSULES = """
DROP FUNCTION countersign_erase_frozen(uuid, bigint, bytea, bytea);
DROP FUNCTION evidence_frozen_is_held(uuid);
DROP FUNCTION evidence_capsule_without(jsonb, uuid);
DROP FUNCTION evidence_frozen_without(jsonb, evidence_erasure);
DROP FUNCTION evidence_frozen_of(jsonb, evidence_erasure);
DROP FUNCTION evidence_key_now(timestamptz, bigint);
"""

ERASE = """
-- As in 0008, but for the dictionary, which comes after it: what is left of the erasure's names is
-- noted beside it. Of content that is gone already, only the events are looked at.
CREATE OR REPLACE FUNCTION countersign_erase(
    wanted uuid, gone bytea, size bigint, remains bytea, remains_digest bytea)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asked evidence_erasure;
    held evidence_deposit;
    said bigint[];
    named bigint[];
    runs bigint[];
    word bigint;
    many bigint;
    known uuid;
BEGIN
    SELECT * INTO asked FROM evidence_erasure WHERE id = wanted FOR UPDATE;
    IF asked.id IS NULL OR asked.state <> 'confirmed' OR asked.settled_by = asked.asked_by
       OR asked.emptied_at IS NOT NULL THEN
        RAISE EXCEPTION 'this erasure is not confirmed by a second person';
    END IF;
    SELECT * INTO held FROM evidence_deposit WHERE id = asked.deposit_id;
    PERFORM set_config('countersign.letting_go', 'on', true);
    INSERT INTO evidence_term (key, kind, value)
    VALUES ('bab22dbc-c247-0bd0-d2f7-5fade7151bd4'::uuid, 1, '[erased]') ON CONFLICT (key) DO NOTHING;
    SELECT id INTO word FROM evidence_term WHERE key = 'bab22dbc-c247-0bd0-d2f7-5fade7151bd4'::uuid;
    SELECT array_agg(DISTINCT t.id), max(one.digest::text)::uuid INTO said, known
    FROM evidence_event one CROSS JOIN LATERAL unnest(ARRAY[
        one.action_id, one.resource_id, one.address_id, one.user_agent_id, one.error_id,
        one.conversation_id, one.task_id, one.release_id]) AS t(id)
    WHERE one.at BETWEEN held.first_at AND held.last_at AND one.deposit_id = held.id
      AND (asked.ordinal IS NULL OR one.ordinal = asked.ordinal) AND t.id <> word;
    SELECT array_agg(DISTINCT r.id) INTO runs
    FROM evidence_event one JOIN evidence_run r
        ON r.trace = one.trace AND r.source_id = one.source_id
    WHERE one.at BETWEEN held.first_at AND held.last_at AND one.deposit_id = held.id
      AND (asked.ordinal IS NULL OR one.ordinal = asked.ordinal);
    IF asked.names THEN
        SELECT array_agg(DISTINCT a.id) INTO named FROM (
            SELECT unnest(ARRAY[one.principal_id, one.credential_id, one.agent_id,
                                one.on_behalf_id]) AS id
            FROM evidence_event one
            WHERE one.at BETWEEN held.first_at AND held.last_at AND one.deposit_id = held.id
              AND (asked.ordinal IS NULL OR one.ordinal = asked.ordinal)
            UNION
            SELECT unnest(ARRAY[i.credential_id, i.issued_to_id, i.by_principal_id,
                                i.by_credential_id])
            FROM evidence_issuance i JOIN evidence_event one ON one.at = i.at AND one.id = i.event_id
            WHERE one.at BETWEEN held.first_at AND held.last_at AND one.deposit_id = held.id
              AND (asked.ordinal IS NULL OR one.ordinal = asked.ordinal)) a
        WHERE a.id IS NOT NULL;
        -- What was issued names whom, too.
        DELETE FROM evidence_issuance i USING evidence_event one
        WHERE one.at = i.at AND one.id = i.event_id
          AND one.at BETWEEN held.first_at AND held.last_at AND one.deposit_id = held.id
          AND (asked.ordinal IS NULL OR one.ordinal = asked.ordinal);
    END IF;
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
    -- A run says what its events say.
    UPDATE evidence_run r SET
        agent_id = CASE WHEN r.agent_id = ANY(left_of.people) THEN r.agent_id END,
        service_id = CASE WHEN r.service_id = ANY(left_of.people) THEN r.service_id END,
        on_behalf_id = CASE WHEN r.on_behalf_id = ANY(left_of.people) THEN r.on_behalf_id END,
        conversation_id = CASE WHEN r.conversation_id = ANY(left_of.texts)
            THEN r.conversation_id END,
        task_id = CASE WHEN r.task_id = ANY(left_of.texts) THEN r.task_id END,
        release_id = CASE WHEN r.release_id = ANY(left_of.texts) THEN r.release_id END
    FROM (
        SELECT x.id,
            array_agg(DISTINCT p.id) FILTER (WHERE p.id IS NOT NULL) AS people,
            array_agg(DISTINCT t.id) FILTER (WHERE t.id IS NOT NULL) AS texts
        FROM evidence_run x JOIN evidence_event e ON e.trace = x.trace AND e.source_id = x.source_id
        LEFT JOIN LATERAL unnest(ARRAY[e.principal_id, e.credential_id, e.agent_id,
            e.on_behalf_id]) AS p(id) ON true
        LEFT JOIN LATERAL unnest(ARRAY[e.conversation_id, e.task_id, e.release_id]) AS t(id) ON true
        WHERE x.id = ANY(runs) GROUP BY x.id) left_of
    WHERE r.id = left_of.id;
    IF NOT EXISTS (SELECT FROM evidence_tombstone t
                   WHERE t.deposit_id = held.id
                     AND (t.ordinal IS NULL OR t.ordinal = asked.ordinal)) THEN
        DELETE FROM evidence_depositbody b
        WHERE b.received_at = held.received_at AND b.deposit_id = held.id;
        IF remains IS NOT NULL THEN
            INSERT INTO evidence_depositbody (received_at, deposit_id, body)
            VALUES (held.received_at, held.id, remains);
        END IF;
        IF asked.ordinal IS NULL THEN
            UPDATE evidence_reject SET excerpt = '' WHERE deposit_id = held.id AND excerpt <> '';
        END IF;
        INSERT INTO evidence_tombstone (deposit_id, ordinal, cause, why, asked_by, asked_name,
            confirmed_by, confirmed_name, at, gone_digest, gone_bytes, left_digest, record_digest)
        VALUES (held.id, asked.ordinal, 'erasure', asked.reason, asked.asked_by, asked.asked_name,
            asked.settled_by, asked.settled_name, clock_timestamp(), gone, size, remains_digest,
            CASE WHEN asked.ordinal IS NOT NULL THEN known END);
    END IF;
    UPDATE evidence_erasure e SET emptied_at = clock_timestamp(),
        texts = ARRAY(SELECT DISTINCT unnest(e.texts || said)),
        people = ARRAY(SELECT DISTINCT unnest(e.people || named))
    WHERE e.id = wanted;
    PERFORM set_config('countersign.letting_go', '', true);
    RETURN many;
END $$;
"""

FORGET = """
-- Counts how often names were forgotten: whoever remembers ids of names compares it.
CREATE SEQUENCE evidence_names_forgotten MINVALUE 0 START 0;
SELECT nextval('evidence_names_forgotten');

-- That count, and until the end of the transaction it stays (evidence/names.py).
CREATE FUNCTION evidence_names_now() RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7305447);
    RETURN (SELECT last_value FROM evidence_names_forgotten);
END $$;

-- Whom an event names, and below zero what it says.
CREATE FUNCTION evidence_said_by(event evidence_event) RETURNS bigint[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY[event.principal_id, event.credential_id, event.agent_id, event.on_behalf_id,
        -event.action_id, -event.resource_id, -event.address_id, -event.user_agent_id,
        -event.error_id, -event.conversation_id, -event.task_id, -event.release_id]
$$;

CREATE FUNCTION evidence_less(these bigint[], others bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(s.id), '{}') FROM (
        SELECT unnest(these) AS id EXCEPT SELECT unnest(others)) s
$$;

-- Names and texts of emptied events that nothing else needs; what became of them. Actors are
-- needed by events, by every row that refers to them but runs, which follow their events, and by
-- what each holder says; and an actor by those that came out of it.
CREATE FUNCTION countersign_forget_names(this uuid) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asked evidence_erasure;
    all_people bigint[];
    alone bigint[];
    found bigint[];
    before bigint;
    other record;
    outcome jsonb;
BEGIN
    SELECT * INTO asked FROM evidence_erasure WHERE id = this FOR UPDATE;
    IF asked.id IS NULL OR asked.state <> 'confirmed' OR asked.settled_by = asked.asked_by
       OR asked.emptied_at IS NULL THEN
        RAISE EXCEPTION 'this erasure is not confirmed by a second person, or not carried out';
    END IF;
    WITH RECURSIVE up AS (
        SELECT a.id, a.parent_id FROM evidence_actor a WHERE a.id = ANY(asked.people)
        UNION SELECT a.id, a.parent_id FROM up JOIN evidence_actor a ON a.id = up.parent_id)
    SELECT coalesce(array_agg(up.id), '{}') INTO all_people FROM up;
    alone := all_people || ARRAY(SELECT -t FROM unnest(asked.texts) t);
    IF alone <> '{}' THEN
        -- Whoever stores events holds this lock until they are there: everything up to `before`
        -- is, once it was ours for a moment. Then nobody waits while all events are looked at.
        PERFORM pg_advisory_lock(7305447);
        SELECT last_value INTO before FROM evidence_deposit_id_seq;
        PERFORM pg_advisory_unlock(7305447);
        SELECT array_agg(DISTINCT n.id) INTO found
        FROM evidence_event e CROSS JOIN LATERAL unnest(evidence_said_by(e)) AS n(id)
        JOIN unnest(alone) AS a(id) ON a.id = n.id;
        alone := evidence_less(alone, found);
        -- From here on they wait: what came meanwhile is little.
        PERFORM pg_advisory_xact_lock(7305447);
        SELECT array_agg(DISTINCT n.id) INTO found
        FROM evidence_deposit d
        JOIN evidence_event e ON e.at BETWEEN d.first_at AND d.last_at AND e.deposit_id = d.id
        CROSS JOIN LATERAL unnest(evidence_said_by(e)) AS n(id)
        JOIN unnest(alone) AS a(id) ON a.id = n.id
        WHERE d.id > before OR d.id IN (SELECT r.deposit_id FROM evidence_reading r
            WHERE r.read_at > asked.emptied_at - interval '1 hour');
        alone := evidence_less(alone, found);
        PERFORM FROM evidence_actor a WHERE a.id = ANY(alone) ORDER BY a.id FOR UPDATE;
        FOR other IN
            SELECT c.conrelid::regclass::text AS name, a.attname AS at_column
            FROM pg_constraint c
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
            WHERE c.contype = 'f' AND c.confrelid = 'evidence_actor'::regclass
              AND c.conrelid NOT IN ('evidence_actor'::regclass, 'evidence_run'::regclass)
        LOOP
            EXECUTE format('SELECT array_agg(DISTINCT x.%I) FROM %s x WHERE x.%I = ANY($1) %s',
                other.at_column, other.name, other.at_column,
                CASE other.name WHEN 'evidence_legalhold' THEN 'AND x.released_at IS NULL'
                ELSE '' END) INTO found USING alone;
            alone := evidence_less(alone, found);
        END LOOP;
        FOR other IN SELECT h.names FROM evidence_holder h WHERE h.names <> '' ORDER BY 1 LOOP
            EXECUTE format('SELECT array_agg(DISTINCT n) FROM %I($1) n', other.names)
                INTO found USING alone;
            alone := evidence_less(alone, found);
        END LOOP;
        LOOP
            SELECT array_agg(DISTINCT a.parent_id) INTO found FROM evidence_actor a
            WHERE a.parent_id = ANY(alone) AND a.id <> ALL(alone) AND a.value <> '[erased]';
            EXIT WHEN found IS NULL;
            alone := evidence_less(alone, found);
        END LOOP;
        UPDATE evidence_actor SET value = '[erased]', key = gen_random_uuid()
        WHERE id = ANY(alone);
        UPDATE evidence_term SET value = '[erased]', key = gen_random_uuid()
        WHERE -id = ANY(alone) AND id = ANY(asked.texts);
        -- What is derived from a text goes with it.
        DELETE FROM evidence_meaning WHERE term_id = ANY(asked.texts) AND -term_id = ANY(alone);
        PERFORM nextval('evidence_names_forgotten');
    END IF;
    outcome := jsonb_build_object(
        'capsules', (SELECT count(DISTINCT t.capsule_id) FROM evidence_capsuletombstone t
                     WHERE t.erasure_id = this),
        'names', (SELECT count(*) FROM unnest(alone) n WHERE n > 0),
        'names_kept', (SELECT count(*) FROM unnest(evidence_less(all_people, alone)) n),
        'texts', (SELECT count(*) FROM unnest(alone) n WHERE n < 0));
    UPDATE evidence_erasure SET state = 'done', done_at = clock_timestamp(), people = '{}',
        texts = '{}', became = outcome WHERE id = this;
    RETURN outcome;
END $$;
REVOKE ALL ON FUNCTION countersign_forget_names(uuid) FROM PUBLIC;
"""
NOT_FORGET = """
DROP FUNCTION countersign_forget_names(uuid);
DROP FUNCTION evidence_less(bigint[], bigint[]);
DROP FUNCTION evidence_said_by(evidence_event);
DROP FUNCTION evidence_names_now();
DROP SEQUENCE evidence_names_forgotten;
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0011_runs_by_time")]

    operations = [
        migrations.AddField("holder", "names", models.TextField(db_default="")),
        migrations.AddField("erasure", "emptied_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "erasure",
            "people",
            django.contrib.postgres.fields.ArrayField(models.BigIntegerField(), default=list),
        ),
        migrations.AddField(
            "erasure",
            "texts",
            django.contrib.postgres.fields.ArrayField(models.BigIntegerField(), default=list),
        ),
        migrations.AddField("erasure", "became", models.JSONField(default=dict)),
        migrations.CreateModel(
            name="CapsuleTombstone",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("events", models.IntegerField()),
                ("why", models.TextField()),
                ("asked_by", models.TextField()),
                ("asked_name", models.TextField()),
                ("confirmed_by", models.TextField()),
                ("confirmed_name", models.TextField()),
                ("at", models.DateTimeField()),
                ("gone_digest", models.BinaryField()),
                ("left_digest", models.BinaryField()),
                (
                    "capsule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tombstones",
                        to="evidence.capsule",
                    ),
                ),
                (
                    "erasure",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.erasure",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("asked_by", models.F("confirmed_by")), _negated=True),
                        name="capsule_erasure_took_two",
                    )
                ],
            },
        ),
        migrations.RunSQL(
            _CUSTODY.triggers("evidence_capsuletombstone"),
            "DROP TRIGGER append_only ON evidence_capsuletombstone;"
            "DROP TRIGGER append_only_truncate ON evidence_capsuletombstone;",
        ),
        migrations.RunSQL(INDEX, "DROP INDEX capsule_deposits;"),
        migrations.RunSQL(IN_CAPSULES, NOT_IN_CAPSULES),
        migrations.RunSQL(
            ERASE, _CUSTODY.ERASE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
        ),
        migrations.RunSQL(FORGET, NOT_FORGET),
    ]
