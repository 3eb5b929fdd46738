"""Signing a request: approve, perhaps for less; deny; send back. And saying that one looks at it.

Owns how the signatures of one request add up. Each act holds the case's row, so that of answers
given at the same instant one is the outcome; who has signed is judged again at each signature, so
that nobody counts who has left or changed teams meanwhile.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max

from identities import authority
from identities.actions import grants
from identities.models import DelegationVersion, Grant, Party, Team, User
from identities.permissions import NotAllowed, NotPossible, require
from identities.reasons import reason_given
from reviews.actions import entries
from reviews.actions.versions import Versions
from reviews.break_glass import asking, opening, quorum, rights, telling
from reviews.models import BreakGlass, Case, Decision, Item, Seat
from reviews.permissions import NOBODY

CHANGED = "What you read has changed since: read it again, then sign."


def approve(
    *,
    case: Case,
    by: User,
    now: datetime,
    digest: str,
    reason: str = "",
    minutes: int | None = None,
    actions: Sequence[str] = (),
    resources: Sequence[str] = (),
) -> Case:
    """Sign it; with the last signature that its rule asks for it is open.

    `digest`: of what was read. `minutes`, `actions`, `resources`: less than is asked for, never
    more. After a bypass a signature is recorded as late and opens nothing.
    """
    with transaction.atomic():
        case, glass = locked(case)
        require(rights.why_not_answer(by, case, now=now))
        late = rights.waiting_item(case) is None
        item = case.items.get(position=0) if late else _waiting(case)
        if digest != opening.digest(case, glass, item):
            raise NotPossible(CHANGED)
        said = reason_given(reason.strip() or "signed", what="whoever looks back at it reads it")
        shorter = {} if late else _less(item, minutes, actions, resources)
        # Whoever was on call when they signed counts, also when somebody else is when the last does.
        as_ = rights.on_call_as(by, case, now=now)
        proposal = shorter | ({"on_call": as_} if as_ else {})
        _decision(case, item, "approve", said, proposal, by=by, now=now)
        what = (
            f"approved {case.key}"
            if item.position == 0
            else f"approved that {case.key} lasts longer"
        )
        more = f", for {_less_words(shorter)}" if shorter else ", late" if late else ""
        entries.note(
            case,
            act="break_glass.approved",
            words=f"{by.called} {what}{more}{f': {reason.strip()}' if reason.strip() else ''}"[
                :1_000
            ],
            by=by,
            now=now,
            data={"digest": digest, "late": late, **shorter},
        )
        if not late and _carried(case, glass, item, now=now):
            _carry(case, glass, item, by=by, now=now)
        entries.changed(case, state=case.state, decided_at=case.decided_at)
    return case


def deny(*, case: Case, reason: str, by: User, now: datetime) -> Case:
    """One denial decides: nothing is given (of a longer time: it ends when it was to end)."""
    with transaction.atomic():
        case, glass = locked(case)
        require(rights.why_not_answer(by, case, now=now))
        if rights.waiting_item(case) is None:
            raise NotPossible("It was opened alone already: cut it off.")
        reason = reason_given(reason, what="why it is not given")
        item = _waiting(case)
        _decision(case, item, "deny", reason, {}, by=by, now=now)
        item.outcome, item.outcome_at, item.carried_out_at = "deny", now, now
        item.carried_words = (
            "nothing is given" if item.position == 0 else "it ends as it was to end"
        )
        item.save(update_fields=["outcome", "outcome_at", "carried_out_at", "carried_words"])
        fields: dict[str, Any] = {}
        if item.position == 0:
            known = Versions([glass.delegation_id], by=by.ref, now=now)
            known.reject(glass.delegation_id, case)
            known.write()
            case.state = entries.moved(case, "decide")
            case.state = entries.moved(case, "carry_out")
            case.state = entries.moved(case, "carried_out")
            fields = {"decided_at": now, "closed_at": now, "closed_by": by.ref}
        _note(case, "break_glass.denied", f"{by.called} denied it: {reason}", by=by, now=now)
        entries.changed(case, state=case.state, **fields)
        subject = f"{by.called} denied it"
        telling.asker(case, f"denied {item.position}", subject, "The case says why.", now=now)
    return case


def send_back(*, case: Case, reason: str, by: User, now: datetime) -> Case:
    """Nothing is given as it was asked: who asked reads why, and asks anew."""
    with transaction.atomic():
        case, glass = locked(case)
        require(rights.why_not_answer(by, case, now=now))
        if case.state != "open":
            raise NotPossible(f"{case.key} is {case.state.replace('_', ' ')}: deny it.")
        reason = reason_given(reason, what="what has to be asked for otherwise")
        end_unsigned(glass, now=now)
        _note(case, "break_glass.sent_back", f"{by.called} sent it back: {reason}", by=by, now=now)
        case.state = entries.moved(case, "cancel")
        entries.changed(case, state=case.state, closed_at=now, closed_by=by.ref)
        subject = f"{by.called} sent it back"
        body = "The case says what to ask for otherwise; ask anew from there."
        telling.asker(case, "sent back", subject, body, now=now)
    return case


def acknowledge(*, case: Case, by: User, now: datetime) -> Case:
    """Say that one looks at it; who asked sees that somebody is there. Twice is once."""
    with transaction.atomic():
        case, glass = locked(case)
        require(rights.why_not_answer(by, case, now=now))
        if all(one["person"] != str(by.person_id) for one in glass.acknowledged):
            at = now.isoformat()
            glass.acknowledged.append({"person": str(by.person_id), "name": by.called, "at": at})
            glass.save(update_fields=["acknowledged"])
            said = f"{by.called} looks at it"
            _note(case, "break_glass.acknowledged", said, by=by, now=now)
            entries.changed(case)
    return case


def locked(case: Case) -> tuple[Case, BreakGlass]:
    """The case's row, locked, with what this door has beside it."""
    row = entries.locked(case.pk)
    if row.door != "break_glass":
        raise NotPossible(f"{row.key} is no break-glass case.")
    glass = BreakGlass.objects.select_related("bundle", "asker", "vouched_person").get(case=row)
    row.break_glass = glass
    return row, glass


