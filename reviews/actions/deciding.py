"""Signing: a seat's answer on an item, changing it, taking it back, breaking a tie.

Owns Decision rows. The evidence shown is copied into a capsule in the same transaction, how the
answer was given is measured beside it (attention.py), and two people who sign at once meet each
other at the case's version.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from evidence import capsules
from evidence.models import Capsule
from identities.models import User
from identities.permissions import NotAllowed, NotPossible, require
from identities.reasons import reason_given
from reviews import permissions, shown, standing
from reviews.attention import QUICK
from reviews.models import Case, Decision, Item, Seat

from . import (
    answers,
    attention,
    consequences,
    disclosing,
    entries,
    grants,
    holds,
    narrowing,
    planted_answers,
    reminders,
    seats,
    settling,
    stages,
)


def decide(
    *,
    case: Case,
    item: Item,
    seat: Seat,
    answer: str,
    reason: str,
    by: User,
    now: datetime,
    version: int,
    proposal: Mapping[str, Any] | None = None,
) -> Decision:
    """Sign an answer in a seat. Signing again supersedes; nothing is overwritten."""
    if planted_answers.behind(item) is not None:
        return planted_answers.answer(
            item,
            case=case,
            seat=seat,
            answer=answer,
            reason=reason,
            by=by,
            now=now,
            version=version,
            proposal=proposal,
        )
    with transaction.atomic():
        case, item, seat = _locked(case, item, seat, by=by)
        require(permissions.why_not_sit(by, case, seat, now=now))
        reason = reason_given(reason, what="other reviewers will read it")
        if case.state != "open":
            raise NotPossible(f"{case.key} is {case.state.replace('_', ' ')}: it is not open.")
        entries.fresh_enough(case, version, by=by)
        require(permissions.why_not_decide(by, case, seat, item, now=now))
        if seats.never_alone(case, now=now, signer=by.person_id) is not None:
            reminders.ask(case, now=now)
        _may_be_kept(case, item, answer, now=now)
        stored = answers.check(item.kind, answer, proposal or {}, item.proposal, now)
        if answer == "narrow" and item.kind == "delegation":
            _only_narrows(item, stored, now=now)
        row = _sign(case, item, seat, answer, reason, stored, by=by, now=now)
        if answer not in QUICK:
            attention.settle_taken_back(case, by=by, now=now)
        outcome = settling.settle(case, item, now=now)
        _note(case, item, seat, row, by=by, now=now, outcome=outcome)
        _at_once(case, item, now=now)
        entries.changed(case)
        settling.finish(case, now=now)
    return row


def tie_break(
    *, case: Case, item: Item, answer: str, reason: str, by: User, now: datetime, version: int
) -> Decision:
    """Decide between the two answers of seats that differ, after the deadline."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        seat = case.seats.filter(kind="tie_breaker").select_related("party", "backup").first()
        if seat is None:
            raise NotPossible(f"{case.key} has no tie-breaker.")
        case, item, seat = _locked(case, item, seat, by=by)
        require(permissions.why_not_sit(by, case, seat, now=now))
        reason = reason_given(reason, what="both seats will read it")
        if case.state != "open":
            raise NotPossible(f"{case.key} is {case.state.replace('_', ' ')}: it is not open.")
        entries.fresh_enough(case, version, by=by)
        if item.outcome != "conflict":
            raise NotPossible("There is no conflict to settle on this item.")
        require(permissions.why_not_settle(by, case, seat, item, now=now))
        _may_be_kept(case, item, answer, now=now)
        given = [
            row
            for row in settling.current(item)
            if row.seat.kind in permissions.SIGNING and row.seat.turn == "now"
        ]
        if answer not in {row.answer for row in given}:
            raise NotPossible(
                "The tie-breaker decides between the answers given:"
                f" {' or '.join(sorted({answers.WORDS[row.answer] for row in given}))}."
            )
        chosen = next(row for row in given if row.answer == answer)
        row = _sign(case, item, seat, answer, reason, dict(chosen.proposal), by=by, now=now)
        outcome = settling.settle(case, item, now=now, due=True)
        _note(case, item, seat, row, by=by, now=now, outcome=outcome)
        _at_once(case, item, now=now)
        entries.changed(case)
        settling.finish(case, now=now)
    return row


