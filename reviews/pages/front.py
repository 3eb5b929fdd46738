"""The front page: what waits for me, what burns, how aligned we are. Constant queries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Case as Case_
from django.db.models import Max, QuerySet, When

from evidence import proofs
from evidence.models import Source
from evidence.parameters import NOTHING, understood
from evidence.queries import sources
from evidence.words import counted
from identities.models import Credential, DelegationVersion, Identity, User
from reviews import visible
from reviews.actions import activating, second_looks
from reviews.models import Case
from reviews.models.incidents import SEVERITIES
from reviews.pages import (
    aligned,
    break_glass_lists,
    foreseen,
    frame,
    freshness,
    lists,
    planted,
    room_acts,
    unfinished,
    waiting,
)

SHOWN = 8


def context(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/front.html."""
    found = waiting.for_user(user, now=now)
    _, left_out = understood(asked, NOTHING)
    overdue = sum(one.deadline_at <= now for one in found)
    burning = [group for group in _burning(user, now=now) if group["n"]]
    systems, of_systems = lists.first_systems(user, 4, now=now)
    shares = aligned.of(user, now=now)
    many = second_looks.count(user, now=now, most=second_looks.MOST_COUNTED + 1)
    looks = second_looks.in_words(many)
    frame.walked(user, len(found), many, now=now)
    return {
        "section": "front",
        "now": now,
        "title": "Home",
        "left_out": left_out,
        "today": now.date(),
        "lead": _lead(found, looks, overdue, burning),
        "first_url": found[0].url if found else "",
        # Here the first few stand; what a number counts stands in the queue.
        "tabs": [tab | {"url": f"/queue/{tab['url']}"} for tab in waiting.tabs(found, "")],
        "waits": waiting.rows(planted.beside(found[:SHOWN]), now=now),
        "burning": burning,
        "incidents_of_others": 0 if burning else _of_others(user, now=now),
        "aligned": shares,
        "aligned_lines": any(one["points"] for one in shares),
        "aligned_at": now,
        "systems": systems,
        "systems_total": of_systems,
        # What is no case and waits all the same; the frame has counted the other kinds.
        "drafts": activating.waiting_for(user, now=now).count(),
        "tasks": room_acts.tasks_of(user, now=now).count(),
        "second_looks": looks,
        "setup": _setup(),
    }


def _lead(
    found: list[waiting.Waiting],
    looks: second_looks.Waits | None,
    overdue: int,
    burning: list[dict[str, Any]],
) -> list[dict[str, str]]:
    """The sentence under the heading, each number with the way to its rows."""
    said = [{"words": "No case waits for you.", "url": ""}]
    if looks:
        said = [{"words": f"{looks}.", "url": second_looks.MINE}]
    if found:
        things = waiting.many(len(found), found)
        words = "1 thing waits for you." if things == 1 else f"{things} things wait for you."
        said = [{"words": words, "url": "/queue/"}]
    if overdue:
        verb = "is" if overdue == 1 else "are"
        words = f"{waiting.many(overdue, found)} {verb} overdue."
        said.append({"words": words, "url": "/queue/?due=passed"})
    for group in burning:
        if group["icon"] == "ban":
            verb = "is" if group["n"] == 1 else "are"
            words = f"{counted(group['n'], 'revocation')} {verb} not effective yet."
            said.append({"words": words, "url": group["url"]})
    return said


def _burning(user: User, *, now: datetime) -> list[dict[str, Any]]:
    return [
        _incidents(user, now=now),
        unfinished.burning(user, now=now, most=SHOWN),
        break_glass_lists.burning(user, now=now),
        _overdue(user, now=now),
        _silent(now=now),
    ]


def _incidents(user: User, *, now: datetime) -> dict[str, Any]:
    """Incidents that are not over, the gravest first."""
    rows = visible.cases(user, now=now).filter(door="incident", state__in=lists.UNDER_WAY)
    shown = list(
        rows.select_related("identity", "room").order_by(
            Case_(
                *(
                    When(room__severity=one, then=place)
                    for place, one in enumerate(reversed(SEVERITIES))
                ),
                default=len(SEVERITIES),
            ),
            "opened_at",
        )[:SHOWN]
    )
    return {
        "title": "Active incidents",
        "icon": "flame",
        "n": rows.count() if len(shown) == SHOWN else len(shown),
        "url": "/cases/?door=incident&state=under_way",
        "rows": [
            {
                "words": f"{case.key}: {case.title}",
                "sub": f"severity {case.room.severity}" if hasattr(case, "room") else "",
                "url": f"/incidents/{case.key}/",
                "state": "",
                "when": case.opened_at,
                "when_words": "",
                "share": None,
            }
            for case in shown
        ],
    }


