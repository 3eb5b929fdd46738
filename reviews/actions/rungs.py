"""Rungs as rows: made when a case is sent, taken when due, moved, held, and released by a person.

Owns Rung rows. What a rung does when its time has come is deadlines.py. A case's lock covers its
rungs, so two workers never take one twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import DateTimeField, Exists, ExpressionWrapper, F, OuterRef, Q, Value
from django.db.models.functions import Greatest

from identities.acting import By, acting
from identities.models import Identity, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import ladder, permissions
from reviews.models import Case, ReviewPolicy, Rung

from . import entries
from .silencing import consequence

BEFORE = Q(does__in=ladder.BEFORE)
LATER = ("waiting", "held")
# Cases in which nothing can be decided by the seats any more.
PAST = ("carrying_out", "in_review", "closed", "cancelled")

MOVE = """
UPDATE reviews_rung r SET at = r.at + m.by
FROM unnest(%s::uuid[], %s::interval[], %s::interval[]) AS m(case_id, since, by)
WHERE r.case_id = m.case_id AND r.after >= m.since AND r.state IN ('waiting', 'held')
"""
# A deadline that has moved reminds anew: what was said of the earlier date does not hold.
AGAIN = """
UPDATE reviews_rung r SET at = r.at + m.by, state = 'waiting', done_at = NULL
FROM unnest(%s::uuid[], %s::interval[]) AS m(case_id, by)
WHERE r.case_id = m.case_id AND r.does IN ('remind', 'tell') AND r.state IN ('done', 'over')
AND r.at + m.by >= %s
AND r.at > (SELECT coalesce(c.asked_since, c.opened_at) FROM reviews_case c WHERE c.id = r.case_id)
"""


class Moved(NamedTuple):
    """All rungs of a case from `since` on (counted time after it was sent) are due `by` later."""

    case: UUID
    by: timedelta
    since: timedelta = timedelta()


def of_policy(policy: ReviewPolicy | None, identity: Identity | None) -> Sequence[ladder.Rung]:
    """The ladder that this version has for the tier of the identity."""
    if policy is None:
        return ()
    said = policy.document.get("ladder") or {}
    within = policy.decide_within_hours
    tier = "normal" if identity is None else identity.criticality
    found = ladder.parse(said, decide_within_hours=within).get(tier)
    if found is not None:
        return found
    return ladder.plain(
        decide_within_hours=within,
        remind_before_hours=policy.remind_before_hours,
        escalate_before_hours=policy.escalate_before_hours,
    )


def silence(policy: ReviewPolicy, identity: Identity | None) -> str:
    """What silence does in a review when its answers are due."""
    if identity is None or identity.criticality not in (policy.document.get("ladder") or {}):
        return policy.silence
    return ladder.silence(
        of_policy(policy, identity), decide_within_hours=policy.decide_within_hours
    )


def make(cases: Sequence[Case]) -> None:
    """Give cases that are sent to their seats their rungs, once, as far from the deadline as
    their policy says; `case.identity` and `case.policy` are read."""
    known: dict[object, Sequence[ladder.Rung]] = {}
    Rung.objects.bulk_create(
        [one for case in cases for one in planned(case, known)], ignore_conflicts=True
    )


def planned(case: Case, known: dict[object, Sequence[ladder.Rung]] | None = None) -> Iterator[Rung]:
    """The rungs of a case as rows not saved. `known`: ladders that were read already."""
    known = {} if known is None else known
    policy, identity = case.policy, case.identity
    since, whole = case.counts_from, case.deadline_at - case.counts_from
    which = case.policy_id, "" if identity is None else identity.criticality
    if which not in known:
        known[which] = of_policy(policy, identity)
    within = 0 if policy is None else policy.decide_within_hours
    for one in ladder.plan(known[which], decide_within_hours=within):
        after = whole + timedelta(hours=one.after_hours - within)
        # A micro-review asks: what it rests on may be late or absent, so its silence cuts nothing.
        if case.trigger and one.does in ladder.CUTS:
            continue
        # While another stage follows, nothing but that does.
        if case.next_stage and one.does not in (*ladder.BEFORE, ladder.DUE):
            continue
        if one.after_hours >= within:
            after += case.grace
        if after > timedelta():
            after += since - case.opened_at
            yield Rung(case=case, does=one.does, after=after, at=case.opened_at + after)


def grace(policy: ReviewPolicy) -> timedelta:
    """How long answers count after a deadline."""
    return timedelta(hours=policy.document.get("grace_hours", 0))


def go_on(case: Case, *, at: datetime) -> None:
    """Have a locked case looked at then: if its stage still has all answers, the next begins."""
    Rung.objects.update_or_create(
        case=case,
        does=ladder.GO_ON,
        state="waiting",
        defaults={"at": at, "after": at - case.opened_at},
    )


def take(which: Q, *, most: int, now: datetime) -> list[Case]:
    """Open cases with such a rung that is due, the longest due first, locked until the end of the
    transaction; what another worker has is left to it."""
    due = Rung.objects.filter(which, state="waiting", at__lte=now)
    still = Exists(due.filter(case=OuterRef("pk")))
    while True:
        taken = (
            due.filter(case__state="open")
            .exclude(Q(case__campaign__state="paused") | Q(case__campaign__moving=True))
            .select_related("case")
            .select_for_update(of=("case",), skip_locked=True)
            .order_by("at", "pk")[:most]
        )
        pks = list(dict.fromkeys(one.case_id for one in taken))
        if not pks:
            return []
        # Looked at again: what was done to them before we had the lock is seen now.
        cases = (
            Case.objects.filter(still, state="open")
            .select_related("identity__service", "policy")
            .in_bulk(pks)
        )
        if cases:
            return [cases[pk] for pk in pks if pk in cases]


def of_cases(cases: Iterable[Case]) -> dict[UUID, list[Rung]]:
    """The rungs of locked cases in the order in which they are climbed."""
    found: dict[UUID, list[Rung]] = {case.pk: [] for case in cases}
    for one in Rung.objects.filter(case__in=found).order_by("after", "pk"):
        found[one.case_id].append(one)
    for rows in found.values():
        # The answers are due before anything that happens because they were not given.
        rows.sort(key=lambda one: (one.after, one.does != ladder.DUE))
    return found


def move(moved: Sequence[Moved], *, now: datetime) -> None:
    """Move stored deadlines of locked cases; reminders of a whole case go out anew."""
    if not moved:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            MOVE, [[m.case for m in moved], [m.since for m in moved], [m.by for m in moved]]
        )
        whole = [m for m in moved if not m.since]
        cursor.execute(AGAIN, [[m.case for m in whole], [m.by for m in whole], now])


def end_past(*, now: datetime) -> int:
    """Rungs of cases that are over will not be climbed any more."""
    past = Rung.objects.filter(state__in=LATER, at__lte=now, case__state__in=PAST)
    return Rung.objects.filter(pk__in=past.values("pk")).update(state="over")


def words(case: Case, does: str) -> str:
    """What a rung does, as part of a sentence."""
    if does == "suspend" and case.identity is not None:
        did = "held, as a draft is" if case.identity.state == "draft" else "suspended"
        return f"{case.identity.name} is {did}"
    return ladder.WORDS[does]


def to_cut(cases: Iterable[UUID]) -> dict[UUID, list[str]]:
    """What is still to be cut after the deadline of these, in the order in which it is due."""
    found: dict[UUID, list[str]] = {}
    rows = Rung.objects.filter(case__in=list(cases), state="waiting", does__in=ladder.CUTS)
    for case, does in rows.order_by("after", "pk").values_list("case", "does"):
        found.setdefault(case, []).append(does)
    return found


def then(case: Case, later: Iterable[str], *, doubt: str = "") -> str:
    """The end of a sentence on what silence does at the deadline: what it cuts after it."""
    cuts = [
        words(case, does) for does in later if consequence(case, does=does, doubt=doubt) == does
    ]
    return f"; if still nobody decides, {', then '.join(cuts)}" if cuts else ""


def release(
    *, case: Case, by: User, now: datetime, reason: str, rungs: Sequence[int] = ()
) -> list[Rung]:
    """Let held rungs of a case go their way: these, or all. They happen with the next sweep, if
    nobody has decided by then; those after them are due as much later as it took."""
    return _settle(case, rungs, "waiting", by=by, now=now, reason=reason)


def drop(
    *, case: Case, by: User, now: datetime, reason: str, rungs: Sequence[int] = ()
) -> list[Rung]:
    """Let held rungs of a case, these or all, never happen."""
    return _settle(case, rungs, "dropped", by=by, now=now, reason=reason)


def _settle(
    case: Case, wanted: Sequence[int], to: str, *, by: User, now: datetime, reason: str
) -> list[Rung]:
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(permissions.why_not_release(by, case))
        reason = reason_given(reason, what="what was looked at, and what it rests on")
        held = case.rungs.select_for_update().filter(state="held").order_by("after", "pk")
        rows = list(held.filter(pk__in=wanted) if wanted else held)
        if not rows or (wanted and len(rows) != len(set(wanted))):
            raise NotPossible("Somebody has released or dropped this already: look again.")
        if case.state != "open":
            raise NotPossible(f"{case.key} is {case.state.replace('_', ' ')}: nothing waits in it.")
        for one in rows:
            if to == "waiting":
                _from_now(case, one, now=now)
            _write(case, one, to, by=by, now=now, reason=reason)
        entries.changed(case)
    return rows


def _from_now(case: Case, rung: Rung, *, now: datetime) -> None:
    """A released rung is due now, and those after it as far from it as they were planned: never
    earlier than they are, and no later because others of them were released too."""
    above = case.rungs.filter(state__in=LATER, after__gte=rung.after)
    since = Value(now - rung.after, output_field=DateTimeField())
    planned = ExpressionWrapper(since + F("after"), output_field=DateTimeField())
    above.update(at=Greatest("at", planned))


def _write(case: Case, rung: Rung, to: str, *, by: By, now: datetime, reason: str) -> None:
    rung.refresh_from_db(fields=["at"])
    rung.state, rung.reason = to, reason
    rung.settled_at, rung.settled_by, rung.settled_by_name = now, acting(by).ref, acting(by).name
    rung.save(update_fields=["state", "reason", "settled_at", "settled_by", "settled_by_name"])
    verb = "released" if to == "waiting" else "dropped"
    entries.note(
        case,
        act=f"case.rung_{verb}",
        words=f"{acting(by).name} {verb} what was held in {case.key}"
        f" ({words(case, rung.does)}): {reason}"[:1_000],
        by=by,
        now=now,
        data={"rung": rung.pk, "does": rung.does, "at": rung.at.isoformat()},
    )
