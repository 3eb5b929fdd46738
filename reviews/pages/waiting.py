"""What waits for a person: the seats that are theirs to fill, the uses that they may look back at
(look_backs.py) and the recoveries that they may review (recovery_rows.py), as rows. Constant queries.

Owns which open cases are in a queue; whether somebody may really sign is judged again when they
do (reviews/permissions.py). A queue is walked by deadline and only as far as somebody can look:
a page must not count a hundred thousand items to show fifty.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from evidence.words import counted
from identities import visible as identities_visible
from identities.models import User
from identities.permissions import groups
from reviews import recovering, sight, visible
from reviews.models import Case, Recovery, Seat
from reviews.pages import foreseen, freshness, look_backs, recovery_rows
from reviews.permissions import SEAT_WORDS, SIGNING, mine

DOOR_WORDS = {
    "access_review": "access review",
    "access_request": "access request",
    "break_glass": "break-glass",
    "incident": "incident",
}
# A queue is shown, grouped and counted so far; what is decided makes room for what follows.
MOST = 500

# Seats of open cases that name this person and are their turn, in order of the deadline; then,
# one after the other until the bound, how much of each is left. Who is named in two seats of a case
# sits in the first: left out before the bound, so that the bound counts cases. What a seat shows by naming a
# party of theirs is the rule of reviews/visible.py; only other roads are asked there, and only for
# seats that are theirs: which of two conditions the planner asks first, it tells by their prices.
TURN = """
SELECT DISTINCT ON (s.deadline_at, s.number) s.id, s.case_id, s.kind, s.number, s.title, s.door,
 s.deadline_at, s.identity_id,
 n.unanswered, n.total, n.conflicts, s.campaign_id, s.beyond
