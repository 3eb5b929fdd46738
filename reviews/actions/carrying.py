"""Carrying out what is decided: the sweeps over decided cases, plans and cases that can close.

Owns when outcomes go out; what each does is consequences.py. A case closes when everything it
asked for is effective; what could not be done waits for a person, with the reason. Many cases are
carried out in one transaction (batches.py).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from identities.acting import COUNTERSIGN, By, acting
from identities.actions import revocations
from identities.models import IdentityState, Revocation
from identities.permissions import NotPossible, require
from reviews import outcome_brakes, permissions
from reviews.models import Case, Decision, Item, Notice, Provisional, Quarantine, Rung

from . import batches, carried, consequences, entries, held_first, quarantining, reminders, settling
from .asked import Asked

# Asked for and not effective yet; what failed waits for a person.
UNFINISHED = ("requested", "sending", "sent", "confirmed", "failed")
PLAN_AGAIN = timedelta(days=1)
# Answers given too fast to be read wait for a second look (actions/attention.py).
PROVISIONAL = Provisional.objects.filter(case=OuterRef("pk"), settled_at__isnull=True)
STAYS = "what is suspended could not be resumed"
# What silence stopped, and the step that undoes it: a draft is held (revocations/asking.py).
UNDONE_BY = {"suspended": "resume", "draft": "release"}
LEFT = Item.objects.filter(carried_out_at__isnull=True)
# What goes on after it, in whole or in part.
KEPT = ("keep", "narrow", "replace")

# Of decided cases, and of their items that have not gone out.
MOST, MOST_ITEMS = batches.MOST, batches.MOST_ITEMS


def carry_out_next(*, now: datetime) -> bool:
    """Some decided cases, plans whose date has come, quarantines that are over, or cases that can
    close; False when there is nothing of any of them. One kind that fails keeps none of the
    others from its turn."""
    left: Exception | None = None
    for step in (_decided_next, _plan_next, _quarantine_next, _close_next):
        try:
            if step(now):
                return True
        except Exception as problem:  # noqa: BLE001 - raised below, when the others have had their turn
            left = problem
    if left is not None:
        raise left
    return False


def _kept_back(now: datetime) -> Q:
    """Decided in a campaign whose outcomes go out together at its end, where its brake lets them;
    what is replaced by a date is not kept back, so that the date is not missed, and what is
    revoked has gone out already."""
    ends = LEFT.filter(case=OuterRef("pk"), outcome="replace")
    kept = outcome_brakes.kept_back(now=now)
    return Q(campaign__in=list(kept.values_list("pk", flat=True))) & Q(~Exists(ends))


def _taking(rows: QuerySet[Case], items: QuerySet[Item] = LEFT) -> batches.Take:
    """Some of these cases, with no more of these items than go together."""

    def take(only: UUID | None) -> list[Case]:
        if only is not None:
            return batches.locked(rows.filter(pk=only), most=1)
        return batches.bounded(batches.locked(rows, most=MOST), items, most=MOST_ITEMS)

    return take


def _decided_next(now: datetime) -> bool:
    # An answer that can still be taken back has not gone out.
    waits = Decision.objects.filter(
        item__case=OuterRef("pk"), superseded_at__isnull=True, not_before__gt=now
    )
    rows = Case.objects.filter(
        ~_kept_back(now), ~Exists(waits), ~Exists(PROVISIONAL), state="decided"
    )

    def carry(cases: list[Case], why: str) -> bool:
        for to in {entries.moved(case, "carry_out") for case in cases}:
            entries.changed_all(cases, state=to)
        outcomes = _locked(cases, LEFT.order_by("case", "position"))
        if not why:
            consequences.carry_all(outcomes, by=COUNTERSIGN, now=now)
            _resume(cases, now=now)
            return True
        _apart(outcomes, by=COUNTERSIGN, now=now)
        if batches.apart(lambda: _resume(cases, now=now)):
            _tell(cases, STAYS, now=now)
        return True

    return batches.sweep(_taking(rows.order_by("decided_at", "pk")), carry)


def _locked(cases: Sequence[Case], items: QuerySet[Item]) -> list[consequences.Outcome]:
    """These items of the cases, locked: of one case after the other."""
    of: dict[UUID, list[consequences.Outcome]] = {case.pk: [] for case in cases}
    known = {case.pk: case for case in cases}
    for item in items.select_for_update(of=("self",)).filter(case__in=known):
        item.case = known[item.case_id]
        of[item.case_id].append((item.case, item))
    return [one for those in of.values() for one in those]


def _apart(
    outcomes: Iterable[consequences.Outcome],
    *,
    by: By,
    now: datetime,
    ends: frozenset[UUID] = frozenset(),
) -> None:
    """Carry out one after the other what failed together: what fails again waits for a person."""
    stuck = []
    for case, item in outcomes:
        one = [(case, item)]
        why = batches.apart(lambda one=one: consequences.carry_all(one, by=by, now=now, ends=ends))  # type: ignore[misc]  # mypy does not type defaults of lambdas
        if why:
            consequences.wait(case, item, why, by=by, now=now)
            stuck.append(case)
    _tell(stuck, "an outcome could not be carried out", now=now)


def _tell(stuck: Sequence[Case], what: str, *, now: datetime) -> None:
    """Those above hear, once a day, of what a person has to look at; why is on the case."""
    cases = {case.pk: case for case in stuck}
    asked = Asked(cases.values(), now=now) if cases else None
    rows: list[Notice] = []
    for case in cases.values():
        rows += reminders.notices(
            case,
            [] if asked is None else asked.above(case),
            occasion=f"{what} {now:%Y-%m-%d}",
            subject=what,
            body="Look what is wrong, then have it carried out again.",
            now=now,
        )
    reminders.send(rows)


def _plan_next(now: datetime) -> bool:
    """The date of a replacement has come: the old credential ends."""
    due = LEFT.filter(outcome="replace", due_at__lte=now)
    rows = Case.objects.filter(state="carrying_out", pk__in=due.values("case"))

    def end(cases: list[Case], why: str) -> bool:
        outcomes = _locked(cases, due.order_by("due_at", "pk"))
        at = {item.pk: item.due_at for _, item in outcomes}
        for _, item in outcomes:
            # Asked for once a day when the target refuses, so that it is not forgotten.
            item.due_at = now + PLAN_AGAIN
        critical = [one for one in outcomes if _critical(one[0])]
        clocked = [one for one in outcomes if not _critical(one[0])]
        _ask(critical, now=now)
        settling.write([item for _, item in outcomes])
        ends = frozenset(item.pk for _, item in clocked)
        if why:
            _apart(clocked, by=COUNTERSIGN, now=now, ends=ends)
        else:
            consequences.carry_all(clocked, by=COUNTERSIGN, now=now, ends=ends)
        entries.note_all(
            [
                entries.Said(
                    case,
                    "item.plan_due",
                    f"{item.title}: {item.carried_words}",
                    {"item": str(item.pk)},
                    at[item.pk],
                )
                for case, item in outcomes
            ],
            by=COUNTERSIGN,
            now=now,
        )
        entries.changed_all(cases)
        return True

    return batches.sweep(_taking(rows.order_by("decided_at", "pk"), due), end)


def _critical(case: Case) -> bool:
    return case.identity is not None and case.identity.criticality == "critical"


def _ask(outcomes: Sequence[consequences.Outcome], *, now: datetime) -> None:
    """Never cut by a clock: a named person is asked, every day until somebody acts."""
    asked = Asked([case for case, _ in outcomes], now=now)
    rows: list[Notice] = []
    for case, item in outcomes:
        item.carried_words = "its date has come; critical, so a person has to end it"
        rows += reminders.notices(
            case,
            asked.above(case),
            occasion=f"plan {item.pk} {now:%Y-%m-%d}",
            subject="a replacement is due",
            body="The date of a replacement has passed. It is critical: end the old one.",
            now=now,
        )
    reminders.send(rows)


def _quarantine_next(now: datetime) -> bool:
    """The time in which something could be restored is over: it is cut for good."""
    due = Quarantine.objects.filter(quarantining.ENDS, state="held", until__lte=now)
    rows = Case.objects.filter(
        state__in=["open", "decided", "carrying_out"], pk__in=due.values("case")
    )

    def end(cases: list[Case], why: str) -> bool:
        items = Item.objects.filter(quarantines__in=due).order_by("case", "position")
        if why:
            # It stays held, and due: tried again at the next sweep.
            for case, item in _locked(cases, items):
                consequences.wait(case, item, why, by=COUNTERSIGN, now=now)
            _tell(cases, "what was held could not be ended", now=now)
            return False
        outcomes = _locked(cases, items)
        of = {item.pk: item for _, item in outcomes}
        rows = list(due.filter(item__in=of).order_by("until", "pk"))
        for row in rows:
            row.item = of[row.item_id]
        held_first.end_all(rows, now=now)
        consequences.carry_all(outcomes, by=COUNTERSIGN, now=now)
        entries.changed_all(cases)
        return True

    return batches.sweep(_taking(rows.order_by("decided_at", "pk")), end)


def _close_next(now: datetime) -> bool:
    rows = Case.objects.filter(
        ~Exists(Revocation.objects.filter(state__in=UNFINISHED, case=OuterRef("pk"))),
        ~Exists(LEFT.filter(case=OuterRef("pk"))),
        ~Exists(PROVISIONAL),
        state="carrying_out",
        door__in=["access_review", "access_request"],
    )

    def close(cases: list[Case], why: str) -> bool:
        if why:
            _tell(cases, "it could not be closed", now=now)
            return False
        for to in {entries.moved(case, "carried_out") for case in cases}:
            entries.changed_all(cases, state=to, closed_at=now, closed_by=COUNTERSIGN.ref)
        found: dict[UUID, list[str]] = {case.pk: [] for case in cases}
        items = Item.objects.filter(case__in=found)
        for pk, outcome in items.values_list("case", "outcome"):
            found[pk].append(outcome)
        entries.note_all(
            [
                entries.Said(
                    case,
                    "case.closed",
                    f"{case.key} is closed: {settling.in_words(found[case.pk])}",
                    {},
                )
                for case in cases
            ],
            by=COUNTERSIGN,
            now=now,
        )
        return True

    return batches.sweep(_taking(rows.order_by("decided_at", "pk")), close)


def carry_again(*, case: Case, by: By, now: datetime) -> Case:
    """Try again what could not be carried out, after whoever had to act has acted."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        user = acting(by).user
        if user is not None:
            require(permissions.why_not_close(user, case, now=now))
        if case.state != "carrying_out":
            raise NotPossible(f"{case.key} is {case.state.replace('_', ' ')}: nothing is stuck.")
        entries.note(
            case,
            act="case.carried_again",
            words=f"{acting(by).name} had {case.key} carried out again",
            by=by,
            now=now,
        )
        outcomes = _locked([case], LEFT.order_by("position"))
        answered = settling.standing([item for _, item in outcomes if item.outcome == "replace"])
        ends = frozenset(
            pk for pk, given in answered.items() if (carried.plan_of(given) or now) <= now
        )
        _apart(outcomes, by=COUNTERSIGN, now=now, ends=ends)
        entries.changed(case)
    return case


