"""The claim wave: questions about what nobody owns, answers, refusals, daily counts."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

import evidence.keys


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0016_keys_of_issuances"),
        ("identities", "0005_inventory"),
    ]

    operations = [
        migrations.CreateModel(
            name="ClaimDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("unowned", models.PositiveIntegerField()),
                ("unclaimed", models.PositiveIntegerField()),
                ("asked", models.PositiveIntegerField()),
                ("nobody", models.PositiveIntegerField()),
                ("owned", models.PositiveIntegerField()),
                ("answers", models.PositiveIntegerField()),
                ("counted_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="ClaimAnswer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("answer", models.TextField()),
                ("bundle", models.TextField(blank=True)),
                ("rule", models.JSONField(default=dict)),
                ("reason", models.TextField(blank=True)),
                ("asked", models.PositiveIntegerField()),
                ("owned", models.PositiveIntegerField(default=0)),
                ("by", models.TextField()),
                ("by_name", models.TextField()),
                ("at", models.DateTimeField()),
                ("not_before", models.DateTimeField()),
                ("undone_at", models.DateTimeField(null=True)),
                ("carried_at", models.DateTimeField(null=True)),
                (
                    "party",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.party",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
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
                    "to",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.party",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Claim",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("bundle", models.TextField()),
                ("step", models.TextField(default="nobody")),
                ("kind", models.TextField(blank=True)),
                ("strength", models.SmallIntegerField(default=0)),
                ("reasons", models.JSONField(default=list)),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), default=list
                    ),
                ),
                ("state", models.TextField(default="open")),
                ("asked_at", models.DateTimeField(null=True)),
                ("passed", models.PositiveSmallIntegerField(default=0)),
                ("excepted", models.BooleanField(default=False)),
                ("left_why", models.TextField(blank=True)),
                ("opened_at", models.DateTimeField()),
                ("looked_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.actor",
                    ),
                ),
                (
                    "identity",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="claims",
                        to="identities.identity",
                    ),
                ),
                (
                    "party",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.party",
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
                    "answer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="claims",
                        to="identities.claimanswer",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ClaimRefusal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("silent", models.BooleanField(default=False)),
                ("at", models.DateTimeField()),
                (
                    "actor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="evidence.actor",
                    ),
                ),
                (
                    "identity",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="identities.identity",
                    ),
                ),
                (
                    "party",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.party",
                    ),
                ),
                (
                    "person",
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
            name="ClaimWave",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("at_once", models.PositiveSmallIntegerField()),
                ("share", models.PositiveSmallIntegerField()),
                ("patience_days", models.PositiveSmallIntegerField()),
                ("reason", models.TextField()),
                ("started_at", models.DateTimeField()),
                ("started_by", models.TextField()),
                ("started_by_name", models.TextField(blank=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by_name", models.TextField(blank=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("ended_at",),
                        name="claim_wave_one_at_a_time",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("at_once__range", (1, 50)),
                            ("share__range", (1, 100)),
                            ("patience_days__range", (1, 365)),
                        ),
                        name="claim_wave_is_bounded",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="claimanswer",
            index=models.Index(
                condition=models.Q(("carried_at__isnull", True), ("undone_at__isnull", True)),
                fields=["not_before"],
                name="claim_answer_due",
            ),
        ),
        migrations.AddIndex(
            model_name="claimanswer",
            index=models.Index(fields=["at"], name="claim_answer_newest"),
        ),
        migrations.AddConstraint(
            model_name="claimanswer",
            constraint=models.CheckConstraint(
                condition=models.Q(("answer__in", ("yes", "not_mine", "rule", "pass_on"))),
                name="claim_answer_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="claimanswer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("undone_at__isnull", True), ("carried_at__isnull", True), _connector="OR"
                ),
                name="claim_answer_is_carried_or_undone",
            ),
        ),
        migrations.AddIndex(
            model_name="claim",
            index=models.Index(
                condition=models.Q(("state", "open")),
                fields=["party", "bundle"],
                name="claim_question",
            ),
        ),
        migrations.AddIndex(
            model_name="claim",
            index=models.Index(
                condition=models.Q(("state", "open")), fields=["looked_at"], name="claim_to_look_at"
            ),
        ),
        migrations.AddIndex(
            model_name="claim",
            index=models.Index(
                condition=models.Q(("asked_at__isnull", False), ("state", "open")),
                fields=["asked_at"],
                name="claim_silent",
            ),
        ),
        migrations.AddIndex(
            model_name="claim",
            index=django.contrib.postgres.indexes.GinIndex(fields=["tags"], name="claim_tags"),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("actor__isnull", True), ("identity__isnull", False)),
                    models.Q(("actor__isnull", False), ("identity__isnull", True)),
                    _connector="OR",
                ),
                name="claim_is_about_one_thing",
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("open", "answered", "owned", "gone"))),
                name="claim_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "answered"), _negated=True),
                    ("answer__isnull", False),
                    _connector="OR",
                ),
                name="claim_answered_has_an_answer",
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("identity__isnull", False), ("state__in", ("open", "answered"))
                ),
                fields=("identity",),
                name="claim_live_once_identity",
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.UniqueConstraint(
                condition=models.Q(("actor__isnull", False), ("state__in", ("open", "answered"))),
                fields=("actor",),
                name="claim_live_once_actor",
            ),
        ),
        migrations.AddConstraint(
            model_name="claimrefusal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("actor__isnull", True), ("identity__isnull", False)),
                    models.Q(("actor__isnull", False), ("identity__isnull", True)),
                    _connector="OR",
                ),
                name="claim_refusal_is_about_one_thing",
            ),
        ),
        migrations.AddConstraint(
            model_name="claimrefusal",
            constraint=models.UniqueConstraint(
                fields=("identity", "actor", "party"),
                name="claim_refused_once",
                nulls_distinct=False,
            ),
        ),
    ]
