"""The frame around every page: who is signed in, what waits, how far the ledger is sealed."""

from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from evidence import ledger, verified
from identities.claims import questioning
from identities.permissions import groups as names_of_groups

# The badge of the queue counts no further: every page would walk all of it.
MOST_COUNTED = 1_000
COUNTS = """
WITH my AS MATERIALIZED (SELECT p.id FROM identities_party p WHERE p.person_id = %(person)s
  OR p.team_id IN (SELECT m.team_id FROM identities_membership m WHERE m.person_id = %(person)s
    AND m.superseded_at IS NULL AND m.during @> now()))
SELECT k.reviews, k.requests, k.break_glass, k.incidents,
  (SELECT count(*) FROM identities_finding WHERE state = 'open'),
  (SELECT count(*) FROM identities_binding WHERE state = 'proposed' AND superseded_at IS NULL)
    + (SELECT count(DISTINCT (l.party_id, l.about)) FROM (ASKED_OF_ME) l WHERE l.asked),
  (SELECT count(DISTINCT t.id) FROM (SELECT c.id FROM (
     SELECT s.case_id FROM reviews_seat s WHERE s.person_id = %(person)s
     UNION ALL SELECT s.case_id FROM my JOIN reviews_seat s ON s.party_id = my.id
       AND s.person_id IS NULL
     UNION ALL SELECT s.case_id FROM my JOIN reviews_seat s ON s.backup_id = my.id
       AND s.person_id IS NULL AND s.party_id = ANY(ARRAY(SELECT id FROM my)) IS NOT TRUE) s
     -- One look for each seat, up to the bound: nothing here reads all cases.
     CROSS JOIN LATERAL (SELECT c.id FROM reviews_case c WHERE c.id = s.case_id
       AND c.state = 'open' AND NOT c.sealed OFFSET 0) c LIMIT %(most)s) t),
  (SELECT count(*) FROM evidence_source s WHERE s.expected_every_seconds IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM evidence_deposit d WHERE d.source_id = s.id
       AND d.received_at > now() - s.expected_every_seconds * interval '1 second')),
  (SELECT count(DISTINCT r.case_id) FROM reviews_rung r JOIN reviews_case c ON c.id = r.case_id
     WHERE r.state = 'held' AND c.state = 'open' AND NOT c.sealed),
  (SELECT count(*) FROM reviews_owneroffer
     WHERE state = 'open' AND to_id = ANY(ARRAY(SELECT id FROM my)))
  + (SELECT count(*) FROM reviews_successionitem
     WHERE state = 'asked' AND heir_id = ANY(ARRAY(SELECT id FROM my))),
  EXISTS (SELECT 1 FROM reviews_quarantine q JOIN reviews_case c ON c.id = q.case_id
     WHERE q.state = 'held' AND NOT c.sealed)
  OR EXISTS (SELECT 1 FROM reviews_outcomebrake WHERE released_at IS NULL AND cuts > most),
  o.settled_at, o.proposed_by_name || ' and ' || o.settled_by_name
FROM (SELECT count(*) FILTER (WHERE state = 'open' AND door = 'access_review') AS reviews,
  count(*) FILTER (WHERE state = 'open' AND door = 'access_request') AS requests,
  count(*) FILTER (WHERE door = 'break_glass') AS break_glass,
  count(*) FILTER (WHERE door = 'incident') AS incidents
  FROM reviews_case WHERE state NOT IN ('closed', 'cancelled') AND NOT sealed) k
LEFT JOIN identities_outgoingswitch o ON o.state = 'in_force' AND o.to = 'stopped'
""".replace("ASKED_OF_ME", questioning.sql("AND c.party_id = ANY(ARRAY(SELECT id FROM my))"))


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context of every page; two queries for somebody who is signed in, none otherwise."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"now": timezone.now(), "frame": {"demo": settings.DEMO, "theme": "system"}}
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, {"person": user.person_id, "most": MOST_COUNTED})
        counts = cursor.fetchone()
    *counts, quarantine, stopped_at, stopped_by = counts
    reviews, requests, break_glass, incidents, findings, unclaimed, *counts = counts
    queue, silent, held, asked = counts
    walked = verified.last()
    groups = sorted(names_of_groups(user))
    name = user.called
    return {
        "now": timezone.now(),
        "frame": {
            "me": {
                "name": name,
                "initials": "".join(part[0] for part in name.split()[:2]).upper(),
                "roles": ", ".join(groups).capitalize() or "no role",
            },
            "counts": {
                "queue": queue if queue < MOST_COUNTED else f"{MOST_COUNTED - 1}+",
                "access_reviews": reviews,
                "access_requests": requests,
                "break_glass": break_glass,
                "incidents": incidents,
                "findings": findings,
                "unclaimed": unclaimed,
                "sources": silent,
                "held": held,
                "quarantine": quarantine,
                "owned": asked,
            },
            "stopped": {"at": stopped_at, "by": stopped_by} if stopped_at else None,
            "ledger": _ledger(walked),
            "single_keys": user.single_keys,
            "theme": user.theme,
            "demo": settings.DEMO,
            "auditor": "auditor" in groups,
        },
    }


def _ledger(walked: verified.Verified | None) -> dict[str, Any]:
    """Verified to row N; before the first walk over the chain only sealed."""
    if walked is not None:
        return {"row": walked.row, "at": walked.at, "ok": walked.ok, "verified": True}
    number, sealed_at = ledger.sealed_to()
    return {"row": number, "at": sealed_at, "ok": True, "verified": False}
