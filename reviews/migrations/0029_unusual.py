"""What is unusual for an identity itself is a trigger: the constraint on their names knows it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviews", "0028_received_signals"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="trigger",
            name="trigger_name_is_known",
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
                            "serious_finding",
                            "received_signal",
                            "unusual",
                            "credential_expiry",
                        ],
                    )
                ),
                name="trigger_name_is_known",
            ),
        ),
    ]
