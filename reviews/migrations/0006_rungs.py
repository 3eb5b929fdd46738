"""The rungs of silence as stored deadlines; open cases get those that their policy had in mind."""

import django.db.models.deletion
from django.db import migrations, models

# What is open keeps its deadline; its reminders and the word to those above are due before it.
# What lies behind has been sent already.
DUE = """
INSERT INTO reviews_rung (case_id, does, after, at, state, held_why, settled_by, settled_by_name,
 reason)
SELECT id, 'due', deadline_at - opened_at - not_counted, deadline_at, 'waiting', '', '', '', ''
FROM reviews_case WHERE state = 'open' AND silence_done_at IS NULL
"""
BEFORE = """
INSERT INTO reviews_rung (case_id, does, after, at, state, done_at, held_why, settled_by,
 settled_by_name, reason)
SELECT c.id, b.does, r.after - b.hours * interval '1 hour', r.at - b.hours * interval '1 hour',
 CASE WHEN r.at - b.hours * interval '1 hour' > now() THEN 'waiting' ELSE 'over' END,
 NULL, '', '', '', ''
FROM reviews_case c JOIN reviews_rung r ON r.case_id = c.id AND r.does = 'due'
JOIN reviews_reviewpolicy p ON p.id = c.policy_id
CROSS JOIN LATERAL (
 SELECT 'remind' AS does, h.value::int AS hours
 FROM jsonb_array_elements_text(p.remind_before_hours) h
 UNION SELECT 'tell', p.escalate_before_hours
) b
WHERE b.hours > 0 AND r.after > b.hours * interval '1 hour'
"""


class Migration(migrations.Migration):
    dependencies = [("reviews", "0005_policies")]
    operations = [
        migrations.AddField("case", "backups_since", models.DateTimeField(null=True)),
        migrations.CreateModel(
            name="Rung",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("does", models.TextField()),
                ("after", models.DurationField()),
                ("at", models.DateTimeField()),
                ("state", models.TextField(default="waiting")),
                ("done_at", models.DateTimeField(null=True)),
                ("held_at", models.DateTimeField(null=True)),
                ("held_why", models.TextField(blank=True)),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.TextField(blank=True)),
                ("settled_by_name", models.TextField(blank=True)),
                ("reason", models.TextField(blank=True)),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rungs",
                        to="reviews.case",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "does__in",
                                [
                                    "remind",
                                    "tell",
                                    "add",
                                    "replace",
                                    "narrow",
                                    "suspend",
                                    "revoke",
                                    "due",
                                ],
                            )
                        ),
                        name="rung_does_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ("waiting", "held", "done", "dropped", "over"))
                        ),
                        name="rung_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "held"), _negated=True),
                            models.Q(
                                ("held_at__isnull", False),
                                models.Q(("held_why", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="rung_held_says_why",
                    ),
                    models.UniqueConstraint(fields=("case", "after", "does"), name="rung_once"),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["at", "id"],
                        name="rung_due",
                    ),
                    models.Index(
                        condition=models.Q(("state", "held")), fields=["at"], name="rung_held"
                    ),
                ],
            },
        ),
        migrations.AddIndex("notice", models.Index(fields=["case"], name="notice_of_case")),
        migrations.RunSQL(DUE + ";" + BEFORE, migrations.RunSQL.noop),
    ]
