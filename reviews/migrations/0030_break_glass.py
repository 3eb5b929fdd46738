"""Break-glass: bundles, and what a case of this door has beside every other."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import evidence.keys


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0022_grants"),
        ("reviews", "0029_unusual"),
    ]

    operations = [
        migrations.CreateModel(
            name="Bundle",
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
                ("document", models.JSONField()),
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
            name="BreakGlass",
            fields=[
                (
                    "case",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="break_glass",
                        serialize=False,
                        to="reviews.case",
                    ),
                ),
                ("on_behalf", models.TextField(blank=True)),
                ("minutes", models.IntegerField()),
                ("starts_at", models.DateTimeField(null=True)),
                ("fields", models.JSONField(blank=True, default=dict)),
                ("drill", models.BooleanField(default=False)),
                ("acknowledged", models.JSONField(blank=True, default=list)),
                ("ticket", models.TextField(blank=True)),
                ("ticket_due_at", models.DateTimeField(null=True)),
                ("ticket_told_at", models.DateTimeField(null=True)),
                ("patience_at", models.DateTimeField()),
                ("alone_at", models.DateTimeField()),
                ("patience_told_at", models.DateTimeField(null=True)),
                ("vouched_at", models.DateTimeField(null=True)),
                ("bypassed_at", models.DateTimeField(null=True)),
                ("dearer", models.BooleanField(default=False)),
                ("opened_at", models.DateTimeField(null=True)),
                ("ends_at", models.DateTimeField(null=True)),
                ("seen_calls", models.IntegerField(default=0)),
                ("longer_minutes", models.IntegerField(null=True)),
                ("longer_at", models.DateTimeField(null=True)),
                ("review_due_at", models.DateTimeField(null=True)),
                ("review", models.TextField(blank=True)),
                ("review_words", models.TextField(blank=True)),
                ("follow_ups", models.JSONField(blank=True, default=list)),
                ("comparison", models.JSONField(blank=True, default=dict)),
                ("reviewed_at", models.DateTimeField(null=True)),
                (
                    "asker",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "delegation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.delegation",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviews.case",
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
                    "reviewed_person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "vouched_person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "bundle",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviews.bundle",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "break-glass requests",
            },
        ),
        migrations.AddConstraint(
            model_name="bundle",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("proposed", "in_force", "refused", "ended"))),
                name="bundle_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="bundle",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["proposed", "refused"]),
                    models.Q(
                        ("settled_person__isnull", False),
                        models.Q(("proposed_person", models.F("settled_person")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="bundle_signed_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="bundle",
            constraint=models.UniqueConstraint(
                fields=("slug", "version"), name="bundle_version_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="bundle",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "proposed")),
                fields=("slug",),
                name="bundle_proposed_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="bundle",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "in_force")),
                fields=("slug",),
                name="bundle_in_force_once",
            ),
        ),
        migrations.AddIndex(
            model_name="breakglass",
            index=models.Index(
                condition=models.Q(("bypassed_at__isnull", False), ("reviewed_at__isnull", True)),
                fields=["person"],
                name="break_glass_unreviewed",
            ),
        ),
        migrations.AddConstraint(
            model_name="breakglass",
            constraint=models.CheckConstraint(
                condition=models.Q(("review__in", ["", "emergency", "drill", "misuse"])),
                name="break_glass_review_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="breakglass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reviewed_at__isnull", True),
                    models.Q(
                        ("reviewed_person__isnull", False),
                        models.Q(("reviewed_person", models.F("person")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="break_glass_reviewed_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="breakglass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("vouched_person__isnull", True),
                    models.Q(("vouched_person", models.F("person")), _negated=True),
                    _connector="OR",
                ),
                name="break_glass_vouched_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="breakglass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ends_at__isnull", True), ("opened_at__isnull", True)),
                    models.Q(("ends_at__gt", models.F("opened_at")), ("opened_at__isnull", False)),
                    _connector="OR",
                ),
                name="break_glass_open_has_an_end",
            ),
        ),
    ]
