"""The frame around every page: who is signed in, what waits, how far the ledger is sealed."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone

from evidence import ledger, verified
from identities import visible as identities_visible
from identities.actions import bindings
from identities.claims import questioning
from identities.models import User
from identities.permissions import READERS
from identities.permissions import groups as names_of_groups
from reviews import enrolled, recovering, visible
from reviews.actions import second_looks
from reviews.models import Rung
from reviews.pages import waiting
from reviews.pages.lists import UNDER_WAY

# The numbers of the menu say no more, and the badge counts no further: every page would walk all
# of the queue.
MOST_COUNTED = 100
KEPT_SECONDS = 20
COUNTS = """
WITH my AS MATERIALIZED (SELECT p.id FROM identities_party p WHERE p.person_id = %(person)s
  OR p.team_id IN (SELECT m.team_id FROM identities_membership m WHERE m.person_id = %(person)s
    AND m.superseded_at IS NULL AND m.during @> %(now)s))
SELECT
  (SELECT count(DISTINCT (l.party_id, l.about)) FROM (ASKED_OF_ME) l WHERE l.asked),
  (SELECT count(*) FROM evidence_source s WHERE s.expected_every_seconds IS NOT NULL
     AND EXISTS (SELECT 1 FROM evidence_deposit d WHERE d.source_id = s.id)
     AND NOT EXISTS (SELECT 1 FROM evidence_deposit d WHERE d.source_id = s.id AND d.received_at
       >= %(now)s - (s.expected_every_seconds + s.lag_seconds) * interval '1 second')),
  (SELECT count(*) FROM reviews_owneroffer
     WHERE state = 'open' AND to_id = ANY(ARRAY(SELECT id FROM my)))
  + (SELECT count(*) FROM reviews_successionitem
     WHERE state = 'asked' AND heir_id = ANY(ARRAY(SELECT id FROM my))),
  EXISTS (SELECT 1 FROM reviews_quarantine q JOIN reviews_case c ON c.id = q.case_id
     WHERE q.state = 'held' AND NOT c.sealed)
  OR EXISTS (SELECT 1 FROM reviews_outcomebrake WHERE released_at IS NULL AND cuts > most),
  o.settled_at, o.proposed_by_name || ' and ' || o.settled_by_name,
  (SELECT count(*) FROM reviews_accountuse WHERE reviewed_at IS NULL),
  (SELECT count(*) FROM reviews_recovery r WHERE r.cancelled_at IS NULL AND r.done_at IS NULL
     AND r.reviewed_at IS NULL AND (%(told)s OR r.user_id = %(user)s))
FROM (SELECT) one
LEFT JOIN identities_outgoingswitch o ON o.state = 'in_force' AND o.to = 'stopped'
""".replace("ASKED_OF_ME", questioning.sql("AND c.party_id = ANY(ARRAY(SELECT id FROM my))"))


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context of every page; a handful of queries for somebody who is signed in, none otherwise."""
    user = getattr(request, "user", None)
    now = timezone.now()
    if user is None or not user.is_authenticated:
        return {"now": now, "frame": {"demo": settings.DEMO, "theme": "system"}}
    groups = sorted(names_of_groups(user))
    told = not (recovering.DECIDING | READERS).isdisjoint(groups)
    with connection.cursor() as cursor:
        said = {"person": user.person_id, "now": now, "told": told, "user": user.pk}
        cursor.execute(COUNTS, said)
        counts = cursor.fetchone()
    questions, silent, asked, quarantine, stopped_at, stopped_by, uses, recoveries = counts
    queue = _waiting(user, now=now)
    seen = verified.last()
    reader = not READERS.isdisjoint(groups)
    name = user.called
    return {
        "now": now,
        "frame": {
            "me": {
                "name": name,
                "initials": "".join(part[0] for part in name.split()[:2]).upper(),
                "roles": ", ".join(groups).capitalize() or "no role",
            },
            "counts": {
                "queue": _bounded(queue),
                **{name: _bounded(many) for name, many in _listed(user, now=now).items()},
                "questions": questions,
                "sources": silent,
                "quarantine": quarantine,
                "owned": asked,
            },
            # Break-glass accounts are shown to whoever may look at their use (account_views.py).
            "reader": reader,
            "account_uses": uses if reader else 0,
            "recoveries": recoveries,
            "lacks_factor": enrolled.asked_to_add(user),
            "stopped": {"at": stopped_at, "by": stopped_by} if stopped_at else None,
            "ledger": _ledger(seen),
            "single_keys": user.single_keys,
            "theme": user.theme,
            "demo": settings.DEMO,
            "auditor": "auditor" in groups,
        },
    }


def _waiting(user: User, *, now: datetime) -> int:
    """How much waits for this user: the cases that "All" lists on the queue's own page, by the same
    walk, and the second looks above them. It is remembered, until they act or look there."""
    found: int | None = cache.get(_key_of_queue(user))
    return walked(user, None, None, now=now) if found is None else found


def walked(user: User, cases: int | None, looks: int | None, *, now: datetime) -> int:
    """What waits for this user, in so many cases, with so many second looks (None: not walked, not
    counted yet), as the menu says it from here on."""
    found = waiting.count(user, now=now, most=MOST_COUNTED) if cases is None else cases
    if found < MOST_COUNTED:
        many = second_looks.count(user, now=now, most=MOST_COUNTED) if looks is None else looks
        found += many
    cache.set(_key_of_queue(user), found, KEPT_SECONDS)
    return found


def acted(user: User | AnonymousUser) -> None:
    """Count again what waits for them: they have done something."""
    if user.is_authenticated:
        cache.delete(_key_of_queue(user))


def _key_of_queue(user: User) -> str:
    return f"menu.queue.{user.pk}"


def _listed(user: User, *, now: datetime) -> dict[str, int]:
    """How many rows each link of the menu lists for this user.

    What somebody may see is one walk through all that is under way, too dear for every page: it is
    remembered for some seconds.
    """
    key = f"menu.{user.pk}"
    found: dict[str, int] | None = cache.get(key)
    if found is None:
        held = Q(state="open", pk__in=Rung.objects.filter(state="held").values("case"))
        found = (
            visible.cases(user, now=now)
            .filter(state__in=UNDER_WAY)
            .aggregate(
                access_reviews=Count("pk", filter=Q(door="access_review", state="open")),
                access_requests=Count("pk", filter=Q(door="access_request", state="open")),
                break_glass=Count("pk", filter=Q(door="break_glass")),
                incidents=Count("pk", filter=Q(door="incident")),
                held=Count("pk", filter=held),
            )
        )
        findings = identities_visible.findings(user, now=now)
        found["findings"] = findings.filter(state__in=("open", "confirmed")).count()
        waiting = identities_visible.changes(user, now=now).filter(state="proposed")
        found["changes"] = waiting[:MOST_COUNTED].count()
        found["unclaimed"] = bindings.proposed_count(now=now, most=MOST_COUNTED)
        cache.set(key, found, KEPT_SECONDS)
    return found


def _bounded(many: int) -> int | str:
    return many if many < MOST_COUNTED else f"{MOST_COUNTED - 1}+"


def _ledger(walked: verified.Verified | None) -> dict[str, Any]:
    """Up to which row, and how far that was checked; before the first verification only sealed."""
    if walked is not None:
        return {"row": walked.row, "at": walked.at, "ok": walked.ok, "state": walked.state}
    number, sealed_at = ledger.sealed_to()
    return {"row": number, "at": sealed_at, "ok": True, "state": "sealed"}
