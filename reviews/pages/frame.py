"""The frame around every page: who is signed in, what waits, how far the ledger is sealed."""

from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from evidence import ledger, verified
from identities.permissions import groups as names_of_groups

COUNTS = """
SELECT
  (SELECT count(*) FROM reviews_case WHERE state = 'open' AND door = 'access_review'
     AND NOT sealed),
  (SELECT count(*) FROM reviews_case WHERE state = 'open' AND door = 'access_request'
     AND NOT sealed),
  (SELECT count(*) FROM reviews_case WHERE door = 'break_glass' AND NOT sealed
     AND state NOT IN ('closed', 'cancelled')),
  (SELECT count(*) FROM reviews_case WHERE door = 'incident' AND NOT sealed
     AND state NOT IN ('closed', 'cancelled')),
  (SELECT count(*) FROM identities_finding WHERE state = 'open'),
  (SELECT count(*) FROM identities_binding WHERE state = 'proposed' AND superseded_at IS NULL),
  (SELECT count(DISTINCT s.case_id) FROM reviews_seat s
     JOIN reviews_case c ON c.id = s.case_id AND c.state = 'open' AND NOT c.sealed
     JOIN identities_party p ON p.id IN (s.party_id, s.backup_id)
     WHERE s.person_id = %(person)s OR (s.person_id IS NULL AND (p.person_id = %(person)s
        OR p.team_id IN (SELECT m.team_id FROM identities_membership m
            WHERE m.person_id = %(person)s AND m.superseded_at IS NULL
              AND m.during @> now())))),
  (SELECT count(*) FROM evidence_source s WHERE s.expected_every_seconds IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM evidence_deposit d WHERE d.source_id = s.id
       AND d.received_at > now() - s.expected_every_seconds * interval '1 second'))
"""


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context of every page; two queries for somebody who is signed in, none otherwise."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"now": timezone.now(), "frame": {"demo": settings.DEMO, "theme": "system"}}
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, {"person": user.person_id})
        counts = cursor.fetchone()
    reviews, requests, break_glass, incidents, findings, unclaimed, queue, silent = counts
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
                "queue": queue,
                "access_reviews": reviews,
                "access_requests": requests,
                "break_glass": break_glass,
                "incidents": incidents,
                "findings": findings,
                "unclaimed": unclaimed,
                "sources": silent,
            },
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
