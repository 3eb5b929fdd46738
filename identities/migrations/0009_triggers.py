"""Release manifests, what an identity was first seen to use, and credentials that end soon."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import evidence.keys
import evidence.models.numbers


class Migration(migrations.Migration):
    dependencies = [("identities", "0008_modes")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE manifest_number START 1", "DROP SEQUENCE manifest_number"
        ),
        migrations.CreateModel(
            name="Manifest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                (
                    "number",
                    models.BigIntegerField(
                        db_default=evidence.models.numbers.NextNumber("manifest_number"),
                        unique=True,
                    ),
                ),
                ("version", models.TextField()),
                ("model", models.TextField(blank=True)),
                (
                    "tools",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), default=list
                    ),
                ),
                ("permissions", models.JSONField(default=list)),
                ("digest", models.TextField()),
                ("state", models.TextField(default="proposed")),
                ("case", models.UUIDField(null=True)),
                ("reference", models.TextField(blank=True)),
                ("proposed_at", models.DateTimeField()),
                ("proposed_by", models.TextField()),
                ("proposed_by_name", models.TextField(blank=True)),
                ("settled_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="NewUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("identity_no", models.IntegerField()),
                ("action_id", models.BigIntegerField()),
                ("family", models.TextField(blank=True)),
                ("release_id", models.BigIntegerField(default=0)),
                ("tool", models.BooleanField()),
                ("strength", models.SmallIntegerField()),
                ("first_at", models.DateTimeField()),
                ("event_id", models.BigIntegerField()),
                ("noted_at", models.DateTimeField()),
                ("looked_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(
                condition=models.Q(
                    ("expires_at__isnull", False),
                    ("standing", True),
                    ("state__in", ["active", "held"]),
                ),
                fields=["expires_at"],
                name="credential_ends",
            ),
        ),
        migrations.AddField(
            model_name="manifest",
            name="identity",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="manifests",
                to="identities.identity",
            ),
        ),
        migrations.AddField(
            model_name="manifest",
            name="proposed_person",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="identities.person",
            ),
        ),
        migrations.AddIndex(
            model_name="newuse",
            index=models.Index(
                condition=models.Q(("looked_at__isnull", True)),
                fields=["id"],
                name="new_use_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="newuse",
            constraint=models.UniqueConstraint(
                fields=("identity_no", "tool", "action_id", "family", "release_id"),
                name="new_use_once",
            ),
        ),
        migrations.AddIndex(
            model_name="manifest",
            index=models.Index(
                condition=models.Q(("state", "signed")),
                fields=["identity", "-settled_at"],
                name="manifest_signed",
            ),
        ),
        migrations.AddConstraint(
            model_name="manifest",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("proposed", "signed", "refused"))),
                name="manifest_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="manifest",
            constraint=models.UniqueConstraint(fields=("identity", "digest"), name="manifest_once"),
        ),
    ]
