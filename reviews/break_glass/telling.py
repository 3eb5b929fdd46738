"""Who hears of break-glass, and when: at once, by mail and webhook, each occasion once.

Owns the words and the receivers. A notice carries a link and no evidence; sending is reviews/notices.
"""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings

from evidence import nudge
from identities.models import Person
from reviews import persons
from reviews.actions import reminders
from reviews.break_glass import rights
from reviews.models import BreakGlass, Case, Notice


def approvers(case: Case, *, now: datetime) -> list[Person]:
    """Everybody who could sign it, without who asked; by name."""
    rule = rights.document_of(case.break_glass.bundle).quorum
    found = [one for one in rights.able(rule, now=now) if one.person != case.requester_id]
    return rights.persons(found)


def owners(case: Case, *, now: datetime) -> list[Person]:
    """Who answers for the identity that acts: owner, sponsor and backup."""
    one = case.identity
    if one is None:
        return []
    found = persons.of_parties([one.owner_id, one.sponsor_id, one.backup_id], now=now)
    return [person for those in found.values() for person in those]


def asked(case: Case, glass: BreakGlass, *, now: datetime) -> list[Person]:
    """The first word to those whose signature is asked for; whom it was sent to."""
    those = approvers(case, now=now)
    body = (
        f"{case.opened_by_name} asks for {glass.minutes} min of “{_words(glass)}”. Without your"
        f" signature they may open it alone at {glass.patience_at:%H:%M:%S} UTC, and it is looked at"
        " afterwards."
    )
    _tell(case, those, "asked", "break-glass: sign or deny it now", body, now=now)
    return those


def asker(case: Case, occasion: str, subject: str, body: str, *, now: datetime) -> None:
    """A word to who asked."""
    if case.requester is not None:
        _tell(case, [case.requester], occasion, subject, body, now=now)


def everybody(case: Case, occasion: str, subject: str, body: str, *, now: datetime) -> list[Person]:
    """The loud word: every approver that was passed over, who answers for the identity, responders,
    administrators, and the addresses for alarms. Whom it was sent to, by name."""
    those = [
        *approvers(case, now=now),
        *owners(case, now=now),
        *persons.in_group("responder", now=now),
        *persons.in_group("administrator", now=now),
    ]
    found = {one.pk: one for one in those if one.pk != case.requester_id}
    _tell(case, found.values(), occasion, subject, body, now=now)
    if settings.ALERT_EMAIL and not case.sealed:
        # It is nobody's login: whoever watches it needs no identity provider.
        reminders.send(
            [
                Notice(
                    address=settings.ALERT_EMAIL,
                    subject=f"{case.key}: {subject}",
                    body=f"{body}\n\n{settings.BASE_URL}/cases/{case.key}/\n",
                    case=case.pk,
                    occasion=f"{case.key} {occasion}",
                    created_at=now,
                    not_before=now,
                )
            ]
        )
    return sorted(found.values(), key=lambda one: (one.name, one.pk))


def some(
    case: Case, those: Iterable[Person], occasion: str, subject: str, body: str, *, now: datetime
) -> None:
    """A word to these."""
    _tell(case, those, occasion, subject, body, now=now)


def drill(person: Person, slug: str, occasion: str, *, now: datetime) -> None:
    """A bundle has to be practised: no case yet."""
    Notice.objects.bulk_create(
        [
            Notice(
                person=person,
                subject=f"Break-glass: practise {slug}",
                body=f"A drill of {slug} is due: somebody who may need it asks for it as a drill,"
                f" and others sign.\n\n{settings.BASE_URL}/break-glass/new/?bundle={slug}&drill=1\n",
                occasion=occasion,
                created_at=now,
                not_before=now,
            )
        ],
        ignore_conflicts=True,
    )
    nudge.after_commit("notice.written")


def _tell(
    case: Case,
    those: Iterable[Person],
    occasion: str,
    subject: str,
    body: str,
    *,
    now: datetime,
) -> None:
    reminders.tell(case, those, occasion=occasion, subject=subject, body=body, now=now)


def _words(glass: BreakGlass) -> str:
    return str(glass.bundle.document.get("words", glass.bundle.slug))
