"""Answering a planted item like every other one, and taking the answer back.

Owns PlantedAnswer rows, the form in which pages draw planted items (as items and decisions that
are never saved), and the mail at the end to whoever answered some. Touches no item, decision, seat or case. The ledger says that something
planted was answered; by whom and how is a figure of one person, so it holds the digest only.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import rfc8785
from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q

from evidence import ledger
from identities.acting import COUNTERSIGN
from identities.models import User
from identities.permissions import NotAllowed, NotPossible, require
from identities.reasons import reason_given
from reviews import outcomes, planted_permissions, shown
from reviews.attention import TEAM
from reviews.models import (
    Campaign,
    Case,
    Decision,
    Item,
    Notice,
    PlantedAnswer,
    PlantedItem,
    Planting,
    Seat,
)
from reviews.permissions import NOBODY, SIGNING

from . import answers, entries, narrowing, reminders


def as_item(row: PlantedItem, case: Case | None = None) -> Item:
    """A planted item as pages draw items; never saved, and nothing is behind it."""
    item = Item(
        id=row.pk,
        position=row.before,
        kind=row.kind,
        title=row.title,
        note=row.note,
        proposal=row.proposal,
        recommendation=row.recommendation,
        recommendation_reason=row.recommendation_reason,
        snapshot=row.snapshot,
    )
    if case is not None:
        item.case = case
    item.__dict__["_planted"] = row
    return item


def behind(item: Item) -> PlantedItem | None:
    """What was planted, of an item that `as_item` made; None for every real one."""
    row: PlantedItem | None = item.__dict__.get("_planted")
    return row


def reading_of(item: Item) -> UUID | None:
    """The reading that what a system allows rests on; of a planted one, that of what it copies."""
    row = behind(item)
    return item.ref if row is None else row.copied_from.ref


def find(case: Case, pk: UUID) -> Item | None:
    """A planted item of a case that is not disclosed, as an item."""
    row = PlantedItem.objects.filter(case=case, pk=pk, disclosed_at__isnull=True).first()
    return None if row is None else as_item(row, case)


def answer(
    item: Item,
    *,
    case: Case,
    seat: Seat,
    answer: str,
    reason: str,
    by: User,
    now: datetime,
    version: int,
    proposal: Mapping[str, Any] | None = None,
) -> Decision:
    """Sign an answer on a planted item, judged as on a real one; as a decision that is not saved."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        row = PlantedItem.objects.select_for_update(of=("self",)).get(pk=item.pk)
        seats = case.seats.select_related("party__person", "party__team", "backup", "stage")
        taken = seats.select_related("person").filter(pk=seat.pk).first()
        if taken is None or row.case_id != case.pk:
            raise NotPossible("This seat belongs to another case.")
        taken.case = case
        require(planted_permissions.why_not_answer(by, case, taken, row, now=now))
        reason = reason_given(reason, what="other reviewers will read it")
        entries.fresh_enough(case, version, by=by)
        stored = answers.check(row.kind, answer, proposal or {}, row.proposal, now)
        if answer == "narrow" and row.kind == "delegation":
            narrowing.refuse(shown.stated(item), stored)
        if by.person is None:
            raise NotAllowed(NOBODY)
        row.answers.filter(seat=taken, superseded_at__isnull=True).update(superseded_at=now)
        given = PlantedAnswer.objects.create(
            item=row,
            seat=taken,
            answer=answer,
            reason=reason,
            proposal=stored,
            by=by,
            person=by.person,
            at=now,
            not_before=now if answer in answers.AT_ONCE else now + answers.UNDO,
        )
        _note_answer(row, given, "was answered", now=now)
        item.case = case
        item.outcome = outcome(case, list(row.answers.filter(superseded_at__isnull=True)))
    return as_decision(given, item)


