"""Sealed credentials and their use; with which second factor break-glass was opened alone; and the
calls that a look back compared, frozen."""

import django.db.models.deletion
from django.db import migrations, models

import evidence.keys

REGISTER = "INSERT INTO evidence_consumer (name, after) VALUES ('sealed', '')"


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0025_retold"),
        ("identities", "0022_grants"),
        ("reviews", "0032_on_call"),
    ]

    operations = [
        migrations.AddField(
            model_name="breakglass",
            name="capsule",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="evidence.capsule",
            ),
        ),
        migrations.AddField(
            model_name="breakglass",
            name="factor",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="breakglass",
            name="factorless_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="SealedCredential",
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
                ("slug", models.TextField()),
                ("version", models.IntegerField()),
                ("words", models.TextField()),
                ("kept", models.TextField()),
                ("openers", models.TextField()),
                ("review_within_hours", models.IntegerField(default=24)),
                ("watched", models.BooleanField(default=True)),
                ("until", models.DateTimeField(null=True)),
                (
                    "actor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.actor",
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
            name="SealedDrill",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("slug", models.TextField()),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("reason", models.TextField()),
                ("announced_at", models.DateTimeField()),
                ("announced_by", models.TextField()),
                ("announced_by_name", models.TextField()),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SealedUse",
            fields=[
                (
                    "case",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="sealed_use",
                        serialize=False,
                        to="reviews.case",
                    ),
                ),
                ("slug", models.TextField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("calls", models.IntegerField()),
                ("more", models.BooleanField(default=False)),
                ("beyond_drill", models.BooleanField(default=False)),
                ("explained_at", models.DateTimeField(null=True)),
                ("explained_who", models.TextField(blank=True)),
                ("explained_words", models.TextField(blank=True)),
                ("review_due_at", models.DateTimeField()),
                ("review", models.TextField(blank=True)),
                ("review_words", models.TextField(blank=True)),
                ("follow_ups", models.JSONField(blank=True, default=list)),
                ("reviewed_at", models.DateTimeField(null=True)),
                (
                    "capsule",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.capsule",
                    ),
                ),
                (
                    "credential",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="uses",
                        to="reviews.sealedcredential",
                    ),
                ),
                (
                    "drill",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviews.sealeddrill",
                    ),
                ),
                (
                    "explained_person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "reviewed_person",
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
            name="SealedEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.TextField()),
                ("at", models.DateTimeField()),
                ("event_id", models.BigIntegerField()),
                (
                    "use",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="reviews.sealeduse",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="sealedcredential",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("proposed", "in_force", "refused", "ended"))),
                name="sealed_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="sealedcredential",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["proposed", "refused"]),
                    models.Q(
                        ("settled_person__isnull", False),
                        models.Q(("proposed_person", models.F("settled_person")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="sealed_signed_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="sealedcredential",
            constraint=models.UniqueConstraint(
                fields=("slug", "version"), name="sealed_version_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="sealedcredential",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "proposed")),
                fields=("slug",),
                name="sealed_proposed_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="sealedcredential",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "in_force")),
                fields=("slug",),
                name="sealed_in_force_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="sealedcredential",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "in_force"), ("watched", True)),
                fields=("actor",),
                name="sealed_actor_once",
            ),
        ),
        migrations.AddIndex(
            model_name="sealeddrill",
            index=models.Index(fields=["slug", "-starts_at"], name="sealed_drill_of"),
        ),
        migrations.AddConstraint(
            model_name="sealeddrill",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("announced_at__lte", models.F("starts_at")),
                    ("starts_at__lt", models.F("ends_at")),
                ),
                name="sealed_drill_is_announced_before",
            ),
        ),
        migrations.AddConstraint(
            model_name="sealeduse",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reviewed_at__isnull", True)),
                fields=("slug",),
                name="sealed_use_open_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="sealeduse",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("review", ""),
                        ("reviewed_at__isnull", True),
                        ("reviewed_person__isnull", True),
                    ),
                    models.Q(
                        ("review__in", ("emergency", "drill", "misuse")),
                        ("reviewed_at__isnull", False),
                        ("reviewed_person__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="sealed_use_review_is_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="sealeduse",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reviewed_person__isnull", True),
                    ("explained_person__isnull", True),
                    models.Q(("reviewed_person", models.F("explained_person")), _negated=True),
                    _connector="OR",
                ),
                name="sealed_use_reviewed_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="sealedevent",
            constraint=models.UniqueConstraint(
                fields=("slug", "at", "event_id"), name="sealed_event_once"
            ),
        ),
        # What came before has no declaration that it could be a use of: nothing waits at first.
        migrations.RunSQL(REGISTER, "DELETE FROM evidence_consumer WHERE name = 'sealed'"),
    ]
