"""Erasure reaches texts that quote what goes: rows that only grow lose words by a function of the
owner, which looks for itself that nothing but words went, and the ledger gets tombstones.

Names are forgotten as in 0013; what they were is kept until every text was looked through.
"""

from importlib import import_module

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

_FURTHER = import_module("evidence.migrations.0013_erasing_further")
_CUSTODY = import_module("evidence.migrations.0008_custody")

_BEGINS = "CREATE FUNCTION countersign_forget_names"
_WAS = _BEGINS + _FURTHER.FORGET.split(_BEGINS)[1].split("REVOKE ALL")[0]
FORGET_AS_BEFORE = _WAS.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
FORGET = (
    FORGET_AS_BEFORE.replace("    outcome jsonb;\n", "    outcome jsonb;\n    lost text[];\n")
    .replace(
        "OR asked.emptied_at IS NULL THEN",
        "OR asked.emptied_at IS NULL OR asked.named_at IS NOT NULL THEN",
    )
    .replace(
        "        UPDATE evidence_actor SET value = '[erased]'",
        "        SELECT array_agg(DISTINCT w.value) INTO lost FROM (\n"
        "            SELECT value FROM evidence_actor WHERE id = ANY(alone) UNION\n"
        "            SELECT value FROM evidence_term WHERE -id = ANY(alone)\n"
        "                AND id = ANY(asked.texts)) w WHERE w.value NOT IN ('', '[erased]');\n"
        "        UPDATE evidence_actor SET value = '[erased]'",
    )
    .replace(
        "SET state = 'done', done_at = clock_timestamp(), people = '{}',\n        texts = '{}',",
        "SET named_at = clock_timestamp(), people = '{}', texts = '{}',\n"
        "        words = coalesce(lost, '{}'),",
    )
)

CUT = """
-- A row that only grows loses words, and what it says is the same otherwise: each column of `said`
-- is what stands there, but for stretches that the mark of this erasure stands for. False: there is
-- no such row. `gone` and `remains` are the digests before and after, of the ledger and capsules.
CREATE FUNCTION countersign_cut_words(
    this uuid, relation text, row_key text, said jsonb, gone bytea, remains bytea)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wanted evidence_erasure;
    mark text;
    pattern text;
    before jsonb;
    type_of_key text;
    assignments text;
    one record;
BEGIN
    SELECT * INTO wanted FROM evidence_erasure WHERE id = this FOR UPDATE;
    IF wanted.id IS NULL OR wanted.state <> 'confirmed' OR wanted.settled_by = wanted.asked_by THEN
        RAISE EXCEPTION 'this erasure is not confirmed by a second person';
    END IF;
    IF relation LIKE 'evidence\\_%' AND (relation, said - 'words' - 'data') IS DISTINCT FROM
            ('evidence_ledgerentry', '{}'::jsonb)
       AND (relation, said - 'body') IS DISTINCT FROM ('evidence_capsule', '{}'::jsonb) THEN
        RAISE EXCEPTION 'words of % are not cut', relation;
    END IF;
    SELECT format_type(a.atttypid, a.atttypmod) INTO STRICT type_of_key FROM pg_attribute a
    WHERE a.attrelid = format('public.%I', relation)::regclass AND a.attname = 'id';
    EXECUTE format('SELECT to_jsonb(r) FROM %I r WHERE r.id = $1::%s FOR UPDATE',
        relation, type_of_key) INTO before USING row_key;
    IF before IS NULL THEN
        RETURN false;
    END IF;
    mark := format('[erased %s, deposit %s]',
        to_char(wanted.settled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), wanted.deposit_id);
    FOR one IN SELECT * FROM jsonb_each(said) LOOP
        pattern := regexp_replace(one.value::text, '([\\\\%_])', '\\\\\\1', 'g');
        IF coalesce((before -> one.key)::text, '') NOT LIKE replace(pattern, mark, '%')
           OR jsonb_typeof(before -> one.key) <> jsonb_typeof(one.value) THEN
            RAISE EXCEPTION 'more than words would change in %.%', relation, one.key;
        END IF;
    END LOOP;
    SELECT string_agg(format('%1$I = (jsonb_populate_record(r, $1)).%1$I', k.name), ', ')
    INTO assignments FROM jsonb_object_keys(said) AS k(name);
    PERFORM set_config('countersign.letting_go', 'on', true);
    EXECUTE format('UPDATE %I r SET %s WHERE r.id = $2::%s', relation, assignments, type_of_key)
        USING said, row_key;
    IF relation = 'evidence_ledgerentry' THEN
        UPDATE evidence_ledgerentry e SET salt = ''::bytea WHERE e.id = row_key::bigint;
        INSERT INTO evidence_ledgertombstone (entry_id, erasure_id, at, gone_digest, left_digest)
        VALUES (row_key::bigint, this, clock_timestamp(), gone, remains);
    ELSIF relation = 'evidence_capsule' THEN
        INSERT INTO evidence_capsuletombstone (capsule_id, erasure_id, events, why, asked_by,
            asked_name, confirmed_by, confirmed_name, at, gone_digest, left_digest)
        VALUES (row_key::uuid, wanted.id, 0, wanted.reason, wanted.asked_by, wanted.asked_name,
            wanted.settled_by, wanted.settled_name, clock_timestamp(), gone, remains);
    END IF;
    PERFORM set_config('countersign.letting_go', '', true);
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION countersign_cut_words(uuid, text, text, jsonb, bytea, bytea) FROM PUBLIC;
"""
NOT_CUT = "DROP FUNCTION countersign_cut_words(uuid, text, text, jsonb, bytea, bytea);"


class Migration(migrations.Migration):
    dependencies = [("evidence", "0016_keys_of_issuances")]

    operations = [
        migrations.AddField("erasure", "named_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "erasure",
            "words",
            django.contrib.postgres.fields.ArrayField(models.TextField(), default=list),
        ),
        migrations.CreateModel(
            name="LedgerTombstone",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("gone_digest", models.BinaryField()),
                ("left_digest", models.BinaryField()),
                (
                    "entry",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tombstones",
                        to="evidence.ledgerentry",
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
        ),
        migrations.RunSQL(
            _CUSTODY.triggers("evidence_ledgertombstone"),
            "DROP TRIGGER append_only ON evidence_ledgertombstone;"
            "DROP TRIGGER append_only_truncate ON evidence_ledgertombstone;",
        ),
        migrations.RunSQL(CUT, NOT_CUT),
        migrations.RunSQL(FORGET, FORGET_AS_BEFORE),
    ]
