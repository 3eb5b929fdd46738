"""Rules of automatic holds, and what each finding led to by them."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import evidence.keys
import evidence.models.numbers


class Migration(migrations.Migration):
    dependencies = [("identities", "0017_circuits"), ("reviews", "0025_items_about_a_thing")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE hold_rule_number START 1", "DROP SEQUENCE hold_rule_number"
        ),
        migrations.RunSQL(
            "CREATE SEQUENCE automatic_hold_number START 1", "DROP SEQUENCE automatic_hold_number"
        ),
        migrations.CreateModel(
            name="HoldRule",
            fields=[
                ("state", models.TextField(default="proposed")),
                ("reason", models.TextField()),
                ("proposed_at", models.DateTimeField()),
                ("proposed_by", models.TextField()),
                ("proposed_by_name", models.TextField(blank=True)),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.TextField(blank=True)),
                ("settled_by_name", models.TextField(blank=True)),
                ("settled_reason", models.TextField(blank=True)),
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                (
                    "number",
                    models.BigIntegerField(
                        db_default=evidence.models.numbers.NextNumber("hold_rule_number"),
                        unique=True,
                    ),
                ),
                ("scope", models.JSONField(blank=True, default=dict)),
                (
                    "classes",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField()),
                ),
                ("per_hour", models.SmallIntegerField()),
                ("per_day", models.SmallIntegerField()),
                ("replayed_days", models.SmallIntegerField()),
                ("replayed", models.JSONField(blank=True, default=dict)),
                ("seen", models.JSONField(blank=True, default=dict)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(blank=True)),
                ("ended_by_name", models.TextField(blank=True)),
                ("ended_reason", models.TextField(blank=True)),
                (
                    "asked",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "proposed_person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "settled_person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AutomaticHold",
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
                        db_default=evidence.models.numbers.NextNumber("automatic_hold_number"),
                        unique=True,
                    ),
                ),
                ("state", models.TextField()),
                ("words", models.TextField()),
                ("event_at", models.DateTimeField()),
                ("event_id", models.BigIntegerField()),
                ("events", models.IntegerField()),
                ("strength", models.SmallIntegerField()),
                ("received_at", models.DateTimeField()),
                ("found_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField()),
                ("stopped", models.JSONField(blank=True, default=dict)),
                ("told_at", models.DateTimeField(null=True)),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.TextField(blank=True)),
                ("settled_by_name", models.TextField(blank=True)),
                ("settled_reason", models.TextField(blank=True)),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="automatic_holds",
                        to="reviews.case",
                    ),
                ),
                (
                    "finding",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="automatic_hold",
                        to="identities.finding",
                    ),
                ),
                (
                    "identity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="automatic_holds",
                        to="identities.identity",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="automatic_holds",
                        to="reviews.item",
                    ),
                ),
                (
                    "settled_person",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="holds",
                        to="reviews.holdrule",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="holdrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("proposed", "in_force", "refused", "ended"))),
                name="hold_rule_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="holdrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["proposed", "refused"]),
                    models.Q(
                        ("settled_person__isnull", False),
                        models.Q(("proposed_person", models.F("settled_person")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="hold_rule_signed_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="holdrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("per_hour__gte", 1),
                    ("per_hour__lte", 100),
                    ("per_day__gte", models.F("per_hour")),
                    ("per_day__lte", 2400),
                ),
                name="hold_rule_has_limits",
            ),
        ),
        migrations.AddConstraint(
            model_name="holdrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("classes__len__gte", 1)), name="hold_rule_names_a_class"
            ),
        ),
        migrations.AddConstraint(
            model_name="holdrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "ended"), _negated=True),
                    models.Q(
                        ("ended_at__isnull", False), models.Q(("ended_reason", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="hold_rule_ended_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="holdrule",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "proposed")),
                fields=("scope", "classes"),
                name="hold_rule_proposed_once",
            ),
        ),
        migrations.AddIndex(
            model_name="automatichold",
            index=models.Index(
                condition=models.Q(("state", "held")),
                fields=["decided_at"],
                name="automatic_hold_held",
            ),
        ),
        migrations.AddIndex(
            model_name="automatichold",
            index=models.Index(
                condition=models.Q(("state", "asked"), _negated=True),
                fields=["rule", "decided_at"],
                name="automatic_hold_of_rule",
            ),
        ),
        migrations.AddConstraint(
            model_name="automatichold",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("asked", "held", "released", "final"))),
                name="automatic_hold_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="automatichold",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["asked", "held"]),
                    models.Q(
                        ("settled_at__isnull", False),
                        models.Q(("settled_reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="automatic_hold_settled_says_how",
            ),
        ),
    ]
