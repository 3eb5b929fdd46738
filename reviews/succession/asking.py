"""Whom what came by succession is told to, and how long they have to answer.

Owns the notices of it. Who takes over, and what silence does, is passing.py.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from identities.models import Person
from reviews import persons
from reviews.actions import attesting, questions
from reviews.attestation_bounds import Attestation
from reviews.models import Succession, SuccessionItem

from . import mailing

DAY = timedelta(days=1)


def over_at(pks: Sequence[UUID], *, now: datetime) -> dict[UUID, questions.Over]:
    """When the time of these items is over, and whether they have reached anybody."""
    rows = list(
        SuccessionItem.objects.filter(pk__in=pks).select_related("succession", "delegation")
    )
    asked = persons.of_parties({row.heir_id for row in rows}, now=now)
    terms = attesting.terms_of([pk for row in rows if (pk := _under(row)) is not None], now=now)
    found = []
    for row in rows:
        about_it = _under(row)
        says = Attestation() if about_it is None else terms[about_it].says
        people = asked.get(row.heir_id, []) if row.heir_id is not None else []
        found.append(
            questions.Question(
                f"{row.succession.key} ",
                frozenset(one.pk for one in people),
                says.accept_within_days * DAY,
                row.succession.noticed_at,
            )
        )
    return dict(zip([row.pk for row in rows], questions.due(found, now=now), strict=True))


def _under(row: SuccessionItem) -> UUID | None:
    """The identity whose terms it is under."""
    return row.delegation.grantee_id if row.delegation is not None else row.identity_id


def tell(succession: Succession, items: Sequence[SuccessionItem], *, now: datetime) -> None:
    """One word to each person it came to, however much it is and in however many batches it comes;
    nobody where a scope observes."""
    asked = [one for one in items if one.state == "asked" and one.deadline_at is not None]
    of = persons.of_parties((one.heir_id for one in asked), now=now)
    told = {
        person.pk: person
        for one in asked
        if one.heir_id is not None
        for person in of.get(one.heir_id, ())
    }
    mailing.write(
        [_word(succession, person) for person in told.values()],
        page="/owned/",
        occasion=f"{succession.key} came {now:%Y-%m-%d %H:%M}",
        now=now,
    )


def _word(succession: Succession, person: Person) -> mailing.Mail:
    """Who moved is asked about their own; everybody else about what has come to them."""
    until = f"by {succession.deadline_at:%Y-%m-%d %H:%M} UTC; what you decline goes to the next."
    if succession.why == "moved" and succession.person_id == person.pk:
        return mailing.Mail(
            person,
            f"{succession.key}: is it still yours?",
            f"You have left {succession.team}. Say of each thing that you answer for whether it"
            f" still is yours {until}",
        )
    return mailing.Mail(
        person,
        f"{succession.key}: accept or decline what has come to you",
        f"{succession.gone}, and you answer for now for what was theirs. Say of each thing whether"
        f" you accept {until}",
    )


def tell_undelivered(row: SuccessionItem, what: str, *, now: datetime) -> None:
    """Those above hear that a question reached nobody, so that somebody sees why."""
    subject = f"{row.succession.key}: a question reached nobody"
    body = (
        f"Whether {row.heir} answers for {what} was asked and never delivered, so it goes on to the"
        " next. See why mail to them does not arrive."
    )
    mailing.write(
        [mailing.Mail(person, subject, body) for person in persons.above(now=now)],
        page=f"/successions/{row.succession.key}/",
        occasion=f"undelivered {row.succession.key} {row.pk} {row.heir_id}",
        now=now,
    )
