"""A team that sits in open cases has changed by a file: who of it may sign there still.

Owns asking that of all its seats at once, and the word in each case. Who hears that a row of a
file is held is identities/actions/registration; a seat whose team is empty after all is filled by
reviews/succession/vacant.py.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q

from identities import presence
from identities.acting import By
from identities.models import Team
from reviews.models import Case
from reviews.permissions import SIGNING

from . import entries

SEALED = "a sealed case"
# Whoever may sign in a seat of the team as far as the case itself says: not who asked, nor who has
# signed in it or handed it over. {} are persons.
ABLE = """EXISTS (SELECT FROM unnest({}::uuid[]) AS h(id)
 WHERE h.id IS DISTINCT FROM k.requester_id AND NOT h.id = ANY(t.given_up)
  AND NOT EXISTS (SELECT FROM reviews_seat o WHERE o.case_id = k.id AND o.id <> t.id
   AND (o.person_id = h.id OR h.id = ANY(o.signed_before)))
  AND (NOT k.sealed OR EXISTS (SELECT FROM reviews_casemember m
   WHERE m.case_id = k.id AND m.person_id = h.id)))"""
LEFT_ALONE = f"""
SELECT k.number, k.sealed FROM identities_party p
JOIN reviews_seat t ON (t.party_id = p.id OR t.backup_id = p.id) AND t.person_id IS NULL
JOIN reviews_case k ON k.id = t.case_id AND k.state IN ('draft', 'open')
WHERE p.team_id = %(team)s AND t.kind = ANY(%(kinds)s) AND t.turn <> 'past'
 AND {ABLE.format("%(gone)s")} AND NOT {ABLE.format("%(stay)s")}
ORDER BY k.number LIMIT 1
"""  # noqa: S608 - of nothing but the constants above
KINDS = [*SIGNING, "tie_breaker"]


def needs(team: Team, gone: Collection[UUID], stay: Collection[UUID], *, now: datetime) -> str:
    """The case that waits for this team where some of `gone` may sign and none of `stay`; or ""."""
    away = set(presence.gone(now=now).filter(pk__in=[*gone, *stay]).values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(
            LEFT_ALONE,
            {
                "team": team.pk,
                "kinds": KINDS,
                "gone": [one for one in gone if one not in away],
                "stay": [one for one in stay if one not in away],
            },
        )
        row = cursor.fetchone()
    if row is None:
        return ""
    number, sealed = row
    return SEALED if sealed else f"CS-{number}"


def changed(team: Team, words: str, *, by: By, now: datetime) -> int:
    """Say it in every case that waits for this team; in how many."""
    sits = Q(seats__party__team=team) | Q(seats__backup__team=team)
    rows = Case.objects.filter(sits, seats__kind__in=KINDS, state__in=["draft", "open"])
    acts = [
        entries.Said(
            one,
            "seat.team_changed",
            f"{team}, who is asked in {one.key}, has changed by a registration file: {words}",
            {"team": str(team.pk)},
        )
        for one in rows.distinct().order_by("number")
    ]
    entries.note_all(acts, by=by, now=now)
    return len(acts)
