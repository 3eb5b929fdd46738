"""Serious findings are triggers: the constraint on their names knows them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviews", "0019_case_counts")]

    operations = [
        migrations.RemoveConstraint(model_name="trigger", name="trigger_name_is_known"),
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
                            "credential_expiry",
                        ],
                    )
                ),
                name="trigger_name_is_known",
            ),
        ),
    ]
