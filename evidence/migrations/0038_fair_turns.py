"""What waits is handled in fair turns among sources, not in the order in which it came.

A turn is where a deposit would end if all sources were served at once at equal pace: behind what
its own source has waiting, or, where that is nothing, behind the first of all that wait. The lowest
goes first. A deposit counts as a thousand records more than it has.
"""

from django.db import migrations, models
from django.db.models import Q

# A row that waits again gets a new turn, so that no turn of another day counts.
TURNS = """
CREATE FUNCTION evidence_take_turn() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE cost bigint;
BEGIN
    SELECT d.source_id, 1000 + d.records INTO NEW.source_id, cost
    FROM evidence_deposit d WHERE d.id = NEW.deposit_id;
    NEW.turn := cost + GREATEST(
        (SELECT turn - 1000 FROM evidence_progress p
         WHERE p.consumer = NEW.consumer AND p.done_at IS NULL ORDER BY p.turn LIMIT 1),
        (SELECT turn FROM evidence_progress p
         WHERE p.consumer = NEW.consumer AND p.source_id = NEW.source_id AND p.done_at IS NULL
         ORDER BY p.turn DESC LIMIT 1),
        0);
    RETURN NEW;
END $$;
CREATE TRIGGER take_turn BEFORE INSERT ON evidence_progress
    FOR EACH ROW WHEN (NEW.done_at IS NULL) EXECUTE FUNCTION evidence_take_turn();
CREATE TRIGGER take_turn_again BEFORE UPDATE OF done_at ON evidence_progress
    FOR EACH ROW WHEN (OLD.done_at IS NOT NULL AND NEW.done_at IS NULL)
    EXECUTE FUNCTION evidence_take_turn();
"""
UNDO = """
DROP TRIGGER take_turn ON evidence_progress;
DROP TRIGGER take_turn_again ON evidence_progress;
DROP FUNCTION evidence_take_turn();
"""
# What waits already keeps its order, and goes first.
KEPT = """
UPDATE evidence_progress p SET source_id = d.source_id FROM evidence_deposit d
WHERE d.id = p.deposit_id AND p.done_at IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0037_records_of_one_request")]

    operations = [
        migrations.AddField("progress", "source_id", models.IntegerField(null=True)),
        migrations.AddField("progress", "turn", models.BigIntegerField(default=0, db_default=0)),
        migrations.RunSQL(KEPT, migrations.RunSQL.noop),
        migrations.RemoveIndex("progress", "progress_waiting"),
        migrations.AddIndex(
            "progress",
            models.Index(
                name="progress_waiting",
                fields=["consumer", "turn", "deposit"],
                condition=Q(done_at=None),
            ),
        ),
        migrations.AddIndex(
            "progress",
            models.Index(
                name="progress_of_source",
                fields=["consumer", "source_id", "turn"],
                condition=Q(done_at=None),
            ),
        ),
        migrations.RunSQL(TURNS, UNDO),
    ]
