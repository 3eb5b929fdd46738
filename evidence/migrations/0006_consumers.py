"""The database itself writes what waits for whom (evidence/consumers.py, docs/decisions/0005).

Consumers searched for deposits without a row of theirs before; with a million deposits done, that
cost as much as all of them, each time.
"""

from django.db import migrations, models
from django.db.models import Q

ENROL = """
CREATE FUNCTION countersign_enrol_deposits() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO evidence_progress (consumer, deposit_id, attempts, failed_why)
    SELECT c.name, d.id, 0, '' FROM arrived d CROSS JOIN evidence_consumer c
    WHERE c.after = '' ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER enrol AFTER INSERT ON evidence_deposit REFERENCING NEW TABLE AS arrived
    FOR EACH STATEMENT EXECUTE FUNCTION countersign_enrol_deposits();

CREATE FUNCTION countersign_enrol_followers() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO evidence_progress (consumer, deposit_id, attempts, failed_why)
    SELECT c.name, NEW.deposit_id, 0, '' FROM evidence_consumer c
    WHERE c.after = NEW.consumer ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER enrol_followers AFTER INSERT OR UPDATE OF done_at ON evidence_progress
    FOR EACH ROW WHEN (NEW.done_at IS NOT NULL)
    EXECUTE FUNCTION countersign_enrol_followers();
"""
UNDO = """
DROP TRIGGER enrol ON evidence_deposit;
DROP FUNCTION countersign_enrol_deposits();
DROP TRIGGER enrol_followers ON evidence_progress;
DROP FUNCTION countersign_enrol_followers();
"""
# The lock waits for whoever brings a deposit right now without the trigger, and is taken before
# the rows are read: none of theirs is missed.
LINKS = """
LOCK TABLE evidence_deposit IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO evidence_consumer (name, after) VALUES ('links', '');
INSERT INTO evidence_progress (consumer, deposit_id, attempts, failed_why)
SELECT 'links', id, 0, '' FROM evidence_deposit ON CONFLICT DO NOTHING;
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0005_key_links")]

    operations = [
        migrations.CreateModel(
            name="Consumer",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("after", models.TextField(blank=True)),
            ],
        ),
        migrations.AddIndex(
            model_name="progress",
            index=models.Index(
                name="progress_waiting", fields=["consumer", "deposit"], condition=Q(done_at=None)
            ),
        ),
        migrations.RunSQL(ENROL, UNDO),
        migrations.RunSQL(LINKS, "DELETE FROM evidence_consumer WHERE name = 'links'"),
    ]
