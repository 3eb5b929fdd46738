"""From triggers to micro-reviews: one open item about one thing, with a deadline of its own.

Owns `Trigger.state` and the opening of these cases, many in one transaction. Their identities are
locked first, as every opener does (reviews/actions/opening.py), so two workers never ask twice.
Scopes that only observe and what a policy leaves alone are counted and not asked.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, transaction
from django.db.models import Q, QuerySet

from identities.acting import COUNTERSIGN
from identities.models import Identity
from reviews.actions import entries, items, opening, policy_versions, reminders, seats
from reviews.micro_reviews import SERIOUS, TRIGGERS, MicroReviews
from reviews.models import Case, Item, ReviewPolicy, Trigger

from . import asking, reread, serious
from .asking import Asked, Group

log = logging.getLogger(__name__)

LIVE = ("draft", "open")
# Looked at in one transaction, whosever they are.
MOST = 200
# Of one identity and one trigger; more than so many wait for the next turn.
MOST_ITEMS = 50
GONE = "what it was about is gone"
AS_WELL = "Something happened after your answers, and it is asked about here as well."
AFTER = "Evidence arrived after your answer. It stands unless you change it."


def askable(named: Iterable[str], *, now: datetime) -> QuerySet[Trigger]:
    """The triggers of these names that wait and may be asked about: by mode and exemption."""
    alone = policy_versions.left_alone(now=now)
    return (
        Trigger.objects.filter(state="waiting", name__in=list(named))
        .exclude(identity__state="retired")
        .exclude(identity__mode="observe")
        .filter(
            ~Q(identity__number__in=alone)
            | Q(name=SERIOUS, facts__rule__in=list(opening.IN_EVERY_MODE))
        )
    )


def open_next(*, now: datetime) -> bool:
    """Ask about some of what waits, the oldest first; False when nothing does.

    What cannot be asked about one identity keeps nobody from being asked about the others.
    """
    policy = policy_versions.in_force(now=now)
    waiting = askable(policy_versions.document_of(policy).micro_reviews, now=now)
    first = dict(waiting.order_by("found_at", "pk").values_list("pk", "identity_id")[:MOST])
    if not first:
        return False
    try:
        return _open(waiting, first, policy, now=now)
    except OperationalError:
        raise  # somebody else was there: the next turn
    except Exception as problem:
        log.exception("%d triggers are asked about one identity after the other", len(first))
        return _one_by_one(waiting, first, policy, problem, now=now)


def _one_by_one(
    waiting: QuerySet[Trigger],
    first: Mapping[UUID, UUID],
    policy: ReviewPolicy,
    problem: Exception,
    *,
    now: datetime,
) -> bool:
    """The same, one identity after the other; `problem` is raised where none could be done."""
    done = False
    for identity in dict.fromkeys(first.values()):
        try:
            done |= _open(
                waiting, {pk: of for pk, of in first.items() if of == identity}, policy, now=now
            )
        except Exception:
            log.exception("what waits of identity %s cannot be asked about", identity)
    if not done:
        raise problem
    return True


def _open(
    waiting: QuerySet[Trigger], first: Mapping[UUID, UUID], policy: ReviewPolicy, *, now: datetime
) -> bool:
    """Ask about these in one transaction; whether any of them still waited."""
    named = policy_versions.document_of(policy).micro_reviews
    with transaction.atomic():
        identities = {one.pk: one for one in opening.locked(set(first.values()))}
        rows = waiting.filter(pk__in=first).select_for_update(of=("self",))
        groups = _groups(serious.still_asked(rows.order_by("found_at", "pk")), identities)
        asked = _asked(groups)
        # A case that is there is locked as well, so only one at a time.
        if groups and asked.any(groups[0]):
            _add_to(groups[0], policy, named, asked, now=now)
        else:
            alone = [group for group in groups if not asked.any(group)]
            _ask_alone(alone, policy, named, now=now)
    return True


def _groups(rows: Iterable[Trigger], identities: Mapping[UUID, Identity]) -> list[Group]:
    """Of each identity the trigger that waits longest; the others have the next turn."""
    found: dict[UUID, Group] = {}
    for row in rows:
        row.identity = identities[row.identity_id]
        group = found.setdefault(row.identity_id, Group(row.identity, []))
        if not group.rows or (row.name == group.name and len(group.rows) < MOST_ITEMS):
            group.rows.append(row)
    return list(found.values())


def _asked(groups: Sequence[Group]) -> Asked:
    """What is open about these identities; what is not any more is over."""
    of = [group.identity.pk for group in groups]
    held = Trigger.objects.filter(
        identity__in=of, name__in={group.name for group in groups}, state="asked"
    )
    held.exclude(case__state__in=LIVE).update(state="over")
    things: dict[tuple[UUID, str], dict[UUID, Case]] = {}
    for one in held.select_related("case"):
        if one.case is not None:
            things.setdefault((one.identity_id, one.name), {})[one.about] = one.case
    reviews = Case.objects.filter(
        identity__in=of,
        door="access_review",
        trigger="",
        state="open",
        sealed=False,
        silence_done_at__isnull=True,
    )
    return Asked({one.identity_id: one for one in reviews if one.identity_id}, things)


def _ask_alone(
    groups: Sequence[Group], policy: ReviewPolicy, named: MicroReviews, *, now: datetime
) -> None:
    """A case of its own for each of these: nothing asks about them yet."""
    fresh = asking.fresh(groups, Asked({}, {}), now=now)
    those = [(group, new) for group, new in zip(groups, fresh, strict=True) if new]
    cases = asking.opened(those, policy, named, now=now)
    of = {group.identity.pk: case for (group, _), case in zip(those, cases, strict=True)}
    for group, new in zip(groups, fresh, strict=True):
        _settle(group, new, {}, of.get(group.identity.pk))
    rows = [row for group in groups for row in group.rows]
    _save(rows)
    _note(rows, cases, now=now)
    reminders.ask_all(cases, now=now)


def _add_to(
    group: Group, policy: ReviewPolicy, named: MicroReviews, asked: Asked, *, now: datetime
) -> None:
    """What came while something asks about this identity already."""
    identity, known = group.identity, asked.about(group)
    reread.part(group, known)
    (fresh,) = asking.fresh([group], asked, now=now)
    review = asked.reviews.get(identity.pk)
    if review is not None and _answered(review, fresh):
        review = None
    case: Case | None = None
    if fresh and review is not None:
        case = entries.locked(review.pk)
        there = set(case.items.values_list("kind", "ref"))
        new = [one for one in fresh.values() if (one.kind, one.ref) not in there]
        asking.place(case, new, case.items.count())
        Item.objects.bulk_create(new)
    elif fresh:
        (case,) = asking.opened([(group, fresh)], policy, named, now=now)
    _settle(group, fresh, known, case)
    _save(group.rows)
    _note(group.rows, [] if case is None else [case], now=now)
    touched: dict[UUID, list[Trigger]] = {}
    for row in group.rows:
        if row.case_id is not None and (review is not None or row.about in known):
            touched.setdefault(row.case_id, []).append(row)
    for pk, rows in touched.items():
        reread.renew(entries.locked(pk), identity, rows, now=now)
        here = review is not None and case is not None and pk == case.pk
        _came(entries.locked(pk), identity, rows, why=AS_WELL if here else AFTER, now=now)
    if case is not None:
        seats.never_alone(case, now=now)
        reminders.ask(case, now=now)


def _came(
    case: Case, identity: Identity, rows: Sequence[Trigger], *, why: str, now: datetime
) -> None:
    """These came to a case after it was opened: who has answered did so without knowing."""
    findings = asking.findings(rows)
    if findings:
        case.findings.add(*findings)
        items.look_again(case, identity, now=now)
    elif why == AFTER:
        return  # the same again says nothing new
    entries.touched(case.pk)
    standing = {"decisions__isnull": False, "decisions__superseded_at__isnull": True}
    of = f"evidence {findings[0].key}" if findings else f"trigger {rows[0].pk}"
    for seat in case.seats.filter(**standing).select_related("person").distinct():
        if seat.person is not None:
            reminders.ask_again(case, seat.person, why=why, occasion=of, now=now)


def _answered(review: Case, fresh: Mapping[UUID, Item]) -> bool:
    """Whoever has answered there did not know this: it is asked about in a case of its own."""
    given = review.items.filter(decisions__superseded_at__isnull=True, decisions__isnull=False)
    known = set(given.values_list("kind", "ref"))
    return any((one.kind, one.ref) in known for one in fresh.values())


def _settle(
    group: Group, fresh: Mapping[UUID, Item], known: Mapping[UUID, Case], case: Case | None
) -> None:
    """What became of each row: the first about a thing asks, the next ones join it."""
    first = dict[UUID, Trigger]()
    for row in group.rows:
        if row.about in known:
            row.state, row.case = "joined", known[row.about]
        elif row.about in fresh:
            row.state = "asked" if first.setdefault(row.about, row) is row else "joined"
            row.case = case
        else:
            row.state, row.known_why = "known", GONE


def _save(rows: Sequence[Trigger]) -> None:
    Trigger.objects.bulk_update(
        rows, ["state", "case", "known_why", "about", "title", "facts"], batch_size=MOST
    )


def _note(rows: Sequence[Trigger], opened: Sequence[Case], *, now: datetime) -> None:
    """One ledger entry for each trigger, under the case that asks about it."""
    new = {one.pk for one in opened if one.trigger}
    entries.note_all(
        [
            entries.Said(
                row.case,
                "case.opened" if row.case.pk in new else "case.evidence",
                f"Countersign asks, {TRIGGERS[row.name].words}: {row.words}"[:1_000],
                {"trigger": row.name, "subject": row.subject, "identity": row.identity.key},
            )
            for row in rows
            if row.case is not None
        ],
        by=COUNTERSIGN,
        now=now,
    )