def _silenced(cases: Sequence[Case]) -> list[Case]:
    """Those whose identity is suspended because of their silence: when the answers were due, or
    later."""
    rows = Rung.objects.filter(case__in=cases, does="suspend", state="done")
    later = set(rows.values_list("case", flat=True))
    return [
        case
        for case in cases
        if case.pk in later or (case.silence == "suspend" and case.silence_done_at is not None)
    ]


def _held(cases: Sequence[Case], *, now: datetime) -> list[Case]:
    """Those whose identity is a draft that is held because of their silence, and of nothing else."""
    drafts = {
        one.identity.pk: one for one in cases if one.identity and one.identity.state == "draft"
    }
    if not drafts:
        return []
    rows = IdentityState.objects.filter(
        identity__in=drafts, state="held", superseded_at__isnull=True, during__contains=now
    )
    return [
        drafts[pk]
        for pk, why in rows.values_list("identity", "because")
        if why.startswith(f"{drafts[pk].key}:")
    ]


def _resume(cases: Sequence[Case], *, now: datetime) -> None:
    """What silence suspended works again, once the seats have decided to keep something."""
    stopped = [one for one in cases if one.identity and one.identity.state == "suspended"]
    stopped += _held(cases, now=now)
    silenced = {case.pk: case for case in _silenced(stopped)} if stopped else {}
    if not silenced:
        return
    kept: set[UUID] = set()
    revoked: set[UUID] = set()
    items = list(Item.objects.filter(case__in=silenced))
    answered = settling.by_answers([one for one in items if one.outcome in KEPT])
    for item in items:
        if item.pk in answered:
            kept.add(item.case_id)
        elif (item.kind, item.outcome) == ("entitlement", "revoke"):
            revoked.add(item.case_id)
    asks: dict[UUID, revocations.Ask] = {}
    for case in silenced.values():
        if case.identity is not None and case.pk in kept - revoked:
            ask = revocations.Ask(
                case.identity,
                UNDONE_BY[case.identity.state],
                f"decided in {case.key}",
                case=case.pk,
                case_key=case.key,
            )
            asks.setdefault(case.identity.pk, ask)
    made = revocations.request_all(list(asks.values()), by=COUNTERSIGN, now=now) if asks else []
    refused = [
        silenced[ask.case]
        for ask, one in zip(asks.values(), made, strict=True)
        if one.refused is not None and ask.case is not None
    ]
    _tell(refused, STAYS, now=now)
