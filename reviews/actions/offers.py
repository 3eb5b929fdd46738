"""Handing over an identity: offered, accepted, declined, passed on, taken back, lapsed.

Owns OwnerOffer rows. Until somebody accepts, whoever owned it answers for it. An offer is settled
under the lock of its identity, so two answers at once are one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from evidence import nudge
from identities.acting import COUNTERSIGN, By, acting
from identities.actions import identities as identity_actions
from identities.actions import owning
from identities.models import Identity, Party, Person, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import owner_permissions, persons
from reviews.models import Notice, OwnerOffer
from reviews.models.owning import REFUSED

from . import attesting, handing, questions, seats_of_owner

HOW = {"hand_over": "hands over", "not_mine": "says it is not theirs, and to ask"}
# Who refused an identity is not asked about it again for so long.
REMEMBERED = timedelta(days=365)
LAPSED_AT_ONCE = 100


def offer(
    *, identity: Identity, to: str, how: str, reason: str, by: User, now: datetime
) -> OwnerOffer:
    """Ask a person or team to own the identity. `how`: hand_over, or not_mine ("ask X")."""
    if how not in HOW:
        raise NotPossible(f"{how[:40]!r} is no way to ask: write hand_over or not_mine.")
    with transaction.atomic():
        identity = identity_actions.locked(identity.pk)
        require(owner_permissions.why_not_offer(by, identity, now=now))
        reason = reason_given(reason, what="whoever is asked reads it")
        return _ask(identity, handing.party_called(to), how, reason, by=by, now=now)


def _ask(
    identity: Identity, party: Party, how: str, reason: str, *, by: User, now: datetime
) -> OwnerOffer:
    if party.pk == identity.owner_id:
        raise NotPossible(f"{party} owns {identity.name} already.")
    asked = able(party, identity, now=now)
    last = (
        OwnerOffer.objects.filter(
            identity=identity, to=party, state__in=REFUSED, settled_at__gt=now - REMEMBERED
        )
        .order_by("-settled_at")
        .first()
    )
    if last is not None and last.settled_at is not None:
        raise NotPossible(
            f"{party} refused {identity.name} on {last.settled_at:%Y-%m-%d}"
            f" ({last.settled_reason[:200]}): ask somebody else."
        )
    within = attesting.terms_of([identity.pk], now=now)[identity.pk].says.accept_within_days
    who = acting(by)
    try:
        with transaction.atomic():
            row = OwnerOffer.objects.create(
                identity=identity,
                to=party,
                how=how,
                reason=reason,
                asked_at=now,
                asked_by=who.ref,
                asked_by_name=who.name,
                asked_person=by.person,
                deadline_at=now + timedelta(days=within),
            )
    except IntegrityError:
        open_one = OwnerOffer.objects.select_related("to__person", "to__team").get(
            identity=identity, state="open"
        )
        raise NotPossible(
            f"{open_one.to} is asked about {identity.name} already: wait for the answer, or take"
            " the question back."
        ) from None
    identity_actions.record(
        identity,
        by=by,
        now=now,
        act="owner.offered",
        words=f"{who.name} {HOW[how]} {party} about {identity.name}: {reason}"[:1_000]
        if how == "not_mine"
        else f"{who.name} {HOW[how]} {identity.name} to {party}: {reason}"[:1_000],
        data={"offer": str(row.pk), "to": str(party.pk), "how": how, "reason": reason},
    )
    tell(
        asked,
        identity,
        occasion=f"offer {row.pk}",
        subject="you are asked to answer for it",
        body=f"{who.name} asks you to own {identity.key} until"
        f" {row.deadline_at:%Y-%m-%d %H:%M} UTC. Until you accept, {identity.owner or 'nobody'}"
        " answers for it.",
        now=now,
    )
    return row


def able(party: Party, identity: Identity, *, now: datetime) -> list[Person]:
    """The persons of a party who could answer for the identity, or NotPossible with a sentence."""
    there = persons.of_parties([party.pk], now=now).get(party.pk, [])
    why = f"Nobody stands for {party} now."
    able = []
    for person in there:
        barred = owner_permissions.why_not_take(person, identity)
        if barred is None:
            able.append(person)
        why = barred or why
    if not able:
        raise NotPossible(why)
    return able


def accept(*, offer: OwnerOffer, by: User, now: datetime) -> OwnerOffer:
    """Own it from now on; reviews that wait for the old owner's signature wait for the new one."""
    with transaction.atomic():
        row = _locked(offer.pk)
        require(owner_permissions.why_not_answer_offer(by, row, now=now))
        _settle(row, "accepted", by=by, now=now, reason="")
        was = row.identity.owner
        identity = owning.give(
            identity=row.identity,
            to=row.to,
            basis="accepted",
            by=by,
            now=now,
            because=f"{row.asked_by_name} asked: {row.reason}",
        )
        seats_of_owner.follow(identity, was=was, to=row.to, by=by, now=now)
        _tell_asker(row, f"{row.to} answers for {identity.key} now.", now=now)
    return row


def decline(
    *, offer: OwnerOffer, reason: str, by: User, now: datetime, ask: str = ""
) -> OwnerOffer:
    """Not theirs; with `ask`, the question goes to that person or team. The old owner stays."""
    with transaction.atomic():
        row = _locked(offer.pk)
        require(owner_permissions.why_not_answer_offer(by, row, now=now))
        reason = reason_given(reason, what="whoever is asked next reads it")
        _settle(row, "passed" if ask.strip() else "declined", by=by, now=now, reason=reason)
        said = f"{row.to} does not answer for {row.identity.key}."
        if ask.strip():
            following = _ask(
                row.identity, handing.party_called(ask), "not_mine", reason, by=by, now=now
            )
            said += f" {following.to} is asked now."
        else:
            said += f" {row.identity.owner or 'Nobody'} still does."
        _tell_asker(row, said, now=now)
    return row