FROM (
 SELECT t.id, t.case_id, t.kind, t.position, k.deadline_at, k.number, k.title, k.door,
  k.identity_id, k.campaign_id, {seen} IS NOT TRUE AS beyond
 FROM {rows} WHERE k.state = 'open'
 AND (t.party_id = ANY(%(parties)s) OR t.backup_id = ANY(%(parties)s) OR t.person_id = %(me)s
  OR (t.role <> '' AND t.role = ANY(%(roles)s))
  OR (%(reviewer)s AND t.party_id IS NULL AND t.backup_id IS NULL AND t.role = '' AND NOT EXISTS (
   SELECT FROM reviews_seat o JOIN identities_party p ON p.id = o.party_id
   WHERE o.case_id = k.id AND o.id <> t.id AND o.turn = 'now' AND o.kind = ANY(%(signing)s)
    AND p.person_id = %(me)s)))
 AND ({seen} OR ((t.party_id = ANY(%(parties)s)
   OR t.backup_id = ANY(%(parties)s) OR t.person_id = %(me)s OR t.role = ANY(%(roles)s)
   OR (%(reviewer)s AND t.party_id IS NULL AND t.backup_id IS NULL)) AND {visible}))
 AND t.turn = 'now'
 AND (t.kind = ANY(%(signing)s)
  OR (t.kind = 'tie_breaker' AND k.deadline_at + k.grace <= %(now)s))
 AND (t.person_id IS NULL OR t.person_id = %(me)s OR k.silence_done_at IS NOT NULL)
 AND NOT %(me)s = ANY(t.given_up)
 AND (t.person_id IS NOT DISTINCT FROM %(me)s OR (k.requester_id IS DISTINCT FROM %(me)s
  AND NOT EXISTS (SELECT FROM reviews_seat o WHERE o.case_id = k.id AND o.person_id = %(me)s)
  AND (%(me)s = ANY(t.signed_before) OR NOT EXISTS (SELECT FROM reviews_seat o
   WHERE o.case_id = k.id AND o.signed_before <> '{}' AND %(me)s = ANY(o.signed_before)))))
 AND (k.silence_done_at IS NOT NULL OR k.backups_since IS NOT NULL
  OR t.party_id IS NULL OR t.party_id = ANY(%(parties)s)
  OR t.person_id IS NOT DISTINCT FROM %(me)s OR NOT EXISTS (
   SELECT FROM identities_party p CROSS JOIN LATERAL (SELECT p.person_id AS id UNION ALL
    SELECT m.person_id FROM identities_membership m WHERE m.team_id = p.team_id
     AND m.superseded_at IS NULL AND m.during @> %(now)s::timestamptz) q
   JOIN identities_person h ON h.id = q.id AND (h.left_at IS NULL OR h.left_at > %(now)s)
   WHERE p.id = t.party_id AND h.id IS DISTINCT FROM k.requester_id
    AND NOT h.id = ANY(t.given_up) AND NOT EXISTS (SELECT FROM reviews_seat o
     WHERE o.case_id = k.id AND (o.person_id = h.id OR h.id = ANY(o.signed_before)))))
 {filters} {fence}
) s CROSS JOIN LATERAL (
 SELECT ARRAY(SELECT item_id FROM reviews_decision WHERE seat_id = s.id
  AND superseded_at IS NULL) AS given OFFSET 0
) d CROSS JOIN LATERAL (
 SELECT count(*) AS total, count(*) FILTER (WHERE i.outcome = 'conflict') AS conflicts,
  count(*) FILTER (WHERE i.outcome = 'conflict' OR (s.kind <> 'tie_breaker' AND i.outcome = ''
   AND NOT i.id = ANY(d.given))) AS unanswered
 FROM reviews_item i WHERE i.case_id = s.case_id
) n WHERE n.unanswered > 0
ORDER BY s.deadline_at, s.number, s.position LIMIT %(most)s
"""
# What a seat shows by itself.
SEEN = """(NOT k.sealed AND (%(all)s OR t.party_id = ANY(%(parties)s)
   OR t.backup_id = ANY(%(parties)s)))"""
BY_DEADLINE = "ORDER BY k.deadline_at, k.number, t.position OFFSET 0"
# Where the walk begins, and what ends it. Said here, because the rule of what may be seen, which is
# hardly ever asked, looks so dear to the planner that the order of the tables matters no more to it.
ROADS = {
    # At one's own seats, while they are few.
    "few": (
        """(SELECT * FROM reviews_seat WHERE party_id = ANY(%(parties)s)
         OR backup_id = ANY(%(parties)s) OR person_id = %(me)s
         OR (role <> '' AND role = ANY(%(roles)s))
         OR (%(reviewer)s AND party_id IS NULL AND backup_id IS NULL)) t CROSS JOIN LATERAL
        (SELECT * FROM reviews_case WHERE id = t.case_id AND state = 'open' OFFSET 0) k""",
        BY_DEADLINE,
    ),
    # At the few cases of one identity or AI system.
    "group": (
        """(SELECT k.* FROM reviews_case k WHERE k.state = 'open' {group} OFFSET 0) k
        CROSS JOIN LATERAL (SELECT * FROM reviews_seat WHERE case_id = k.id OFFSET 0) t""",
        BY_DEADLINE,
    ),
    # Along the deadlines, where the earliest of all cases are mostly one's own; as far as the bound.
    "deadlines": (
        """(SELECT * FROM reviews_case WHERE state = 'open' ORDER BY deadline_at, number OFFSET 0) k
        CROSS JOIN LATERAL (SELECT * FROM reviews_seat WHERE case_id = k.id OFFSET 0) t""",
        "",
    ),
    # Through everything: a filter leaves little of much.
    "all": ("reviews_seat t JOIN reviews_case k ON k.id = t.case_id", BY_DEADLINE),
}
MANY = 4_000
# The seats that name a party of somebody, and those that any reviewer may fill, both up to a bound.
NAMED = """
SELECT (SELECT count(*) FROM ((SELECT FROM reviews_seat WHERE party_id = ANY(%(parties)s)
  LIMIT %(many)s) UNION ALL (SELECT FROM reviews_seat WHERE backup_id = ANY(%(parties)s)
  LIMIT %(many)s) LIMIT %(many)s) t),
 (SELECT count(*) FROM (SELECT FROM reviews_seat WHERE %(reviewer)s AND party_id IS NULL
  AND backup_id IS NULL LIMIT %(many)s) t)
