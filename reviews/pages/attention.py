"""How people decide: one's own figures, those of teams; second looks and seats that change hands.

Owns the contexts of deciding.html, second_look.html and hand_over.html, and what a case page says
of a mark. Figures of one person are shown to that person and nobody else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection

from evidence.words import counted
from identities.models import User
from reviews import attention, independence, permissions
from reviews.actions import attention as looking
from reviews.models import Burst, Case, Provisional, Seat
from reviews.pages import planted
from reviews.permissions import SEAT_WORDS

if TYPE_CHECKING:
    from reviews.pages.case import Parts

MOST_TEAMS = 200
# Of each answer: which one it is of its signer on its item, so that only first ones are timed.
ANSWERS = """
WITH d AS (
  SELECT person_id, item_id, seat_id, at, shown_at, evidence_opened, batch,
    row_number() OVER (PARTITION BY person_id, item_id, seat_id ORDER BY at, id) AS nth
  FROM reviews_decision WHERE at >= %(since)s {only})
"""
FIGURES = """
  count(*) FILTER (WHERE nth = 1) AS items,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.at - d.shown_at)::float)
    FILTER (WHERE nth = 1 AND d.shown_at IS NOT NULL) AS median,
  count(*) FILTER (WHERE d.evidence_opened) AS opened,
  count(d.evidence_opened) AS known,
  count(*) FILTER (WHERE nth > 1) AS changed,
  max(d.batch) AS batch
"""
OF_ONE = ANSWERS.format(only="AND person_id = %(person)s")
OWN = f"{OF_ONE} SELECT {FIGURES} FROM d"  # noqa: S608 - our own columns; values are parameters
TEAMS = f"""
{ANSWERS.format(only="")}
SELECT t.name, count(DISTINCT d.person_id) AS persons, {FIGURES},
  (SELECT count(*) FROM reviews_burst b
     JOIN identities_membership m ON m.person_id = b.person_id AND m.team_id = t.id
       AND m.superseded_at IS NULL AND m.during @> b.until
     WHERE b.until >= %(since)s) AS bursts
FROM d JOIN identities_membership m ON m.person_id = d.person_id AND m.superseded_at IS NULL
  AND m.during @> d.at
JOIN identities_team t ON t.id = m.team_id
GROUP BY t.id, t.name HAVING count(DISTINCT d.person_id) >= %(fewest)s
ORDER BY t.name LIMIT %(most)s
"""  # noqa: S608 - our own columns; values are parameters


def deciding(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/deciding.html: of nobody but this user; teams only for who may see them."""
    since = now - attention.FIGURES
    own: dict[str, Any] = {"items": 0}
    if user.person_id is not None:
        own = _rows(OWN, {"since": since, "person": user.person_id})[0]
        own["bursts"] = Burst.objects.filter(person=user.person_id, until__gte=since).count()
    why = independence.why_not_see_teams(user)
    teams = (
        []
        if why is not None
        else _rows(TEAMS, {"since": since, "fewest": attention.TEAM, "most": MOST_TEAMS})
    )
    return {
        "title": "How I decide",
        "days": attention.FIGURES.days,
        "nobody": "" if user.person_id is not None else permissions.NOBODY,
        "facts": _facts(own) if own["items"] else [],
        "shows_teams": why is None,
        "teams": [
            {
                "name": row["name"],
                "persons": row["persons"],
                "items": row["items"],
                "median": _seconds(row["median"]),
                "opened": _share(row),
                "changed": row["changed"],
                "bursts": row["bursts"],
            }
            for row in teams
        ],
        "fewest": attention.TEAM,
        "planted": planted.own(user, since=since),
        "planted_teams": [] if why is not None else planted.teams(since=since),
    }


