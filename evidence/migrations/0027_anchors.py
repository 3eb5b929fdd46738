"""Signed heads of the ledger, and their copies elsewhere. What is signed or kept stays as it is."""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models

_CUSTODY = import_module("evidence.migrations.0008_custody")
_GROW = ("evidence_sealkey", "evidence_anchor")

KEPT = """
CREATE FUNCTION countersign_anchor_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state <> 'waiting'
       OR (NEW.anchor_id, NEW.place, NEW.kind) IS DISTINCT FROM (OLD.anchor_id, OLD.place, OLD.kind)
    THEN
        RAISE EXCEPTION '% of % is refused: what is kept stays', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER anchor_kept BEFORE UPDATE OR DELETE ON evidence_anchorcopy
    FOR EACH ROW EXECUTE FUNCTION countersign_anchor_kept();
CREATE TRIGGER anchor_kept_truncate BEFORE TRUNCATE ON evidence_anchorcopy
    FOR EACH STATEMENT EXECUTE FUNCTION countersign_refuse();
"""
BACK = """
DROP TRIGGER anchor_kept_truncate ON evidence_anchorcopy;
DROP TRIGGER anchor_kept ON evidence_anchorcopy;
DROP FUNCTION countersign_anchor_kept();
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0025_retold")]

    operations = [
        migrations.CreateModel(
            name="SealKey",
            fields=[
                ("kid", models.TextField(primary_key=True, serialize=False)),
                ("jwk", models.JSONField()),
                ("first_used_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Anchor",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("hash", models.BinaryField()),
                ("tree", models.BinaryField()),
                ("peaks", models.BinaryField()),
                ("statement", models.TextField()),
                ("made_at", models.DateTimeField()),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.sealkey",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AnchorCopy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("place", models.TextField()),
                ("kind", models.TextField()),
                ("state", models.TextField(default="waiting")),
                ("not_before", models.DateTimeField()),
                ("leased_until", models.DateTimeField(null=True)),
                ("attempts", models.IntegerField(default=0)),
                ("why", models.TextField(blank=True)),
                ("receipt", models.BinaryField(null=True)),
                ("words", models.TextField(blank=True)),
                ("kept_at", models.DateTimeField(null=True)),
                (
                    "anchor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="copies",
                        to="evidence.anchor",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["not_before"],
                        name="anchor_waits",
                    ),
                    models.Index(fields=["place", "-anchor"], name="anchor_of_place"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("anchor", "place"), name="anchor_once_a_place"),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["waiting", "kept", "left"])),
                        name="anchor_copy_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "kept"), _negated=True),
                            models.Q(("kept_at__isnull", False), ("receipt__isnull", False)),
                            _connector="OR",
                        ),
                        name="anchor_kept_shows_it",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            "".join(_CUSTODY.triggers(table) for table in _GROW) + KEPT,
            BACK
            + "".join(
                f"DROP TRIGGER append_only ON {table};DROP TRIGGER append_only_truncate ON {table};"
                for table in _GROW
            ),
        ),
    ]
