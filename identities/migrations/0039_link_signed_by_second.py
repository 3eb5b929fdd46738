"""A link that nobody else uses is signed by a second person too: `other` is the identity itself."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0038_standing_findings"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="linkproposal",
            name="linkproposal_of_two_identities",
        ),
    ]
