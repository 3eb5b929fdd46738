"""What is learnt from answers about owners, and the reviews of what nobody takes over."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("identities", "0009_triggers")]
    operations = [
        migrations.AddField(
            "claimrefusal", "basis", models.TextField(blank=True, default=""), False
        ),
        migrations.AddField(
            "claimrefusal", "bundle", models.TextField(blank=True, default=""), False
        ),
        migrations.AddField("claimrefusal", "again", models.BooleanField(default=False)),
        migrations.AddField("claim", "reviewed_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "claim",
            models.Index(
                name="claim_untaken",
                fields=["service"],
                condition=Q(state="open", party__isnull=True, reviewed_at__isnull=True),
            ),
        ),
        migrations.RemoveConstraint("ownerchange", "owner_change_basis_is_known"),
        migrations.AddConstraint(
            "ownerchange",
            models.CheckConstraint(
                name="owner_change_basis_is_known",
                condition=Q(basis__in=("accepted", "succession", "rule")),
            ),
        ),
    ]
