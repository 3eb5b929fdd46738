"""Spans whose agent came in another body have it in a table, where everybody finds it by name.

And runs say whether one of their tools was issued a key. Of those that are there already this is
not known, and asked whenever they grow.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("evidence", "0022_different_left_out")]

    operations = [
        migrations.CreateModel(
            name="AgentAbove",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "at", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField()),
                ("id", models.BigIntegerField()),
                ("agent_id", models.BigIntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["agent_id", "at"], name="agentabove_agent")],
            },
        ),
        migrations.AddField("run", "issued", models.BooleanField(null=True)),
    ]