def _rows(sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        names = [one.name for one in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _facts(own: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"label": "Items answered", "words": f"{own['items']:,}"},
        {
            "label": "Median time",
            "words": _seconds(own["median"]),
            "note": "from when an item was first shown to you until you signed",
        },
        {
            "label": "Evidence opened",
            "words": _share(own),
            "note": "an event, the line or a capsule, before you signed",
        },
        {
            "label": "Answers changed",
            "words": f"{own['changed']:,}",
            "note": "given again on the same item",
        },
        {
            "label": "Most in a minute",
            "words": "–" if own["batch"] is None else counted(own["batch"] + 1, "item"),
        },
        {
            "label": "Bursts",
            "words": f"{own['bursts']:,}",
            "note": f"{attention.HASTY} or more kept or approved within"
            f" {attention.WITHIN.seconds} seconds: somebody else looked, or looks, again",
        },
    ]


def _seconds(value: float | None) -> str:
    if value is None:
        return "not known"
    if value < 120:
        return f"{value:,.0f} s"
    return f"{value / 60:,.0f} min" if value < 7_200 else f"{value / 3_600:,.0f} h"


def _share(row: dict[str, Any]) -> str:
    if not row["known"]:
        return "not known"
    return f"{100 * row['opened'] / row['known']:.0f} % of {counted(row['known'], 'answer')}"


def provisional(marks: Sequence[Provisional]) -> list[str]:
    """The sentences of a case page's banner."""
    return [
        f"{said} Nothing more of it is carried out before a second look."
        for said in looking.sentences(marks)
    ]


def acts(parts: "Parts") -> list[dict[str, Any]]:
    """What a case page offers: the second look, and handing over the seat one may sign in."""
    case, here = parts.case, f"/cases/{parts.case.key}"
    found: list[dict[str, Any]] = []
    if parts.marks and case.state != "cancelled":
        why = independence.why_not_look_again(parts.user, case, parts.marks, now=parts.now)
        found.append(
            {
                "words": "Look again",
                "url": f"{here}/second-look/",
                "icon": "eye",
                "why_not": why or "",
                "get": True,
                "primary": True,
            }
        )
    hands_over = case.state in ("draft", "open") and None in parts.why.values()
    if hands_over or _names(parts):
        found.append(
            {
                "words": "Hand over a seat" if hands_over else "Name a signer",
                "url": f"{here}/hand-over/",
                "icon": "send",
                "why_not": "",
                "get": True,
            }
        )
    return found


def _names(parts: "Parts") -> bool:
    """Whether this user may name somebody for a seat in which nobody may sit."""
    return any(
        independence.why_not_name(parts.user, parts.case, seat, now=parts.now) is None
        for seat in parts.seats
        if seat.pk in parts.empty
    )


def second_look(
    case: Case, user: User, typed: Mapping[str, str], *, now: datetime
) -> dict[str, Any]:
    """templates/second_look.html, with what was typed where it was refused."""
    marks = looking.standing(case)
    rows = looking.answers_of(case, marks)
    live = case.state in ("open", "decided")
    return {
        "section": case.door,
        "title": f"Look again at {case.key}",
        "case": {"key": case.key, "title": case.title, "url": f"/cases/{case.key}/"},
        "why": looking.sentences(marks),
        "why_not": independence.why_not_look_again(user, case, marks, now=now) or "",
        "action_url": f"/cases/{case.key}/second-look/",
        "read": looking.mark_of(marks, rows),
        "how": typed.get("how", ""),
        "reason": typed.get("reason", ""),
        "rows": [
            {
                "title": row.item.title,
                "url": f"/cases/{case.key}/?item={row.item_id}",
                "answer": row.answer,
                "seat": SEAT_WORDS[row.seat.kind],
                "at": row.at,
                "reason": row.reason,
                "gone": not live or row.item.carried_out_at is not None,
            }
            for row in rows
        ],
    }


def hand_over(case: Case, user: User, typed: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/hand_over.html: the seats this user may hand over, and why not the others."""
    seats = case.seats.select_related("party__person", "party__team", "person", "service")
    return {
        "section": case.door,
        "title": f"Hand over a seat of {case.key}",
        "case": {
            "key": case.key,
            "title": case.title,
            "url": f"/cases/{case.key}/",
            "version": case.version,
        },
        "action_url": f"/cases/{case.key}/hand-over/",
        "seats": [
            {
                "id": str(seat.pk),
                "words": _seat_words(seat),
                "who": str(seat.party or "nobody yet"),
                "why_not": independence.why_not_hand_over(user, case, seat, now=now) or "",
                "on": typed.get("seat") == str(seat.pk),
            }
            for seat in seats.order_by("position")
        ],
        "to": typed.get("to", ""),
        "reason": typed.get("reason", ""),
    }


def _seat_words(seat: Seat) -> str:
    of = f" of {seat.service.name}" if seat.service is not None else ""
    return f"{SEAT_WORDS[seat.kind]}{of}"
