"""From triggers to micro-reviews: one open item about one thing, with a deadline of its own.

Owns `Trigger.state` and the opening of these cases. The identity is locked first, as every
opener does (reviews/actions/opening.py), so two workers never ask twice. Scopes that only
observe and what a policy leaves alone are counted and not asked.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from evidence import nudge
from evidence.words import counted
from identities.acting import COUNTERSIGN
from identities.models import Finding, Identity
from identities.reasons import LONGEST_REASON
from reviews.actions import (
    advising,
    entries,
    opening,
    policy_versions,
    proposing,
    reminders,
    rungs,
    seats,
)
from reviews.micro_reviews import TRIGGERS, Asked
from reviews.models import Case, Item, ReviewPolicy, Trigger

LIVE = ("draft", "open")
# Of one identity and one trigger; more than so many wait for the next turn.
MOST_ITEMS = 50
GONE = "what it was about is gone"


def askable(named: Iterable[str], *, now: datetime) -> QuerySet[Trigger]:
    """The triggers of these names that wait and may be asked about: by mode and exemption."""
    alone = policy_versions.left_alone(now=now)
    return (
        Trigger.objects.filter(state="waiting", name__in=list(named))
        .exclude(identity__state="retired")
        .exclude(identity__mode="observe")
        .exclude(identity__number__in=alone)
    )


def open_next(*, now: datetime) -> bool:
    """Ask about all that waits of one identity and one trigger; False when nothing does."""
    policy = policy_versions.in_force(now=now)
    named = policy_versions.document_of(policy).micro_reviews
    with transaction.atomic():
        waiting = askable(named, now=now)
        first = waiting.order_by("found_at", "pk").values_list("identity", "name").first()
        if first is None:
            return False
        identity = opening.locked([first[0]])[0]
        rows = list(
            waiting.filter(identity=identity, name=first[1])
            .select_for_update(of=("self",))
            .order_by("found_at", "pk")[:MOST_ITEMS]
        )
        if rows:
            _ask(identity, rows, policy, named[first[1]], now=now)
    return True


def _ask(
    identity: Identity,
    rows: Sequence[Trigger],
    policy: ReviewPolicy,
    asked: Asked,
    *,
    now: datetime,
) -> None:
    name = rows[0].name
    held = Trigger.objects.filter(identity=identity, name=name, state="asked")
    held.exclude(case__state__in=LIVE).update(state="over")
    there = {one.about: one for one in held.select_related("case")}
    open_now: dict[UUID, Case] = {
        about: one.case for about, one in there.items() if one.case is not None
    }
    fresh: dict[UUID, Item] = {}
    review = opening.live_review(identity)
    if review is not None and (review.state != "open" or review.sealed or review.silence_done_at):
        review = None
    for row in rows:
        if row.about in open_now or row.about in fresh:
            continue
        item = item_of(identity, row, now=now)
        if item is not None:
            fresh[row.about] = item
    if review is not None and _answered(review, fresh):
        review = None
    case = _case(identity, rows, fresh, review, policy, asked, now=now) if fresh else None
    for row in rows:
        if row.about in open_now:
            row.state, row.case = "joined", open_now[row.about]
        elif row.about in fresh:
            row.state, row.case = "asked", case
        else:
            row.state, row.known_why = "known", GONE
        if case is not None and row.about in fresh:
            # The next one about the same thing joins it.
            open_now[row.about] = case
    Trigger.objects.bulk_update(rows, ["state", "case", "known_why"])
    _note(rows, case, now=now)


def _answered(review: Case, fresh: dict[UUID, Item]) -> bool:
    """Whoever has answered there did not know this: it is asked about in a case of its own."""
    given = review.items.filter(decisions__superseded_at__isnull=True, decisions__isnull=False)
    known = set(given.values_list("kind", "ref"))
    return any((one.kind, one.ref) in known for one in fresh.values())


def item_of(identity: Identity, row: Trigger, *, now: datetime) -> Item | None:
    """What is decided about a trigger, not saved and without a case; None when it is gone."""
    kind = TRIGGERS[row.name].item
    if kind in ("delegation", "entitlement", "credential"):
        return advising.alone(proposing.one(identity, kind, row.about, now=now), identity, now=now)
    return Item(
        kind=kind,
        ref=row.about,
        title=row.title,
        note=TRIGGERS[row.name].words,
        snapshot=row.facts,
    )


def _case(
    identity: Identity,
    rows: Sequence[Trigger],
    fresh: dict[UUID, Item],
    review: Case | None,
    policy: ReviewPolicy,
    asked: Asked,
    *,
    now: datetime,
) -> Case:
    """The case that asks: the review that is open already, else one of its own."""
    if review is not None:
        case = entries.locked(review.pk)
        known = set(case.items.values_list("kind", "ref"))
        place = case.items.count()
        new = [one for one in fresh.values() if (one.kind, one.ref) not in known]
        _add(case, new, place)
        entries.touched(case.pk)
        _tell_who_answered(case, rows, now=now)
    else:
        case = _opened(identity, rows, list(fresh.values()), policy, asked, now=now)
    case.findings.add(*_findings(rows))
    seats.never_alone(case, now=now)
    reminders.ask(case, now=now)
    return case


def _findings(rows: Sequence[Trigger]) -> QuerySet[Finding]:
    """The findings that stand behind these, where a trigger names one."""
    return Finding.objects.filter(
        pk__in=[row.facts["finding"] for row in rows if "finding" in row.facts]
    )


def _tell_who_answered(case: Case, rows: Sequence[Trigger], *, now: datetime) -> None:
    """Who has answered already does not look again by themselves."""
    standing = {"decisions__isnull": False, "decisions__superseded_at__isnull": True}
    for seat in case.seats.filter(**standing).select_related("person").distinct():
        if seat.person is not None:
            reminders.ask_again(
                case,
                seat.person,
                why="Something happened after your answers, and it is asked about here as well.",
                occasion=f"trigger {rows[0].pk}",
                now=now,
            )


def _add(case: Case, items: Sequence[Item], place: int) -> None:
    for position, item in enumerate(items, start=place):
        item.case, item.position = case, position
    Item.objects.bulk_create(items)


def _title(identity: Identity, items: Sequence[Item], name: str) -> str:
    said = f"{TRIGGERS[name].words.capitalize()}: {identity.name}"
    if TRIGGERS[name].item == "identity":
        return said
    what = items[0].title if len(items) == 1 else counted(len(items), "item")
    return f"{said}: {what}"[:500]


def _opened(
    identity: Identity,
    rows: Sequence[Trigger],
    items: Sequence[Item],
    policy: ReviewPolicy,
    asked: Asked,
    *,
    now: datetime,
) -> Case:
    name = rows[0].name
    case = Case(
        door="access_review",
        state="open",
        trigger=name,
        title=_title(identity, items, name),
        identity=identity,
        policy=policy,
        opened_at=now,
        opened_by=COUNTERSIGN.ref,
        opened_by_name=COUNTERSIGN.name,
        reason=" ".join(one.words for one in rows)[:LONGEST_REASON],
        deadline_at=now + timedelta(hours=asked.hours),
        # What it rests on may be late, sampled or absent: it is asked about, never cut.
        silence="escalate",
        grace=rungs.grace(policy),
        legal_entity=identity.legal_entity,
    )
    case.save(force_insert=True)
    case.refresh_from_db(fields=["number"])
    seats.build(case, identity, now=now)
    _add(case, items, 0)
    rungs.make([case])
    nudge.after_commit("case.changed")
    return case


def _note(rows: Sequence[Trigger], case: Case | None, *, now: datetime) -> None:
    """One ledger entry for each trigger, under the case that asks about it."""
    entries.note_all(
        [
            entries.Said(
                row.case,
                "case.opened" if row.case.trigger and row.case == case else "case.evidence",
                f"Countersign asks, {TRIGGERS[row.name].words}: {row.words}"[:1_000],
                {"trigger": row.name, "subject": row.subject, "identity": row.identity.key},
            )
            for row in rows
            if row.case is not None
        ],
        by=COUNTERSIGN,
        now=now,
    )
