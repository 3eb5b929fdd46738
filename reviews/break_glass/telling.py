"""Who hears of break-glass, and when: at once, by mail and webhook, each occasion once.

Owns the words and the receivers. A notice carries a link and no evidence; sending is reviews/notices.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings

from evidence import nudge
from identities.acting import COUNTERSIGN
from identities.models import Person
from reviews import persons
from reviews.actions import entries, reminders
from reviews.break_glass import on_call, quorum, rights
from reviews.models import BreakGlass, Case, Notice


def approvers(case: Case, *, now: datetime) -> list[Person]:
    """Everybody who could sign it, without who asked; by name."""
    return rights.persons(_able(case, now=now))


def owners(case: Case, *, now: datetime) -> list[Person]:
    """Who answers for the identity that acts: owner, sponsor and backup."""
    one = case.identity
    if one is None:
        return []
    found = persons.of_parties([one.owner_id, one.sponsor_id, one.backup_id], now=now)
    return [person for those in found.values() for person in those]


def asked(case: Case, glass: BreakGlass, *, now: datetime) -> list[Person]:
    """The first word to those whose signature is asked for; whom it was sent to. Of a team whose
    rota names somebody, that is who is on call; the others follow (`others`), if nobody looks."""
    able = _able(case, now=now)
    there = on_call.of_teams(_teams(glass), now=now, but=case.requester_id)
    paged = {one.person for those in there.values() for one in those}
    rule = rights.document_of(glass.bundle).quorum
    first = [
        one
        for one in able
        if one.person in paged
        or any(
            one.fits(place) and (place.of == "role" or place.name not in there)
            for place in rule.places()
        )
    ]
    if len(first) < len(able):
        minutes = rights.document_of(glass.bundle).page_minutes
        patience = glass.patience_at - case.opened_at
        glass.others_at = now + (patience / 2 if minutes is None else timedelta(minutes=minutes))
        glass.save(update_fields=["others_at"])
    those = rights.persons(first)
    _ask(case, glass, those, "", now=now)
    return those


def others(case: Case, glass: BreakGlass, now: datetime) -> bool:
    """The same word to those who are not on call, of teams of which nobody has signed or said that
    they look at it; False where it is not due any more."""
    if case.state != "open" or glass.others_at is None or glass.others_at > now:
        return False
    glass.others_at = None
    glass.save(update_fields=["others_at"])
    looked = {one["person"] for one in glass.acknowledged}
    looked |= {str(one.person_id) for item in case.items.all() for one in item.decisions.all()}
    able = _able(case, now=now)
    answered = {team for one in able if str(one.person) in looked for team in one.teams}
    rule = rights.document_of(glass.bundle).quorum
    late = [
        one
        for one in able
        if any(
            one.fits(place) and (place.of == "role" or place.name not in answered)
            for place in rule.places()
        )
    ]
    those = rights.persons(late)
    if those:
        _ask(case, glass, those, "Nobody on call has said that they look at it. ", now=now)
        words = "Nobody on call has said that they look at it: the others are told"
        entries.note(case, act="break_glass.others_told", words=words, by=COUNTERSIGN, now=now)
    return True


def _ask(
    case: Case, glass: BreakGlass, those: Iterable[Person], why: str, *, now: datetime
) -> None:
    """Once for each person, however often."""
    body = (
        f"{why}{case.opened_by_name} asks for {glass.minutes} min of “{_words(glass)}”. Without your"
        f" signature they may open it alone at {glass.patience_at:%H:%M:%S} UTC, and it is looked at"
        " afterwards."
    )
    _tell(case, those, "asked", "break-glass: sign or deny it now", body, now=now)


def _able(case: Case, *, now: datetime) -> list[quorum.Signer]:
    rule = rights.document_of(case.break_glass.bundle).quorum
    found = rights.able(rule, now=now, but=case.requester_id)
    return [one for one in found if one.person != case.requester_id]


def _teams(glass: BreakGlass) -> set[str]:
    rule = rights.document_of(glass.bundle).quorum
    return {one.name for one in rule.places() if one.of == "team"}


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


def duty(case: Case, *, now: datetime) -> None:
    """The word to the duty managers that somebody needs a second person."""
    those = [one for one in on_call.duty(now=now) if one.pk != case.requester_id]
    subject = "break-glass: nobody has signed, and a second person is asked for"
    body = f"{case.opened_by_name} may open it alone once somebody vouches for it, or later."
    _tell(case, those, "duty", subject, body, now=now)


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
