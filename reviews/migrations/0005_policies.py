"""Review policies as versioned documents that two people sign."""

import django.db.models.deletion
from django.db import migrations, models

# Every version until now was made by the app with the model's own numbers; requests are denied by
# silence, whatever a policy says, so theirs say nothing of it.
WRITTEN = """
UPDATE reviews_reviewpolicy SET state = 'signed', recorded_by_name = 'Countersign',
    document = jsonb_build_object(
        'decide_within_hours', decide_within_hours,
        'remind_before_hours', remind_before_hours,
        'escalate_before_hours', escalate_before_hours)
    || CASE name WHEN 'access request' THEN '{}'::jsonb
       ELSE jsonb_build_object('silence', silence) END
WHERE recorded_by = 'countersign'
"""


class Migration(migrations.Migration):
    dependencies = [("identities", "0004_undone"), ("reviews", "0004_names_of_findings")]
    operations = [
        migrations.AddField("reviewpolicy", "state", models.TextField(default="proposed")),
        migrations.AddField("reviewpolicy", "document", models.JSONField(default=dict)),
        migrations.AddField(
            "reviewpolicy",
            "recorded_by_name",
            models.TextField(blank=True, default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            "reviewpolicy",
            "reason",
            models.TextField(blank=True, default=""),
            preserve_default=False,
        ),
        migrations.AddField("reviewpolicy", "settled_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "reviewpolicy",
            "settled_by",
            models.TextField(blank=True, default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            "reviewpolicy",
            "settled_by_name",
            models.TextField(blank=True, default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            "reviewpolicy",
            "settled_reason",
            models.TextField(blank=True, default=""),
            preserve_default=False,
        ),
        migrations.RunSQL(WRITTEN, migrations.RunSQL.noop),
        migrations.AddField(
            "reviewpolicy",
            "proposed_person",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="identities.person",
            ),
        ),
        migrations.AddField(
            "reviewpolicy",
            "settled_person",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="identities.person",
            ),
        ),
        migrations.AddConstraint(
            "reviewpolicy",
            models.CheckConstraint(
                condition=models.Q(("state__in", ("proposed", "signed", "refused"))),
                name="policy_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            "reviewpolicy",
            models.UniqueConstraint(
                condition=models.Q(("state", "proposed")),
                fields=("name",),
                name="policy_proposed_once",
            ),
        ),
        migrations.AddConstraint(
            "reviewpolicy",
            models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "signed"), _negated=True),
                    ("recorded_by", "countersign"),
                    models.Q(
                        ("proposed_person__isnull", False),
                        ("settled_person__isnull", False),
                        models.Q(("proposed_person", models.F("settled_person")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="policy_signed_by_another",
            ),
        ),
        migrations.AddIndex(
            "case",
            models.Index(
                condition=models.Q(("door", "access_review")),
                fields=["identity", "-opened_at"],
                name="case_last_review",
            ),
        ),
    ]
