"""Shared signals that go out: receivers, streams, subjects, events and what waits of them."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import evidence.keys


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0018_unfinished"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="usageday",
            index=models.Index(
                condition=models.Q(("plane", 3)), fields=["day"], name="usage_signalled"
            ),
        ),
        migrations.CreateModel(
            name="SignalEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("cause", models.TextField(unique=True)),
                ("kind", models.TextField()),
                ("names", models.JSONField(default=list)),
                ("payload", models.JSONField(default=dict)),
                ("txn", models.TextField(blank=True)),
                ("happened_at", models.DateTimeField()),
                ("made_at", models.DateTimeField()),
                (
                    "identity",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.identity",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SignalReceiver",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.TextField(unique=True)),
                ("audience", models.TextField()),
                ("default_subjects", models.TextField(default="ALL")),
                ("named_by", models.TextField(default="key")),
                ("created_at", models.DateTimeField()),
                ("created_by", models.TextField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signals",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SignalStream",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("description", models.TextField(blank=True)),
                ("delivery", models.TextField()),
                ("endpoint", models.TextField(blank=True)),
                ("authorization", models.TextField(blank=True)),
                (
                    "requested",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), default=list
                    ),
                ),
                ("status", models.TextField(default="enabled")),
                ("status_reason", models.TextField(blank=True)),
                ("created_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                ("deleted_at", models.DateTimeField(null=True)),
                ("dropped", models.BigIntegerField(default=0)),
                ("asked_at", models.DateTimeField(null=True)),
                ("verified_at", models.DateTimeField(null=True)),
                ("taken_at", models.DateTimeField(null=True)),
                ("polled_at", models.DateTimeField(null=True)),
                ("failures", models.IntegerField(default=0)),
                ("failed_why", models.TextField(blank=True)),
                ("who_must_act", models.TextField(blank=True)),
                ("not_before", models.DateTimeField()),
                ("leased_until", models.DateTimeField(null=True)),
                (
                    "receiver",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="streams",
                        to="identities.signalreceiver",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SignalSet",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("jti", models.TextField()),
                ("control", models.BooleanField(default=False)),
                ("state", models.TextField(default="waiting")),
                ("attempts", models.IntegerField(default=0)),
                ("err", models.TextField(blank=True)),
                ("said", models.TextField(blank=True)),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sets",
                        to="identities.signalevent",
                    ),
                ),
                (
                    "stream",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sets",
                        to="identities.signalstream",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SignalSubject",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.BinaryField()),
                ("subject", models.JSONField()),
                ("included", models.BooleanField()),
                ("said_at", models.DateTimeField()),
                (
                    "stream",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="subjects",
                        to="identities.signalstream",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="signalevent",
            index=models.Index(
                condition=models.Q(("kind", "risk-level-change")),
                fields=["identity", "-id"],
                name="signal_last_risk",
            ),
        ),
        migrations.AddConstraint(
            model_name="signalreceiver",
            constraint=models.CheckConstraint(
                condition=models.Q(("default_subjects__in", ("ALL", "NONE"))),
                name="signal_subjects_are_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="signalreceiver",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("named_by__in", ("key", "iss_sub", "email", "uri", "opaque", "aliases"))
                ),
                name="signal_naming_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="signalstream",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ("enabled", "paused", "disabled"))),
                name="signal_status_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="signalstream",
            constraint=models.CheckConstraint(
                condition=models.Q(("delivery__in", ("push", "poll"))),
                name="signal_delivery_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="signalstream",
            constraint=models.CheckConstraint(
                condition=models.Q(("delivery", "push"), ("endpoint", ""), _negated=True),
                name="signal_push_has_an_endpoint",
            ),
        ),
        migrations.AddIndex(
            model_name="signalset",
            index=models.Index(
                condition=models.Q(("state", "waiting")),
                fields=["stream", "id"],
                name="signal_set_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="signalset",
            index=models.Index(
                condition=models.Q(("state", "refused")),
                fields=["stream", "-id"],
                name="signal_set_refused",
            ),
        ),
        migrations.AddConstraint(
            model_name="signalset",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("waiting", "taken", "refused", "dropped"))),
                name="signal_set_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="signalset",
            constraint=models.UniqueConstraint(fields=("stream", "event"), name="signal_set_once"),
        ),
        migrations.AddConstraint(
            model_name="signalset",
            constraint=models.UniqueConstraint(fields=("stream", "jti"), name="signal_jti_once"),
        ),
        migrations.AddConstraint(
            model_name="signalsubject",
            constraint=models.UniqueConstraint(
                fields=("digest", "stream"), name="signal_subject_once"
            ),
        ),
    ]