def end_unsigned(glass: BreakGlass, *, now: datetime) -> None:
    """What was proposed asks nobody any more, and was never in force."""
    DelegationVersion.objects.filter(
        delegation=glass.delegation_id, state="proposed", superseded_at__isnull=True
    ).update(superseded_at=now)


def signed_by(item: Item) -> list[Decision]:
    """Who has approved an item, in the order in which they did."""
    rows = item.decisions.filter(answer="approve", superseded_at__isnull=True)
    return list(rows.select_related("person", "seat").order_by("at", "pk"))


def _waiting(case: Case) -> Item:
    item = rights.waiting_item(case)
    if item is None:
        raise NotAllowed(f"{case.key}: no signature is asked for now.")
    return item


def _less(
    item: Item, minutes: int | None, actions: Sequence[str], resources: Sequence[str]
) -> dict[str, Any]:
    """What this signature leaves of the proposal, which it becomes; {} where it takes nothing."""
    proposal: dict[str, Any] = dict(item.proposal)
    less: dict[str, Any] = {}
    if minutes is not None and minutes != proposal["minutes"]:
        if not 1 <= minutes < proposal["minutes"]:
            raise NotPossible(f"It can be less than {proposal['minutes']} minutes, never more.")
        less["minutes"] = minutes
    if item.position == 0 and (actions or resources):
        before = authority.Grant(
            "what is asked for", 1, tuple(proposal["actions"]), tuple(proposal["resources"])
        )
        left = asking.narrowed(before, actions, resources)
        for name in ("actions", "resources"):
            if list(getattr(left, name)) != proposal[name]:
                less[name] = list(getattr(left, name))
    if less:
        item.proposal = proposal | less
        item.save(update_fields=["proposal"])
    return less


def _less_words(less: dict[str, Any]) -> str:
    said = [f"{less['minutes']} min"] if "minutes" in less else []
    return " and ".join([*said, *(["less than asked"] if len(less) > len(said) else [])])