def _of_others(user: User, *, now: datetime) -> int:
    """Active incidents that this user does not see, apart from sealed ones."""
    active = Case.objects.filter(door="incident", state__in=lists.UNDER_WAY, sealed=False)
    return active.exclude(pk__in=visible.cases(user, now=now).values("pk")).count()


def _overdue(user: User, *, now: datetime) -> dict[str, Any]:
    rows = visible.cases(user, now=now).filter(state="open", deadline_at__lte=now)
    shown = list(rows.select_related("identity").order_by("deadline_at")[:SHOWN])
    if not shown:
        return {"n": 0}  # and is left out
    silence = foreseen.of_cases(shown, freshness.of_cases(shown, now=now), now=now)
    return {
        "title": "Deadlines passed",
        "icon": "clock",
        "n": rows.count() if len(shown) == SHOWN else len(shown),
        "url": "/cases/?due=passed",
        "rows": [
            {
                "words": case.title,
                "sub": f"silence: {silence[case.pk]}",
                "url": f"/cases/{case.key}/",
                "state": "",
                "when": case.deadline_at,
                "when_words": "",
                "share": None,
            }
            for case in shown
        ],
    }


def _silent(*, now: datetime) -> dict[str, Any]:
    """Sources that promised to be heard of and were not."""
    promised = (
        Source.objects.filter(expected_every_seconds__isnull=False)
        .annotate(received=Max("deposits__received_at"))
        .order_by("name")
    )
    found = [
        (source, source.received)
        for source in promised
        if sources.state(source, source.received, gap=False, now=now).state == "silent"
    ]
    return {
        "title": "Silent sources",
        "icon": "plug",
        "n": len(found),
        "url": "/sources/?state=silent",
        "rows": [
            {
                "words": source.title or source.name,
                "sub": f"expected every {source.expected_every_seconds} s",
                "url": f"/sources/{source.name}/",
                "state": "",
                "when": last,
                "when_words": "",
                "share": None,
            }
            for source, last in found[:SHOWN]
        ],
    }


def _there(queries: Sequence[QuerySet[Any]]) -> Sequence[bool]:
    """Whether each of these has a row, asked at once."""
    asked: list[str] = []
    params: list[Any] = []
    for one in queries:
        sql, given = one.order_by().values("pk").query.sql_with_params()
        asked.append(f"EXISTS ({sql})")
        params += given
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(asked)}", params)
        found: Sequence[bool] = cursor.fetchone()
    return found


def _setup() -> dict[str, Any] | None:
    """What is left to set up; disappears when all is done."""
    rows = [
        (
            "Connect an identity source",
            "/sources/new/",
            Source.objects.filter(plane="identity").exclude(name=proofs.SOURCE),
        ),
        ("Connect an AI trace source", "/sources/new/", Source.objects.filter(plane="ai")),
        (
            "Register an identity with an owner",
            "/identities/",
            Identity.objects.filter(owner__isnull=False),
        ),
        (
            "See a credential issued",
            "/credentials/",
            Credential.objects.filter(issued_at__isnull=False),
        ),
        ("Sign a delegation", "/requests/new/", DelegationVersion.objects.filter(signed=True)),
        (
            "Open the first review",
            "/identities/",
            Case.objects.filter(door="access_review", sealed=False),
        ),
        ("Name a tie-breaker", "/identities/", Identity.objects.filter(sponsor__isnull=False)),
        (
            "Turn consequences on for one identity",
            "/identities/",
            Identity.objects.exclude(mode="observe"),
        ),
    ]
    there = _there([found for _, _, found in rows])
    done = [(words, url, one) for (words, url, _), one in zip(rows, there, strict=True)]
    count = sum(one for _, _, one in done)
    if count == len(done):
        return None
    return {
        "done": count,
        "of": len(done),
        "rows": [{"words": words, "url": url, "done": one} for words, url, one in done],
    }
