"""A finding for console sign-ins without MFA."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("identities", "0030_claimed_links")]
    operations = [
        migrations.RemoveConstraint(model_name="finding", name="finding_rule_is_known"),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.CheckConstraint(
                name="finding_rule_is_known",
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
                        ),
                    )
                ),
            ),
        ),
    ]
