"""A finding for people who use a machine's credential, and from where machines call and people sign in."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0040_conflicting_traces"),
    ]

    operations = [
        migrations.CreateModel(
            name="CallerAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("identity_no", models.IntegerField()),
                ("actor_id", models.BigIntegerField()),
                ("address_id", models.BigIntegerField()),
                ("day", models.DateField()),
                ("tool", models.BooleanField()),
            ],
        ),
        migrations.CreateModel(
            name="SignInAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("actor_id", models.BigIntegerField()),
                ("address_id", models.BigIntegerField()),
                ("day", models.DateField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="finding",
            name="finding_rule_is_known",
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                condition=models.Q(
                    ("rule", "interactive_use"), ("state__in", ["open", "confirmed"])
                ),
                fields=["actor_id"],
                name="finding_interactive",
            ),
        ),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "rule__in",
                        (
                            "no_authority",
                            "outside_resources",
                            "after_expiry",
                            "after_revocation",
                            "shared_credential",
                            "no_run",
                            "left_task",
                            "after_refusal",
                            "no_mfa",
                            "outside_instance",
                            "conflicting_trace",
                            "interactive_use",
                        ),
                    )
                ),
                name="finding_rule_is_known",
            ),
        ),
        migrations.AddIndex(
            model_name="calleraddress",
            index=models.Index(fields=["address_id", "day"], name="caller_address_of_day"),
        ),
        migrations.AddConstraint(
            model_name="calleraddress",
            constraint=models.UniqueConstraint(
                fields=("identity_no", "actor_id", "address_id", "day", "tool"),
                name="caller_address_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="signinaddress",
            constraint=models.UniqueConstraint(
                fields=("address_id", "day", "actor_id"), name="sign_in_address_once"
            ),
        ),
    ]
