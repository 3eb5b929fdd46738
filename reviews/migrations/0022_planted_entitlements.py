"""What a system allows may be planted as well: two more kinds of plants."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("reviews", "0021_share_days")]

    operations: ClassVar = [
        migrations.RemoveConstraint(model_name="planteditem", name="planted_kind_is_known"),
        migrations.AddConstraint(
            model_name="planteditem",
            constraint=models.CheckConstraint(
                condition=models.Q(kind__in=("credential", "delegation", "entitlement")),
                name="planted_kind_is_known",
            ),
        ),
        migrations.RemoveConstraint(model_name="planteditem", name="planted_plant_is_known"),
        migrations.AddConstraint(
            model_name="planteditem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    plant__in=[
                        "allows_more",
                        "allows_no_more",
                        "delegation_without_purpose",
                        "key_without_purpose",
                        "partly_used",
                        "wholly_used",
                    ]
                ),
                name="planted_plant_is_known",
            ),
        ),
    ]
