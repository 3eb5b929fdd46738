"""Following and judging wait in the rows that every consumer has (evidence/consumers.py).

What was judged before is carried over. The table of judged deposits stays, without a model, for a
worker of the previous version that is still running.
"""

from django.db import migrations

# The locks wait for whoever brings or links a deposit right now, and are taken before the rows
# are read: none of theirs is missed.
REGISTER = """
LOCK TABLE evidence_deposit, evidence_progress IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO evidence_consumer (name, after) VALUES ('credentials', ''), ('judging', 'links');
INSERT INTO evidence_progress (consumer, deposit_id, attempts, failed_why)
SELECT 'credentials', id, 0, '' FROM evidence_deposit ON CONFLICT DO NOTHING;
INSERT INTO evidence_progress (consumer, deposit_id, done_at, attempts, failed_why)
SELECT 'judging', deposit_id, done_at, attempts, failed_why FROM identities_judgeddeposit
ON CONFLICT DO NOTHING;
INSERT INTO evidence_progress (consumer, deposit_id, attempts, failed_why)
SELECT 'judging', deposit_id, 0, '' FROM evidence_progress
WHERE consumer = 'links' AND done_at IS NOT NULL ON CONFLICT DO NOTHING;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0006_consumers"),
        ("identities", "0002_attribution_index"),
    ]

    operations = [
        migrations.RunSQL(
            REGISTER, "DELETE FROM evidence_consumer WHERE name IN ('credentials', 'judging')"
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.DeleteModel(name="JudgedDeposit")]
        ),
    ]
