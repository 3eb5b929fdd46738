"""The rows behind the numbers of the burn-down: the things that nobody owns, questions, answers.

Owns what such a list is narrowed by and its words. Of single persons no name stands here: nobody
is measured by how much lies before them. Writes nothing.
"""

from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_date

from evidence.parameters import Known, understood
from identities.claims import questioning
from identities.models import Claim, ClaimAnswer, Party, Team, User
from reviews.pages.claim_wave import KINDS, SAID, labels, tabs, url_of
from reviews.pages.lists import PAGES, choice, page_of

THINGS, QUESTIONS, ANSWERS = "/unclaimed/things/", "/unclaimed/asked/", "/unclaimed/answered/"
# What a thing is counted as (identities/claims/counting.py counts the same).
STANDS: dict[str, tuple[str, Q]] = {
    "left": ("without an owner", Q(state__in=["open", "answered"])),
    "asked": ("asked about now", Q(state="open", asked_at__isnull=False)),
    "later": (
        "to be asked about later",
        Q(state="open", asked_at__isnull=True, party__isnull=False),
    ),
    "nobody": ("nobody is known to ask", Q(state="open", party__isnull=True)),
    "owned": ("owned by an answer", Q(state="owned")),
}
SUBJECTS = {"identity": "identities", "actor": "actors"}
PERSONS = "none"  # how an address names those who are asked by name
MOST_QUESTIONS = 1_000


def _is_team(text: str) -> bool:
    if text == PERSONS:
        return True
    try:
        return Team.objects.filter(pk=UUID(text)).exists()
    except ValueError:
        return False


OF_THINGS: Known = {
    "stands": tuple(STANDS),
    "of": tuple(SUBJECTS),
    "team": _is_team,
    "about": (),
    "q": (),
    **PAGES,
}
OF_QUESTIONS: Known = {"team": _is_team, **PAGES}
OF_ANSWERS: Known = {"day": lambda text: _day(text) is not None, **PAGES}


def address(path: str, **said: Any) -> str:
    """A list behind a number; what is None narrows nothing."""
    kept = {name: value for name, value in said.items() if value is not None}
    return f"{path}?{urlencode(kept)}" if kept else path


def team_of(team: UUID | None) -> str:
    return PERSONS if team is None else str(team)


def things(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/unclaimed_things.html: the things, those that were asked about longest first."""
    asked, left_out = understood(asked, OF_THINGS)
    stands = asked.get("stands") or "left"
    rows = _of_team(Claim.objects.filter(STANDS[stands][1]), asked.get("team", ""), "party__")
    if asked.get("of"):
        rows = rows.filter(**{f"{asked['of']}__isnull": False})
    if asked.get("about"):
        rows = rows.filter(bundle=asked["about"])
    q = asked.get("q", "").strip()[:200]
    if q:
        rows = rows.filter(Q(identity__name__icontains=q) | Q(actor__value__icontains=q))
    total = rows.count()
    shown, page = page_of(
        rows.select_related("identity", "actor", "party__team").order_by("asked_at", "pk"),
        asked,
        THINGS,
    )
    called = labels(row.bundle for row in shown)
    return _page(user, "Things that nobody owns", left_out, now) | {
        "q": q,
        "filters": [
            choice("stands", "Which", {name: words for name, (words, _) in STANDS.items()}, stands),
            choice("of", "Of", SUBJECTS, asked.get("of", "")),
        ],
        "hidden": [
            {"name": name, "value": asked[name]} for name in ("team", "about") if asked.get(name)
        ],
        "narrowed": [
            {"words": words, "url": address(THINGS, **{**asked, name: None, "page": None})}
            for name, words in (
                ("team", _called(asked.get("team", ""))),
                ("about", labels([asked["about"]])[asked["about"]] if asked.get("about") else ""),
            )
            if words
        ],
        "rows": [_thing(row, called[row.bundle]) for row in shown],
        "page": page | {"total": total},
    }


def questions(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/unclaimed_asked.html: the questions that lie before somebody, the largest first."""
    asked, left_out = understood(asked, OF_QUESTIONS)
    parties = _of_team(Party.objects.all(), asked.get("team", ""), "")
    open_ones = Claim.objects.filter(STANDS["asked"][1], party__in=parties.values("pk"))
    found = questioning.asked_of(
        list(open_ones.order_by().values_list("party", flat=True).distinct()), MOST_QUESTIONS
    )
    shown, page = page_of(found, asked, QUESTIONS)
    called = labels(one.about for one in shown)
    teams = Party.objects.select_related("team").in_bulk({one.party for one in shown})
    return _page(user, "Questions that wait", left_out, now) | {
        "narrowed": [{"words": words, "url": QUESTIONS}]
        if (words := _called(asked.get("team", "")))
        else [],
        "rows": [
            {
                "label": called[one.about],
                "url": url_of(one.party, one.about),
                "team": _team(teams[one.party]),
                "n": one.n,
                "since": one.since,
            }
            for one in shown
        ],
        "page": page | {"total": len(found)},
    }


def answers(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/unclaimed_answered.html: what was answered on a day, in whose name only for teams."""
    asked, left_out = understood(asked, OF_ANSWERS)
    rows = ClaimAnswer.objects.filter(undone_at__isnull=True)
    day = _day(asked.get("day", ""))
    if day is not None:
        rows = rows.filter(at__date=day)
    total = rows.count()
    shown, page = page_of(rows.select_related("party__team").order_by("-at", "-pk"), asked, ANSWERS)
    called = labels(row.bundle for row in shown if row.bundle)
    return _page(user, "Answers", left_out, now) | {
        "narrowed": [{"words": f"on {day:%-d %b %Y}", "url": ANSWERS}] if day else [],
        "rows": [
            {
                "at": row.at,
                "said": SAID[row.answer],
                "label": called.get(row.bundle) or str(row.rule.get("words", "")),
                "team": "by a signed rule" if row.party is None else _team(row.party),
                "n": row.asked,
                "owned": row.owned,
                "carried": row.carried_at is not None,
            }
            for row in shown
        ],
        "page": page | {"total": total},
    }


def _page(user: User, title: str, left_out: str, now: datetime) -> dict[str, Any]:
    return {
        "section": "unclaimed",
        "title": title,
        "crumbs": [{"words": "Burn-down", "url": "/unclaimed/burn-down/"}],
        "tabs": tabs(user, ""),
        "left_out": left_out,
        "now": now,
    }


def _of_team[Rows: QuerySet[Any]](rows: Rows, team: str, path: str) -> Rows:
    if not team:
        return rows
    if team == PERSONS:
        return rows.filter(**{f"{path}person__isnull": False})
    return rows.filter(**{f"{path}team": UUID(team)})


def _called(team: str) -> str:
    """A team that an address names, in words."""
    if not team:
        return ""
    return "asked by name" if team == PERSONS else Team.objects.get(pk=UUID(team)).name


def _team(party: Party) -> str:
    return party.team.name if party.team is not None else "somebody, by name"


def _thing(row: Claim, about: str) -> dict[str, Any]:
    named = row.identity
    kind = named.kind if named is not None else row.actor.kind if row.actor else ""
    return {
        "name": named.name if named is not None else row.actor.value if row.actor else "",
        "url": f"/identities/{named.key}/"
        if named is not None
        else address("/events/", actor=row.actor_id),
        "actor": named is None,
        "kind": KINDS.get(kind, kind.replace("_", " ")),
        "about": about,
        "asked": "" if row.party is None else _team(row.party),
        "since": row.asked_at,
        "state": row.state,
        "answered": row.state != "open",
    }


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None