def undo(*, case: Case, item: Item, by: User, now: datetime) -> None:
    """Take back one's own last answer on an item before it has gone out; what it had changed
    stands again."""
    if planted_answers.behind(item) is not None:
        planted_answers.undo(item, case=case, by=by, now=now)
        return
    with transaction.atomic():
        case = entries.locked(case.pk)
        item = case.items.select_for_update().get(pk=item.pk)
        require(permissions.why_not_undo(by, case, item, now=now))
        row = (
            item.decisions.filter(superseded_at__isnull=True, by=by)
            .select_related("seat__stage")
            .order_by("-at", "-pk")
            .first()
        )
        if row is None:
            raise NotPossible("You have no answer on this item to take back.")
        row.superseded_at = now
        row.save(update_fields=["superseded_at"])
        before = item.decisions.filter(seat=row.seat, superseded_at=row.at).exclude(pk=row.pk)
        again = before.order_by("-at", "-pk").first()
        if again is not None:
            again.superseded_at = None
            again.save(update_fields=["superseded_at"])
        attention.settle_taken_back(case, by=by, now=now)
        reopened = case.state == "decided"
        settling.settle(case, item, now=now)
        withheld = stages.withholds(case, row.seat.stage)
        said = " the answer" if withheld else f" {answers.WORDS[row.answer].lower()}"
        stands = ""
        if again is not None:
            what = "the answer before it" if withheld else answers.WORDS[again.answer].lower()
            stands = f"; {what} stands again"
        entries.note(
            case,
            act="item.undone",
            words=f"{by.called} took back{said} on {item.title}{stands}"[:1_000],
            by=by,
            now=now,
            data={
                "item": str(item.pk),
                "decision": str(row.pk),
                "stands": None if again is None else str(again.pk),
            },
        )
        if reopened:
            entries.changed(case, state=entries.moved(case, "reopen"), decided_at=None)
        else:
            entries.changed(case)
        if again is not None:
            # Others may have answered since: with it, the item or the case may be decided.
            _at_once(case, item, now=now)
            settling.finish(case, now=now)


def _at_once(case: Case, item: Item, *, now: datetime) -> None:
    """What goes out at commit. What lets in waits while the case is provisional; a stop never."""
    stops = item.outcome != "approve" or "containment" in item.proposal
    if stops or not attention.waits(case):
        consequences.at_once(case, item, now=now)


def _locked(case: Case, item: Item, seat: Seat, *, by: User) -> tuple[Case, Item, Seat]:
    """The three rows and who signs, locked in one order: case, item, seat, person."""
    case = entries.locked(case.pk)
    found = case.items.select_for_update(of=("self",)).filter(pk=item.pk).first()
    if found is None:
        raise NotPossible("This item belongs to another case.")
    taken = (
        case.seats.select_for_update(of=("self",))
        .select_related("party__person", "party__team", "backup", "person", "stage")
        .filter(pk=seat.pk)
        .first()
    )
    if taken is None:
        raise NotPossible("This seat belongs to another case.")
    if by.person_id is not None:
        attention.one_at_a_time(by.person_id)
    # One case object for all three, so that nothing reads a stale one.
    found.case = taken.case = case
    return case, found, taken


def _sign(
    case: Case,
    item: Item,
    seat: Seat,
    answer: str,
    reason: str,
    proposal: dict[str, Any],
    *,
    by: User,
    now: datetime,
) -> Decision:
    if by.person is None:
        raise NotAllowed(permissions.NOBODY)
    if seat.person_id != by.person_id:
        if seat.person_id is not None:
            seat.signed_before = [*seat.signed_before, seat.person_id]
        seat.person = by.person
        seat.save(update_fields=["person", "signed_before"])
    seen = shown.of_item(item, case.identity)
    capsule = _freeze(case, item, seen, by=by, now=now)
    measured = attention.measure(case, item, seat, events=seen.refs, by=by, now=now)
    Decision.objects.filter(item=item, seat=seat, superseded_at__isnull=True).update(
        superseded_at=now
    )
    row = Decision.objects.create(
        item=item,
        seat=seat,
        answer=answer,
        reason=reason,
        proposal=proposal,
        by=by,
        person=by.person,
        at=now,
        not_before=now if answer in answers.AT_ONCE else now + answers.UNDO,
        capsule=capsule,
        shown_at=measured.shown_at,
        evidence_opened=measured.evidence_opened,
        batch=measured.batch,
    )
    attention.mark(case, row, measured)
    return row