def undo(item: Item, *, case: Case, by: User, now: datetime) -> None:
    """Take back one's own last answer on a planted item; what it had changed stands again."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        row = PlantedItem.objects.select_for_update(of=("self",)).get(pk=item.pk)
        require(planted_permissions.why_not_undo(by, case, row, now=now))
        last = row.answers.filter(superseded_at__isnull=True, by=by).latest("at")
        last.superseded_at = now
        last.save(update_fields=["superseded_at"])
        before = row.answers.filter(seat=last.seat, superseded_at=last.at).exclude(pk=last.pk)
        again = before.order_by("-at", "-pk").first()
        if again is None:
            _note_answer(row, last, "is no longer answered", now=now)
            return
        again.superseded_at = None
        again.save(update_fields=["superseded_at"])
        _note_answer(row, again, "is answered as before", now=now)


def as_decision(row: PlantedAnswer, item: Item) -> Decision:
    """An answer as pages draw answers; never saved."""
    return Decision(
        item=item,
        seat_id=row.seat_id,
        answer=row.answer,
        reason=row.reason,
        proposal=row.proposal,
        by=row.by,
        person=row.person,
        at=row.at,
        not_before=row.not_before,
    )


def outcome(case: Case, given: Sequence[PlantedAnswer]) -> str:
    """What the page says it came to; "" while a seat is missing, or where they differ."""
    said = {row.seat_id: row.answer for row in given}
    seats = case.seats.filter(kind__in=SIGNING, turn="now").values_list("pk", flat=True)
    return outcomes.between_seats({str(pk): said.get(pk) for pk in seats}, due=False).answer or ""


def _note_answer(row: PlantedItem, given: PlantedAnswer, did: str, *, now: datetime) -> None:
    """That it was, and what binds it: who and what are for nobody but its signer."""
    campaign = row.planting.campaign
    said = {
        "answer": str(given.pk),
        "planted": str(row.pk),
        "seat": str(given.seat_id),
        "person": str(given.person_id),
        "said": given.answer,
        "reason": given.reason,
        "proposal": given.proposal,
    }
    note(
        campaign,
        act="campaign.planted_answer",
        words=f"A planted item of {campaign.name} {did}",
        now=now,
        data={"withheld": digest(said)},
    )


def tell(planting: Planting, *, now: datetime) -> None:
    """Once all that was planted in a campaign is disclosed: one mail to each person who answered
    some, with their own figures and nobody else's. One statement, however many people."""
    campaign = planting.campaign
    given = (
        PlantedAnswer.objects.filter(item__planting=planting, superseded_at__isnull=True)
        .filter(Q(person__left_at__isnull=True) | Q(person__left_at__gt=now))
        .values("person")
        .annotate(
            many=Count("pk"),
            right=Count("pk", filter=Q(answer=F("item__known"))),
            unsure=Count("pk", filter=Q(answer="dont_know")),
        )
    )
    reminders.send(
        [
            Notice(
                person_id=row["person"],
                subject=f"{campaign.key}: some of what you answered was planted",
                body=_disclosed(campaign, row["many"], row["right"], row["unsure"]),
                occasion=f"{campaign.key} planted items disclosed",
                created_at=now,
                not_before=now,
            )
            for row in given.order_by("person")
        ]
    )


def _disclosed(campaign: Campaign, many: int, right: int, unsure: int) -> str:
    were, answers_were = ("was", "Its answer was") if many == 1 else ("were", "Their answers were")
    dont_know = (
        f"; to {unsure:,} you answered don't know, which counts as neither" if unsure else ""
    )
    return (
        f"{many:,} of the items that you answered in {campaign.name} {were} planted."
        f" {answers_were} known beforehand, and nothing was applied or counted.\n\n"
        f"You answered {right:,} of {many:,} as known{dont_know}. Nobody else is shown your figures:"
        f" teams and campaigns have sums over at least {TEAM} people, and nothing follows from them."
        f"\n\nWhich they were, and why: {settings.BASE_URL}/deciding/\n"
    )


def digest(said: Any) -> str:
    """SHA-256 over the RFC 8785 form, as hexadecimal."""
    return sha256(rfc8785.dumps(said)).hexdigest()


def note(campaign: Campaign, *, act: str, words: str, now: datetime, data: dict[str, Any]) -> None:
    """One ledger entry of the campaign, in nobody's name."""
    ledger.append(
        at=now,
        by=COUNTERSIGN.ref,
        by_name=COUNTERSIGN.name,
        act=act,
        subject=campaign.key,
        words=words,
        data={"campaign": str(campaign.pk)} | data,
    )
