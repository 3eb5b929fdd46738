"""Mails to who added and signed sources that contradict each other. Written once a day for each
pair, by a sweep.

One of the two is wrong, and whoever runs them can find out which. Where nobody of them is there any
more, or a source was added on the command line, the administrators are told.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from evidence.models import Source
from evidence.words import counted
from identities.actions import source_changes
from identities.models import Finding, Person, ProposedChange, User
from identities.source_conflicts import Open, Pair, of_pairs
from reviews import persons
from reviews.succession import mailing
from reviews.succession.mailing import Mail

# What is older is on the pages of sources all the same.
LATEST = timedelta(days=1)


def tell(*, now: datetime) -> int:
    """Tell of pairs of which something was found lately; of how many. A second run tells nobody
    twice."""
    lately = of_pairs(Finding.objects.filter(opened_at__gte=now - LATEST))
    if not lately:
        return 0
    # What is open of them in all.
    pairs = {pair: one for pair, one in of_pairs().items() if pair in lately}
    answering = _answering({name for pair in pairs for name in (pair.one, pair.other)}, now=now)
    for pair, one in pairs.items():
        people = {who.pk: who for name in (pair.one, pair.other) for who in answering[name]}
        mailing.write(
            [Mail(who, *_letter(pair, one)) for who in people.values()],
            page=one.url,
            occasion=f"sources {pair} {now.date()}",
            now=now,
        )
    return len(pairs)


def _letter(pair: Pair, one: Open) -> tuple[str, str]:
    """Subject and body."""
    calls = f"{counted(one.calls, 'call')}, since {one.since:%Y-%m-%d %H:%M} UTC"
    body = (
        f"{pair.one} {pair.words}: {calls}.\n\nOne of the two is wrong: a sender states request ids"
        " that are not its own, or a log is incomplete. Find out which, correct it, and settle the"
        " finding. You get this mail because you added or signed one of these sources, or because"
        " you are an administrator and nobody else is known for it."
    )
    return f"Source {pair.one[:80]} {pair.words[:120]}", body


def _answering(names: Iterable[str], *, now: datetime) -> dict[str, list[Person]]:
    """By source, who added it and who signed that; else the administrators."""
    people: dict[str, set[UUID | None]] = {name: set() for name in names}
    logins: dict[str, str] = {}
    for name, by in Source.objects.filter(name__in=people).values_list("name", "created_by"):
        if by.startswith("user:"):
            logins[name] = by.removeprefix("user:")
    known = dict(User.objects.filter(pk__in=logins.values()).values_list("pk", "person"))
    for name, login in logins.items():
        people[name] |= {person for pk, person in known.items() if str(pk) == login}
    for subject, *both in ProposedChange.objects.filter(
        kind=source_changes.KIND,
        subject__in=[f"source:{name}" for name in people],
        document__act="add",
        state__in=["in_force", "ended"],
    ).values_list("subject", "proposed_person", "settled_person"):
        people[subject.removeprefix("source:")] |= set(both)
    wanted = {one for found in people.values() for one in found if one is not None}
    there = {
        one.pk: one
        for one in Person.objects.filter(pk__in=wanted)
        if one.left_at is None or one.left_at > now
    }
    instead = persons.in_group("administrator", now=now)
    return {
        name: [there[one] for one in found if one in there] or instead
        for name, found in people.items()
    }
