"""Comments as a case page and its JSON show them. A constant number of queries."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from identities.models import Person, User
from reviews import commenting, persons
from reviews.actions.commenting import LONGEST, digest
from reviews.exports import moment
from reviews.models import Case, Comment

if TYPE_CHECKING:
    from reviews.pages.case import Parts

SHOWN = 20
MOST_HINTS = 8


def context(parts: "Parts", asked: dict[str, str]) -> dict[str, Any]:
    """The comments' part of templates/case.html: the newest, oldest of them first."""
    case = parts.case
    total = case.comments.count()
    most = total if asked.get("comments") == "all" else SHOWN
    rows = list(_rows(case)[:most])[::-1]
    why = commenting.why_not_comment(parts.user, case, now=parts.now)
    return {
        "rows": [_row(one, names) for one, names in _with_names(rows)],
        "total": total,
        "all_url": "?comments=all#comments-title" if total > len(rows) else "",
        "action_url": f"/cases/{case.key}/comment/",
        "why_not": why or "",
        "longest": LONGEST,
        "hints": [] if why else _hints(parts),
        "text": asked.get("comment", ""),
    }


def as_data(case: Case) -> list[dict[str, Any]]:
    """All of them, oldest first: the member `comments` of a case's JSON."""
    return [of_one(one, names) for one, names in _with_names(list(_rows(case))[::-1])]


def of_one(row: Comment, names: Sequence[str]) -> dict[str, Any]:
    """One comment as JSON."""
    return {
        "comment": str(row.pk),
        "at": moment(row.at),
        "by": row.person.name,
        "item": None if row.item_id is None else str(row.item_id),
        "text": row.text,
        "mentioned": list(names),
        "digest": digest(row),
    }


def _rows(case: Case) -> Any:
    return case.comments.select_related("person", "item").order_by("-at", "-pk")


def _with_names(rows: Sequence[Comment]) -> list[tuple[Comment, list[str]]]:
    called = Person.objects.in_bulk([one for row in rows for one in row.mentioned])
    return [(row, [called[one].name for one in row.mentioned if one in called]) for row in rows]


def _row(one: Comment, names: Sequence[str]) -> dict[str, Any]:
    return {
        "id": str(one.pk),
        "at": one.at,
        "by": one.person.name,
        "text": one.text,
        "to": ", ".join(names),
        "item": "" if one.item is None else one.item.title,
        "item_url": "" if one.item_id is None else f"?item={one.item_id}",
    }


def _hints(parts: "Parts") -> list[dict[str, str]]:
    """How the people of the seats are named: a reader of the case sees who sits there already."""
    seated = persons.of_parties(
        {one for seat in parts.seats for one in (seat.party_id, seat.backup_id)}, now=parts.now
    )
    wanted = {one.pk: one for found in seated.values() for one in found}
    if parts.case.sealed:
        members = set(parts.case.members.values_list("person", flat=True))
        wanted = {pk: one for pk, one in wanted.items() if pk in members}
    wanted = {pk: one for pk, one in wanted.items() if pk != parts.user.person_id}
    logins = User.objects.filter(person__in=wanted, is_active=True).order_by("username")
    return [
        {"login": login, "name": wanted[person].name}
        for login, person in logins.values_list("username", "person")[:MOST_HINTS]
        if commenting.named(f"@{login}") == [login.lower()]
    ]


def written(row: Comment) -> dict[str, Any]:
    """What the API answers to who has just written it."""
    ((_, names),) = _with_names([row])
    return of_one(row, names)