def _decision(
    case: Case,
    item: Item,
    answer: str,
    reason: str,
    proposal: dict[str, Any],
    *,
    by: User,
    now: datetime,
) -> None:
    if by.person is None:
        raise NotAllowed(NOBODY)
    Decision.objects.create(
        item=item,
        seat=_seat(case, item, by, now=now),
        answer=answer,
        reason=reason,
        proposal=proposal,
        by=by,
        person=by.person,
        at=now,
        not_before=now,
    )


def _seat(case: Case, item: Item, by: User, *, now: datetime) -> Seat:
    """The seat of this person: their own, else a free one of a team of theirs, else one more.

    A seat says in whose queue a case is; whether it is carried is the quorum's alone.
    """
    seats = list(case.seats.filter(kind="second").order_by("place"))
    for seat in seats:
        if seat.person_id == by.person_id:
            return seat
    mine = next(iter(rights.signers([by.person_id] if by.person_id else [], now=now)))
    parties = set(Party.objects.filter(team__name__in=mine.teams).values_list("pk", flat=True))
    taken = set(item.decisions.filter(superseded_at__isnull=True).values_list("seat", flat=True))
    for seat in seats:
        free = seat.person_id is None and seat.pk not in taken and seat.place < asking.VOUCHING
        fits = seat.party_id in parties
        if seat.party_id is None:
            fits = (seat.role or "reviewer") in mine.roles
        if free and fits:
            seat.person = by.person
            seat.save(update_fields=["person"])
            return seat
    rule = rights.document_of(case.break_glass.bundle).quorum
    names = [one.name for one in rule.places() if one.of == "team" and one.name in mine.teams]
    team = Team.objects.filter(name__in=names[:1]).first()
    last = case.seats.filter(place__lt=asking.VOUCHING).aggregate(last=Max("place"))["last"]
    place = 0 if last is None else last + 1
    return Seat.objects.create(
        case=case,
        kind="second",
        place=place,
        position=place,
        party=None if team is None else Party.objects.get_or_create(team=team)[0],
        person=by.person,
        since=now,
    )


def _carried(case: Case, glass: BreakGlass, item: Item, *, now: datetime) -> bool:
    rule = rights.document_of(glass.bundle).quorum
    asker = rights.asker_of(case.requester_id, now=now)
    return quorum.carried(rule, rights.signed(signed_by(item), now=now), asker=asker) is not None


def _carry(case: Case, glass: BreakGlass, item: Item, *, by: User, now: datetime) -> None:
    """All signatures are there: it opens, or lasts longer."""
    if item.position != 0:
        _longer(case, glass, item, by=by, now=now)
        return
    case.state = entries.moved(case, "decide")
    case.state = entries.moved(case, "carry_out")
    words = opening.give(case, glass, item, minutes=item.proposal["minutes"], by=by, now=now)
    case.decided_at = now
    said = f"Signed by all that its bundle asks for: {words}"
    _note(case, "break_glass.opened", said, by=by, now=now)
    subject = "it is signed: your access is being made"
    telling.asker(case, "opened", subject, "The case says how to use it.", now=now)


def _longer(case: Case, glass: BreakGlass, item: Item, *, by: User, now: datetime) -> None:
    more = timedelta(minutes=item.proposal["minutes"])
    ends = (glass.ends_at or now) + more
    for one in Grant.objects.filter(case=case.pk).exclude(state="ended"):
        ends = one.ends_at + more
        grants.extend(one.pk, until=ends, by=by, case=case.pk, now=now)
    glass.ends_at, glass.longer_at = ends, now
    glass.save(update_fields=["ends_at", "longer_at"])
    words = f"it lasts until {ends:%-d %b %Y %H:%M:%S} UTC"
    item.outcome, item.outcome_at = "approve", now
    item.carried_out_at, item.carried_words = now, words
    item.save(update_fields=["outcome", "outcome_at", "carried_out_at", "carried_words"])
    _note(case, "break_glass.longer", f"Signed: {words}", by=by, now=now)
    telling.asker(case, "longer", words, "The case says what is open.", now=now)


def _note(case: Case, act: str, words: str, *, by: User, now: datetime) -> None:
    entries.note(case, act=act, words=words[:1_000], by=by, now=now)
