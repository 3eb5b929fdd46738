"""Who decides nothing in a case: whoever cancelled the one before, or changed its subject since."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

# Of the identity's last case, if it was cancelled: who cancelled it, and who proposed and signed
# changes of the identity or its service since it was opened. A trigger, so that no way of opening
# a case leaves it out.
BARRED = """
CREATE FUNCTION reviews_barred() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE last record;
BEGIN
  IF NEW.identity_id IS NULL THEN
    RETURN NEW;
  END IF;
  SELECT c.state, c.opened_at, c.closed_by INTO last FROM reviews_case c
   WHERE c.identity_id = NEW.identity_id AND c.id <> NEW.id
     AND c.state IN ('closed', 'cancelled') ORDER BY c.closed_at DESC NULLS LAST LIMIT 1;
  IF last.state IS DISTINCT FROM 'cancelled' THEN
    RETURN NEW;
  END IF;
  NEW.barred := ARRAY(
    SELECT u.person_id FROM identities_user u
     WHERE 'user:' || u.id = last.closed_by AND u.person_id IS NOT NULL
    UNION
    SELECT unnest(ARRAY[x.proposed_person_id, x.settled_person_id])
      FROM identities_identity i
      LEFT JOIN identities_service s ON s.id = i.service_id
      JOIN identities_proposedchange x ON x.state = 'in_force' AND x.settled_at >= last.opened_at
       AND x.subject IN ('NHI-' || lpad(i.number::text, 4, '0'), 'service:' || s.slug)
     WHERE i.id = NEW.identity_id);
  RETURN NEW;
END $$;
CREATE TRIGGER reviews_case_barred BEFORE INSERT ON reviews_case
FOR EACH ROW EXECUTE FUNCTION reviews_barred();
"""
BACK = """
DROP TRIGGER reviews_case_barred ON reviews_case;
DROP FUNCTION reviews_barred();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0033_proposed_changes"),
        ("reviews", "0041_alerts_tried_again"),
    ]

    operations = [
        migrations.AddField(
            model_name="case",
            name="barred",
            field=ArrayField(models.UUIDField(), default=list, db_default=[], blank=True),
        ),
        migrations.RunSQL(BARRED, BACK),
    ]
