"""Handing over, ends that are warned of, and succession."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import evidence.keys
import evidence.models.numbers


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0007_attestation"),
        ("reviews", "0010_stages"),
    ]

    operations = [
        migrations.RunSQL(
            sql="CREATE SEQUENCE succession_number START 1",
            reverse_sql="DROP SEQUENCE succession_number",
        ),
        migrations.CreateModel(
            name="Succession",
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
                        db_default=evidence.models.numbers.NextNumber("succession_number"),
                        unique=True,
                    ),
                ),
                ("why", models.TextField()),
                ("at", models.DateTimeField()),
                ("noticed_at", models.DateTimeField()),
                ("deadline_at", models.DateTimeField()),
                ("could_read", models.JSONField(default=list)),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.team",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SuccessionItem",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("role", models.TextField()),
                (
                    "tried",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), default=list
                    ),
                ),
                ("state", models.TextField()),
                ("words", models.TextField(blank=True)),
                ("deadline_at", models.DateTimeField(null=True)),
                ("case", models.UUIDField(null=True)),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.TextField(blank=True)),
                ("settled_by_name", models.TextField(blank=True)),
                ("settled_reason", models.TextField(blank=True)),
                (
                    "delegation",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.delegation",
                    ),
                ),
                (
                    "heir",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.party",
                    ),
                ),
                (
                    "identity",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.identity",
                    ),
                ),
                (
                    "service",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.service",
                    ),
                ),
                (
                    "succession",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="reviews.succession",
                    ),
                ),
                (
                    "was",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.party",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="EndStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("what", models.TextField()),
                ("ends_at", models.DateTimeField()),
                ("days", models.IntegerField()),
                ("did", models.TextField()),
                ("done_at", models.DateTimeField()),
                ("words", models.TextField(blank=True)),
                (
                    "identity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="end_steps",
                        to="identities.identity",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("what__in", ("attestation", "contract"))),
                        name="end_what_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("did__in", ("warned", "suspended", "escalated", "over"))
                        ),
                        name="end_did_is_known",
                    ),
                    models.UniqueConstraint(
                        fields=("identity", "what", "ends_at", "days"), name="end_step_once"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OwnerOffer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("how", models.TextField()),
                ("reason", models.TextField()),
                ("asked_at", models.DateTimeField()),
                ("asked_by", models.TextField()),
                ("asked_by_name", models.TextField(blank=True)),
                ("deadline_at", models.DateTimeField()),
                ("state", models.TextField(default="open")),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.TextField(blank=True)),
                ("settled_by_name", models.TextField(blank=True)),
                ("settled_reason", models.TextField(blank=True)),
                (
                    "asked_person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "identity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="offers",
                        to="identities.identity",
                    ),
                ),
                (
                    "to",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.party",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "open")), fields=["to"], name="offer_waits"
                    ),
                    models.Index(
                        condition=models.Q(("state", "open")),
                        fields=["deadline_at"],
                        name="offer_due",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ("open", "accepted", "declined", "passed", "withdrawn", "over"),
                            )
                        ),
                        name="offer_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("how__in", ["hand_over", "not_mine"])),
                        name="offer_how_is_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("identity",),
                        name="offer_open_once",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="succession",
            constraint=models.CheckConstraint(
                condition=models.Q(("why__in", ("left", "switched_off", "moved", "nobody"))),
                name="succession_why_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="succession",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("person__isnull", False), ("team__isnull", False), _connector="OR"
                ),
                name="succession_names_who",
            ),
        ),
        migrations.AddConstraint(
            model_name="succession",
            constraint=models.UniqueConstraint(
                condition=models.Q(("done_at__isnull", True)),
                fields=("person", "team", "why"),
                name="succession_open_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddIndex(
            model_name="successionitem",
            index=models.Index(
                condition=models.Q(("state", "asked")), fields=["heir"], name="succession_waits"
            ),
        ),
        migrations.AddIndex(
            model_name="successionitem",
            index=models.Index(
                condition=models.Q(("state", "asked")),
                fields=["deadline_at"],
                name="succession_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="successionitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        ("asked", "accepted", "stands", "unowned", "noted", "passed", "over"),
                    )
                ),
                name="succession_item_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="successionitem",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("asked", "stands", "unowned", "noted"))),
                fields=("role", "identity", "service", "delegation", "was"),
                name="succession_item_once",
                nulls_distinct=False,
            ),
        ),
    ]