def withdraw(*, offer: OwnerOffer, by: User, now: datetime) -> OwnerOffer:
    """Take the question back."""
    with transaction.atomic():
        row = _locked(offer.pk)
        require(owner_permissions.why_not_withdraw_offer(by, row, now=now))
        _settle(row, "withdrawn", by=by, now=now, reason="")
    return row


def lapse_next(*, now: datetime) -> bool:
    """Offers that nobody answered in time are over, a batch at a time: the old owner stays. Time in
    which the question had reached nobody, or nobody could answer it, is added; one that reaches
    nobody is over after twice its time, and those above are told."""
    with transaction.atomic():
        due = OwnerOffer.objects.filter(state="open", deadline_at__lte=now)
        rows = list(due.select_related("identity").order_by("deadline_at")[:LAPSED_AT_ONCE])
        pks = [row.pk for row in rows]
        over = dict(zip(pks, _over_at(rows, now=now), strict=True))
        for pk in pks:
            row = _locked(pk)
            at, reached = over[pk]
            if row.state == "open" and at > row.deadline_at:
                row.deadline_at = at
                row.save(update_fields=["deadline_at"])
            if row.state == "open" and row.deadline_at <= now:
                _lapse(row, reached=reached, now=now)
        return bool(pks)


def _lapse(row: OwnerOffer, *, reached: bool, now: datetime) -> None:
    owner = row.identity.owner or "nobody"
    if reached:
        _settle(row, "over", by=COUNTERSIGN, now=now, reason="nobody answered in time")
        _tell_asker(row, f"{row.to} did not answer: {owner} still does.", now=now)
        return
    _settle(row, "over", by=COUNTERSIGN, now=now, reason=questions.REACHED_NOBODY)
    said = f"The question to {row.to} was never delivered: {owner} still answers."
    _tell_asker(row, said, now=now)
    tell(
        [one for one in persons.above(now=now) if one.pk != row.asked_person_id],
        row.identity,
        occasion=f"offer {row.pk} undelivered",
        subject="a question reached nobody",
        body=f"{said} See why mail to them does not arrive, and ask somebody else.",
        now=now,
    )


def _over_at(rows: Sequence[OwnerOffer], *, now: datetime) -> list[questions.Over]:
    asked = persons.of_parties({row.to_id for row in rows}, now=now)
    terms = attesting.terms_of({row.identity_id for row in rows}, now=now)
    found = [
        questions.Question(
            f"{row.identity.key} offer {row.pk}",
            frozenset(one.pk for one in asked.get(row.to_id, ())),
            timedelta(days=terms[row.identity_id].says.accept_within_days),
            row.asked_at,
        )
        for row in rows
    ]
    return questions.due(found, now=now)


def _locked(pk: UUID) -> OwnerOffer:
    """The offer under its identity's lock, with what its words need."""
    identity = OwnerOffer.objects.values_list("identity", flat=True).get(pk=pk)
    locked = identity_actions.locked(identity)
    row = (
        OwnerOffer.objects.select_for_update(of=("self",))
        .select_related("to__person", "to__team", "asked_person")
        .get(pk=pk)
    )
    row.identity = locked
    return row


SETTLED = {
    "accepted": "accepted to answer for",
    "declined": "does not answer for",
    "passed": "does not answer for",
    "withdrawn": "took back the question about",
    "over": "ended the question about",
}


def _settle(row: OwnerOffer, state: str, *, by: By, now: datetime, reason: str) -> None:
    who = acting(by)
    row.state, row.settled_at, row.settled_reason = state, now, reason
    row.settled_by, row.settled_by_name = who.ref, who.name
    row.save(
        update_fields=[
            "state",
            "settled_at",
            "settled_reason",
            "settled_by",
            "settled_by_name",
        ]
    )
    words = f"{who.name} {SETTLED[state]} {row.identity.name}"
    identity_actions.record(
        row.identity,
        by=by,
        now=now,
        at=row.deadline_at if state == "over" else None,
        act=f"owner.{state}",
        words=(f"{words}: {reason}" if reason else words)[:1_000],
        data={"offer": str(row.pk), "to": str(row.to_id), "reason": reason},
    )


def _tell_asker(row: OwnerOffer, said: str, *, now: datetime) -> None:
    if row.asked_person is not None:
        tell(
            [row.asked_person],
            row.identity,
            occasion=f"offer {row.pk} {row.state}",
            subject="your question was answered" if row.state != "over" else "nobody answered",
            body=said,
            now=now,
        )


def tell(
    people: list[Person],
    identity: Identity,
    *,
    occasion: str,
    subject: str,
    body: str,
    now: datetime,
) -> None:
    """One notice each, once for the occasion: links and keys, no evidence and no purposes."""
    send(notices(people, identity, occasion=occasion, subject=subject, body=body, now=now))


def send(rows: Sequence[Notice]) -> None:
    """Write these notices, unless one was written before."""
    Notice.objects.bulk_create(rows, ignore_conflicts=True)
    nudge.after_commit("notice.written")


def notices(
    people: list[Person],
    identity: Identity,
    *,
    occasion: str,
    subject: str,
    body: str,
    now: datetime,
) -> list[Notice]:
    """What `tell` writes, unwritten: for a sweep that tells of many at once."""
    return [
        Notice(
            person=person,
            channel="mail",
            subject=f"{identity.key}: {subject}",
            body=f"{body}\n\n{settings.BASE_URL}/owned/\n",
            occasion=f"{identity.key} {occasion}",
            created_at=now,
            not_before=now,
        )
        for person in {one.pk: one for one in people}.values()
    ]
