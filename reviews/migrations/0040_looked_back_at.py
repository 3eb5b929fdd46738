"""Uses that wait for a look back stand in queues by its deadline; what is decided on each thing that
a sealed credential made."""

import django.db.models.deletion
from django.db import migrations, models

import evidence.keys

# From here on the deadline of a case that waits for its look back is that of the look back.
DUE = """
UPDATE reviews_case k SET deadline_at = g.review_due_at FROM reviews_breakglass g
WHERE g.case_id = k.id AND k.state = 'in_review' AND g.review_due_at IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("reviews", "0039_alignment")]

    operations = [
        migrations.AddIndex(
            model_name="case",
            index=models.Index(
                condition=models.Q(door="break_glass", state="in_review"),
                fields=["deadline_at"],
                name="case_looked_back",
            ),
        ),
        migrations.CreateModel(
            name="SealedDecision",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("thing", models.TextField()),
                ("answer", models.TextField()),
                ("words", models.TextField()),
                ("at", models.DateTimeField()),
                ("by_name", models.TextField()),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "use",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="decisions",
                        to="reviews.sealeduse",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("answer__in", ["stays", "gone"])),
                        name="sealed_decision_is_known",
                    ),
                    models.UniqueConstraint(fields=("use", "thing"), name="sealed_decision_once"),
                ],
            },
        ),
        migrations.RunSQL(DUE, migrations.RunSQL.noop),
    ]