"""
# What an address may narrow a queue by: parameter -> condition on the seat (t) and its case (k).
FILTERS = {
    "q": "('CS-' || k.number || ' ' || k.title) ILIKE %(q)s",
    "seat": "t.kind = %(seat)s",
    "cases": "t.case_id = ANY(%(cases)s)",
    "due": "k.deadline_at <= %(now)s",
    # What stands in the items when they are made (reviews/actions/advising.py).
    "together": "EXISTS (SELECT FROM reviews_item j WHERE j.case_id = k.id"
    " AND j.snapshot ? 'together')",
    "identity": "k.identity_id IN (SELECT i.id FROM identities_identity i"
    " WHERE i.number = %(identity)s)",
    "system": "k.identity_id IN (SELECT i.id FROM identities_identity i"
    " JOIN identities_service v ON v.id = i.service_id WHERE v.slug = %(system)s)",
    "person": "k.identity_id IN (SELECT i.id FROM identities_identity i"
    " WHERE i.owner_id::text = %(person)s)",
}
# Of these, what few cases are about.
GROUPS = ("identity", "system")


class Waiting(NamedTuple):
    """One seat of a case that waits for this person; `seat` None: its look back does, or the review
    of a recovery."""

    seat: UUID | None
    case: UUID  # of a recovery, which is no case, made from its number
    kind: str  # of the seat
    number: int  # of the case
    title: str
    door: str
    deadline_at: datetime
    identity: UUID | None
    left: int  # items without an answer from this seat
    of: int
    conflicts: int
    campaign: UUID | None = None
    # Items in conflict of which a blind reviewer may not know it.
    hidden: frozenset[UUID] = frozenset()

    @property
    def key(self) -> str:
        return f"{'REC' if self.door == recovery_rows.DOOR else 'CS'}-{self.number}"

    @property
    def url(self) -> str:
        return recovering.PATH if self.door == recovery_rows.DOOR else f"/cases/{self.key}/"

    @property
    def door_words(self) -> str:
        return DOOR_WORDS.get(self.door, "login recovery")


def for_user(
    user: User, *, now: datetime, most: int | None = MOST, wide: bool = False, **narrowed: Any
) -> list[Waiting]:
    """The open cases that wait for this user by deadline, the first `most` of them (None: all).

    `narrowed`: any of FILTERS; an empty one narrows nothing. `wide`: they leave much of it.
    """
    found = _blind(user, _walked(user, now=now, most=most, wide=wide, **narrowed), now=now)
    others = _others(user, now=now, **narrowed)
    if not others:
        return found
    every = sorted([*found, *others], key=lambda one: (one.deadline_at, one.number))
    return every[:most]


def count(user: User, *, now: datetime, most: int) -> int:
    """In how many cases something waits for this user, as the queue lists them; no further than
    `most`."""
    found = len(_walked(user, now=now, most=most, wide=False))
    return min(most, found + len(_others(user, now=now))) if found < most else found


def _others(user: User, *, now: datetime, **narrowed: Any) -> list[Waiting]:
    """What waits and is no seat."""
    looks = look_backs.for_user(user, now=now, **narrowed)
    recovered = recovery_rows.for_user(user, now=now, **narrowed)
    return [*map(_look_back, looks), *map(_recovery, recovered)]


def _recovery(row: Recovery) -> Waiting:
    due = (row.done_at or row.due_at) + recovery_rows.DUE
    about = (row.pk, recovery_rows.title(row), recovery_rows.DOOR, due, None)
    return Waiting(None, UUID(int=row.pk), look_backs.KIND, *about, left=0, of=0, conflicts=0)


def _look_back(case: Case) -> Waiting:
    about = (case.number, case.title, case.door, case.deadline_at, case.identity_id)
    return Waiting(None, case.pk, look_backs.KIND, *about, left=0, of=0, conflicts=0)


def _walked(
    user: User, *, now: datetime, most: int | None, wide: bool, **narrowed: Any
) -> list[Waiting]:
    if user.person_id is None or not user.is_active or "auditor" in groups(user):
        return []
    given = {name: value for name, value in narrowed.items() if value}
    if "q" in given:
        said = str(given["q"]).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        given["q"] = f"%{said}%"
    parties, reviewer = list(mine(user, now=now)), "reviewer" in groups(user)
    with connection.cursor() as cursor:
        cursor.execute(NAMED, {"parties": parties, "reviewer": reviewer, "many": MANY})
        own, anybodys = cursor.fetchone()
        filters = {name: f" AND {FILTERS[name]}" for name in narrowed if narrowed[name]}
        group = "".join(filters.pop(name, "") for name in GROUPS) if own + anybodys >= MANY else ""
        if own + anybodys < MANY:
            road, fence = ROADS["few"]
        elif group:
            road, fence = ROADS["group"]
        elif own == MANY and most is not None and (wide or not filters):
            road, fence = ROADS["deadlines"]
        else:  # a walk along the deadlines that a filter leaves little of would not end
            road, fence = ROADS["all"]
        given |= {
            "parties": parties,
            "me": user.person_id,
            "reviewer": reviewer,
            "roles": sorted(groups(user)),
            "all": identities_visible.sees_all(user),
            "signing": list(SIGNING),
            "now": now,
            "most": most,
        }
        turn = (
            TURN.replace("{rows}", road)
            .replace("{group}", group)
            .replace("{fence}", fence)
            .replace("{filters}", "".join(filters.values()))
            .replace("{seen}", SEEN)
        )
        cursor.execute(turn.replace("{visible}", "true"), given)
        rows = cursor.fetchall()
        # Hardly ever does a seat not show its case by itself: only then is the rule asked as well.
        if any(row[-1] for row in rows):
            shown, shown_by = visible.cases(user, now=now).values("pk").query.sql_with_params()
            # The visible cases' own parameters become named ones, beside ours.
            for place, value in enumerate(shown_by):
                shown = shown.replace("%s", f"%(v{place})s", 1)
                given[f"v{place}"] = value
            cursor.execute(turn.replace("{visible}", f"k.id IN ({shown})"), given)
            rows = cursor.fetchall()
        return [Waiting(*row[:-1]) for row in rows]


def _blind(user: User, found: list[Waiting], *, now: datetime) -> list[Waiting]:
    differ = [one.case for one in found if one.conflicts]
    hidden = sight.conflicts_hidden(user, differ, now=now) if differ else {}
    if not hidden:
        return found
    return [
        one._replace(conflicts=one.conflicts - len(items), hidden=items)
        if (items := hidden.get(one.case))
        else one
        for one in found
    ]


def rows(found: list[Waiting], *, now: datetime) -> list[dict[str, Any]]:
    """Queue rows as templates/queue.html and front.html draw them."""
    cases = of_cases(found)
    fresh = freshness.of_cases(cases.values(), now=now)
    silence = foreseen.of_cases(cases.values(), fresh, now=now)
    return [
        _row(one, cases[one.case], fresh.get(one.case), silence[one.case], now=now)
        if one.case in cases
        else _row_of_recovery(one, now=now)
        for one in found
        if one.case in cases or one.door == recovery_rows.DOOR
    ]


def of_cases(found: Iterable[Waiting]) -> dict[UUID, Case]:
    """The cases of these rows, with what the words about them need."""
    return Case.objects.select_related("identity__service", "policy").in_bulk(
        [one.case for one in found]
    )


def seats_of(found: Iterable[Waiting]) -> dict[UUID, Seat]:
    """The seats of these rows."""
    return Seat.objects.select_related("party", "backup").in_bulk(
        [one.seat for one in found if one.seat is not None]
    )


def _row_of_recovery(one: Waiting, *, now: datetime) -> dict[str, Any]:
    overdue = [{"kind": "overdue", "words": "", "url": ""}] if one.deadline_at <= now else []
    return {
        "case_id": one.case,
        "key": one.key,
        "due_at": one.deadline_at,
        "what": one.title,
        "url": one.url,
        "sub": f"{one.key} · {one.door_words}, {left_words(one)}",
        "seat": SEAT_WORDS[one.kind],
        "silence": "doctor names it",
        "signals": overdue,
    }


def _row(
    one: Waiting, case: Case, fresh: dict[str, Any] | None, silence: str, *, now: datetime
) -> dict[str, Any]:
    signals: list[dict[str, Any]] = []
    if case.deadline_at <= now:
        signals.append({"kind": "overdue", "words": "", "url": ""})
    if one.conflicts:
        signals.append({"kind": "conflict", "words": "", "url": f"/cases/{case.key}/"})
    return {
        "case_id": case.pk,
        "key": case.key,
        "due_at": case.deadline_at,
        "what": case.title,
        "url": f"/cases/{case.key}/",
        "sub": f"{case.key} · {one.door_words}, {left_words(one)}{stage_words(case)}",
        "seat": SEAT_WORDS[one.kind],
        "not_mine_url": f"/identities/{case.identity.key}/hand-over/"
        # Whoever is asked in a later stage need not own it.
        if one.kind == "identity_owner" and case.identity is not None and case.asked_since is None
        else "",
        "silence": silence,
        "fresh": fresh,
        "signals": signals,
        "items_left": one.left,
        "of": one.of,
        "opened_at": case.opened_at,
    }


def left_words(one: Waiting) -> str:
    """What is asked of this person in it."""
    return "a look back" if one.seat is None else f"{counted(one.left, 'item')} left for you"


def stage_words(case: Case) -> str:
    """The stage that asks, and what follows it, as the end of a line; "" without stages."""
    then = f", then {case.next_stage}" if case.next_stage else ""
    return f" · {case.stage}{then}" if case.stage else ""


def many(count: int, found: list[Waiting]) -> int | str:
    """How many of what was found; at the bound there may be more."""
    return count if len(found) < MOST else f"{count:,}+"


def tabs(found: list[Waiting], chosen: str) -> list[dict[str, Any]]:
    """All, and one tab for each kind of seat that waits."""
    counts = Counter(one.kind for one in found)
    return [{"words": "All", "n": many(len(found), found), "url": "?", "on": not chosen}] + [
        {
            "words": f"As {SEAT_WORDS[kind]}",
            "n": many(count, found),
            "url": f"?seat={kind}",
            "on": chosen == kind,
        }
        for kind, count in sorted(counts.items())
    ]