def _freeze(case: Case, item: Item, seen: shown.Shown, *, by: User, now: datetime) -> Capsule:
    """What the signer saw: the events beside the item, its usage and the recommendation."""
    found = shown.findings_of(item, seen.refs, case.identity)
    # Who signed on a finding is told when late evidence withdraws it, whichever case asked first.
    case.findings.add(*found)
    return capsules.freeze(
        subject=case.key,
        events=seen.refs,
        query={
            "item": str(item.pk),
            "kind": item.kind,
            "title": item.title,
            "identity": None if case.identity is None else case.identity.key,
            "newest": shown.MOST_OF_EACH,
        },
        shown={
            "usage": {key: item.snapshot[key] for key in sorted(item.snapshot)},
            "findings": [one.key for one in found],
            "proposal": item.proposal,
            "recommendation": item.recommendation,
            "recommendation_reason": item.recommendation_reason,
        },
        missing=seen.missing,
        by=by.ref,
        now=now,
    )


def _note(
    case: Case, item: Item, seat: Seat, row: Decision, *, by: User, now: datetime, outcome: str
) -> None:
    capsule = row.capsule
    words = answers.WORDS[row.answer].lower()
    if stages.withholds(case, seat.stage):
        _note_withheld(case, item, seat, row, by=by, now=now)
        return
    before = item.decisions.filter(seat=seat, superseded_at=now).exclude(pk=row.pk).first()
    did = (
        f"answered {words}"
        if before is None
        else f"changed {answers.WORDS[before.answer].lower()} to {words}"
    )
    entries.note(
        case,
        act="item.settled" if seat.kind == "tie_breaker" else "item.answered",
        words=f"{by.called} {did} on {item.title}, as {permissions.SEAT_WORDS[seat.kind]}",
        by=by,
        now=now,
        data={
            "item": str(item.pk),
            "seat": seat.kind,
            "answer": row.answer,
            "before": None if before is None else before.answer,
            "reason": row.reason,
            "proposal": row.proposal,
            "outcome": outcome,
            "capsule": None if capsule is None else capsule.key,
            "capsule_digest": None if capsule is None else bytes(capsule.digest).hex(),
        },
    )


def _note_withheld(
    case: Case, item: Item, seat: Seat, row: Decision, *, by: User, now: datetime
) -> None:
    """That it was answered, and what binds the answer: a later stage must not read it here."""
    entries.note(
        case,
        act="item.answered",
        words=f"{by.called} answered on {item.title}, as {permissions.SEAT_WORDS[seat.kind]}; what,"
        " is written here when the blind stage is over",
        by=by,
        now=now,
        data={
            "item": str(item.pk),
            "seat": seat.kind,
            "withheld": disclosing.commitment(row),
            # What was shown, and not what was answered.
            "capsule": None if row.capsule is None else row.capsule.key,
            "capsule_digest": None if row.capsule is None else bytes(row.capsule.digest).hex(),
        },
    )


def _may_be_kept(case: Case, item: Item, answer: str, *, now: datetime) -> None:
    why = standing.why_not_keep(case, item, now=now) if answer == "keep" else None
    if why is not None:
        raise NotPossible(why)


def _only_narrows(item: Item, left: Mapping[str, Any], *, now: datetime) -> None:
    """A narrowing that reaches beyond what is in force is a request, not an answer. What the seats'
    differing holds was in force, and is what they answer about."""
    delegation = grants.locked(item.ref)
    current = (
        holds.stopped(item, now=now)
        or grants.in_force(delegation, now=now)
        or grants.proposed(delegation)
    )
    if current is None:
        raise NotPossible(f"{delegation.key} is not in force: there is nothing to narrow.")
    narrowing.refuse(current, left)
