"""Triggers: what happened that no review has seen, and the cases that ask about it."""

import django.db.models.deletion
from django.db import migrations, models

import evidence.keys


class Migration(migrations.Migration):
    dependencies = [("identities", "0009_triggers"), ("reviews", "0012_modes")]

    operations = [
        migrations.CreateModel(
            name="OwnerSeen",
            fields=[
                (
                    "identity",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="owner_seen",
                        serialize=False,
                        to="identities.identity",
                    ),
                ),
                ("seen_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Trigger",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.TextField()),
                ("subject", models.TextField()),
                ("about", models.UUIDField()),
                ("title", models.TextField(blank=True)),
                ("words", models.TextField()),
                ("links", models.JSONField(default=list)),
                ("facts", models.JSONField(default=dict)),
                ("at", models.DateTimeField()),
                ("found_at", models.DateTimeField()),
                ("state", models.TextField(default="waiting")),
                ("known_why", models.TextField(blank=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="case",
            name="case_open_review_once",
        ),
        migrations.RemoveConstraint(
            model_name="item",
            name="item_kind_is_known",
        ),
        migrations.AddField(
            model_name="case",
            name="trigger",
            field=models.TextField(blank=True),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("door", "access_review"), ("state__in", ["draft", "open"]), ("trigger", "")
                ),
                fields=("identity",),
                name="case_open_review_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="item",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        (
                            "delegation",
                            "entitlement",
                            "credential",
                            "binding",
                            "grant",
                            "step",
                            "use",
                            "identity",
                            "manifest",
                        ),
                    )
                ),
                name="item_kind_is_known",
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("kind", "use")), fields=["ref"], name="item_of_use"
            ),
        ),
        migrations.AddField(
            model_name="ownerseen",
            name="owner",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="identities.party",
            ),
        ),
        migrations.AddField(
            model_name="trigger",
            name="case",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="triggers",
                to="reviews.case",
            ),
        ),
        migrations.AddField(
            model_name="trigger",
            name="identity",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="triggers",
                to="identities.identity",
            ),
        ),
        migrations.AddIndex(
            model_name="trigger",
            index=models.Index(
                condition=models.Q(("state", "waiting")),
                fields=["found_at", "id"],
                name="trigger_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="trigger",
            index=models.Index(fields=["identity", "-found_at"], name="trigger_newest"),
        ),
        migrations.AddConstraint(
            model_name="trigger",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "name__in",
                        [
                            "wider_entitlement",
                            "wider_delegation",
                            "owner_changed",
                            "dormant",
                            "new_tool",
                            "new_release",
                            "outside_manifest",
                            "refused_again",
                            "credential_expiry",
                        ],
                    )
                ),
                name="trigger_name_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="trigger",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("waiting", "asked", "joined", "known", "over"))),
                name="trigger_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="trigger",
            constraint=models.UniqueConstraint(
                fields=("identity", "name", "subject"), name="trigger_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="trigger",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "asked")),
                fields=("identity", "name", "about"),
                name="trigger_asked_once",
            ),
        ),
    ]
