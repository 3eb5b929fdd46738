"""Who is here and who has left: the list, one person, and what follows when they leave or move.

Owns the contexts of templates/people.html and person.html, and their shapes for scripts. What is
said is written by identities/actions/leaving.py. Constant queries.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from evidence.parameters import Known, understood
from identities import permissions
from identities.actions import leaving, registration
from identities.models import Identity, Membership, Party, Person, ProposedChange, Team, User
from identities.permissions import NotPossible
from reviews import owner_permissions
from reviews.actions import places
from reviews.models import Succession
from reviews.pages.lists import PAGES, choice, page_of, taken_out
from reviews.succession import foreseen, noticing

PATH = "/people/"
OF_PEOPLE: Known = {"q": (), "state": ("here", "left"), **PAGES}


def named(q: str, state: str, *, now: datetime) -> QuerySet[Person]:
    """People by name; `state`: here, left or both."""
    rows = Person.objects.select_related("manager").prefetch_related("users")
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(email__icontains=q))
    gone = Q(left_at__lte=now)
    if state in ("here", "left"):
        rows = rows.filter(gone) if state == "left" else rows.exclude(gone)
    return rows.order_by("name", "pk")


def say(
    person: Person,
    *,
    state: str,
    at: datetime,
    team: str,
    reason: str,
    dry_run: bool,
    by: User,
    now: datetime,
) -> ProposedChange | None:
    """They left, are here or moved; what a second person signs first. `dry_run`: every refusal, and
    nothing is changed."""
    waits: ProposedChange | str = ""
    if state != "here":
        permissions.require(owner_permissions.why_not_say_gone(by, person, now=now))
    with transaction.atomic():
        if state != "moved":
            then = at if state == "left" else None
            waits = leaving.say(person=person, at=then, reason=reason, by=by, now=now) or ""
        else:
            to = Team.objects.filter(name=team).first() if team else None
            if team and to is None:
                raise NotPossible(f"No team is called {team[:80]!r}.")
            waits = registration.move(person=person, to=to, at=at, reason=reason, by=by, now=now)
        if dry_run:
            transaction.set_rollback(True)
    return waits if isinstance(waits, ProposedChange) and not dry_run else None


def person_out(one: Person, *, now: datetime) -> dict[str, Any]:
    """One person, for scripts."""
    return {
        "id": str(one.pk),
        "name": one.name,
        "email": one.email,
        "logins": [user.username for user in one.users.all()],
        "manager": "" if one.manager is None else one.manager.name,
        "state": "left" if one.left_at is not None and one.left_at <= now else "here",
        "left_at": one.left_at,
    }


def follows_out(found: foreseen.Foreseen) -> dict[str, Any]:
    """What follows, for scripts."""
    return {
        "opens_a_list": found.opens,
        "theirs": found.counts,
        "next": [
            {
                "identity": one.identity.key,
                "name": one.identity.name,
                "goes_to": "" if one.heir is None else str(one.heir),
            }
            for one in found.owned
        ],
        "could_read": found.could_read,
        "ends": found.ends,
        "signatures_waiting": found.seats,
    }


def listed(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/people.html."""
    asked, left_out = understood(asked, OF_PEOPLE)
    why_not = owner_permissions.why_not_see_successions(user)
    q, state = asked.get("q", "").strip()[:200], asked.get("state", "")
    rows = named(q, state, now=now)
    shown, page = page_of(rows if why_not is None else rows.none(), asked, PATH)
    return {
        "section": "successions",
        "title": "People",
        "left_out": left_out,
        "now": now,
        "why_not": why_not or "",
        "q": q,
        "filters": [choice("state", "State", ("here", "left"), state)],
        "rows": [person_out(one, now=now) | {"url": f"{PATH}{one.pk}/"} for one in shown],
        "out_query": taken_out(asked),
        "page": page,
    }


def one(person: Person, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/person.html, apart from its form."""
    found = foreseen.foresee(person, at=now, now=now)
    # Of who is leaving, the form also says that they stay after all.
    why_not = (
        owner_permissions.why_not_say_gone(user, person, now=now)
        if person.left_at is None
        else permissions.why_not_say_who_left(user, person, now=now)
    )
    lists = Succession.objects.filter(person=person).select_related("person", "team")
    teams = Membership.objects.filter(
        person=person, superseded_at__isnull=True, during__contains=now
    )
    return {
        "section": "successions",
        "title": person.name,
        "now": now,
        "person": person_out(person, now=now)
        | {
            "url": f"{PATH}{person.pk}/",
            "teams": list(teams.order_by("team__name").values_list("team__name", flat=True)),
        },
        "why_not": why_not or "",
        "waits": list(leaving.proposed(subject=f"person:{person.pk}").order_by("number")),
        "follows": found,
        "theirs": [{"label": role, "words": f"{count:,}"} for role, count in found.counts.items()],
        "next": [
            {
                "key": row.identity.key,
                "name": row.identity.name,
                "url": f"/identities/{row.identity.key}/",
                "heir": "" if row.heir is None else str(row.heir),
            }
            for row in found.owned
        ],
        "lists": [
            {
                "key": row.key,
                "url": f"/successions/{row.key}/",
                "words": noticing.WHY[row.why].format(name=row.person or "", team=row.team or ""),
                "at": row.at,
            }
            for row in lists.order_by("-number")[:10]
        ],
        "places_url": _places(person, now=now),
        "ledger_url": f"/ledger/?subject=person:{person.pk}",
    }


def _places(person: Person, *, now: datetime) -> str:
    """Where others are named for whom they still are backup or sponsor of, once they have left."""
    gone = Party.objects.filter(person=person).first()
    if gone is None or person.left_at is None or person.left_at > now:
        return ""
    there = places.named(gone, Identity.objects.all()).exists()
    return f"/owned/left/{gone.pk}/" if there else ""
