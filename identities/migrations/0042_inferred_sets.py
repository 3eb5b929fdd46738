"""Of an inferred link the best runs are shown, five at most (evidence/0032), and a claim hides none.

Whether a link leads to a run is asked of what is shown: what one record states, while nobody has
linked its agent to the account that called, explains no call. The rest of the view is as in 0040.
"""

from importlib import import_module

from django.db import migrations

_BEFORE = import_module("identities.migrations.0040_conflicting_traces")
_OF = (
    "identities_link_strength({0}.effect_at, {0}.effect_id, {0}.cause_at, {0}.cause_id,"
    " {0}.proof, {0}.strength)"
)
EXPLAINED = f"""
CREATE OR REPLACE FUNCTION evidence_explained(moment timestamptz, event bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM evidence_link l
        JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
        JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
        WHERE l.effect_at = moment AND l.effect_id = event AND l.strength > 1
          AND {_OF.format("l")} > 0)
$$
"""  # noqa: S608 - our own words
# Of each event the runs that are best, read only where something of it is inferred.
_RUNS = """evidence_explained(l.effect_at, l.effect_id) AS explained, (
            SELECT count(DISTINCT (o.source_id, o.trace)) FROM o
            JOIN evidence_run r ON r.source_id = o.source_id AND r.trace = o.trace
            WHERE o.stated = 1 AND r.api_calls = 0) AS runs
    )"""
_LIKELY = """evidence_explained(l.effect_at, l.effect_id) AS explained,
               n.likely[1] AS least, n.likely[2] AS runs
        FROM (SELECT evidence_likely(l.effect_at, l.effect_id) AS likely OFFSET 0) n
    )"""
_SHOWN = "            AND NOT (SELECT i.explained FROM i) END"
_BEST = """            AND (SELECT NOT i.explained AND i.runs BETWEEN 1 AND 5
                 AND evidence_points(o.proof) >= i.least FROM i)
            AND NOT evidence_from_elsewhere(l.effect_at, l.effect_id, o.cause_at, o.cause_id) END"""
VIEW = _BEFORE.VIEW.replace(_RUNS, _LIKELY).replace(_SHOWN, _BEST)


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0032_inferred_sets"),
        ("identities", "0041_interactive_use"),
    ]

    operations = [migrations.RunSQL(sql) for sql in (EXPLAINED, VIEW)]
