"""What was inferred with another difference of clocks is found again when the difference is known."""

from django.db import migrations, models

# Inferred links only: whatever the app asks for, no other is lost, and these are found again.
INFER_AGAIN = """
CREATE FUNCTION countersign_infer_again(logs int[], traces int[], days date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM set_config('countersign.letting_go', 'on', true);
    DELETE FROM evidence_link l
    USING unnest(logs, traces, days) AS of(log, spans, day), evidence_event e, evidence_event s
    WHERE l.effect_at >= of.day::timestamp AT TIME ZONE 'UTC'
      AND l.effect_at < (of.day + 1)::timestamp AT TIME ZONE 'UTC' AND l.strength = 1
      AND e.at = l.effect_at AND e.id = l.effect_id AND e.source_id = of.log
      AND s.at = l.cause_at AND s.id = l.cause_id AND s.source_id = of.spans;
    PERFORM set_config('countersign.letting_go', '', true);
END $$;
REVOKE ALL ON FUNCTION countersign_infer_again(int[], int[], date[]) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0017_erasure_words")]

    operations = [
        migrations.CreateModel(
            name="ClockTaken",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "log_id",
                        "traces_id",
                        "day",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("log_id", models.IntegerField()),
                ("traces_id", models.IntegerField()),
                ("day", models.DateField()),
                ("seconds", models.FloatField()),
            ],
        ),
        migrations.RunSQL(
            INFER_AGAIN, "DROP FUNCTION countersign_infer_again(int[], int[], date[])"
        ),
    ]
