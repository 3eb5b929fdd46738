"""The incident of an automatic hold: the open one of its identity, or a new one, with the thing.

Owns that everything held by itself is in front of people with a day to answer, that its silence
cuts nothing, and that somebody who has not acted in it looks back before it is closed.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from evidence import nudge
from identities.acting import COUNTERSIGN
from identities.findings import RULES
from identities.models import Finding, Identity, Person, Revocation, User
from identities.permissions import NotPossible, require
from identities.reasons import LONGEST_REASON, reason_given
from reviews import automatic_permissions, ladder
from reviews.actions import advising, entries, policy_versions, proposing, reminders, rungs, seats
from reviews.actions.carrying import UNFINISHED
from reviews.models import Case, Item, Rung, Seat

from .things import Thing

HOURS = 24


def about(
    identity: Identity, finding: Finding, thing: Thing, *, now: datetime
) -> tuple[Case, Item]:
    """The case and its item that people release or make final; the identity is locked.

    Where the thing has been answered in the open incident, it is asked about in a new one.
    """
    live = Case.objects.filter(door="incident", identity=identity, state="open", sealed=False)
    for pk in live.order_by("number").values_list("pk", flat=True):
        case = entries.locked(pk)
        item = case.items.filter(kind=thing.kind, ref=thing.ref).first()
        if case.state != "open" or case.sealed or (item is not None and item.decisions.exists()):
            continue
        if item is None:
            item = _item(identity, finding, thing, now=now)
            item.case, item.position = case, case.items.count()
            item.save(force_insert=True)
        item.case = case
        case.findings.add(finding)
        entries.changed(case)
        return case, item
    return _opened(identity, finding, thing, now=now)


def _opened(
    identity: Identity, finding: Finding, thing: Thing, *, now: datetime
) -> tuple[Case, Item]:
    policy = policy_versions.in_force(now=now)
    case = Case.objects.create(
        door="incident",
        state="open",
        title=f"Incident: {identity.name}: {RULES[finding.rule].lower()}"[:500],
        identity=identity,
        policy=policy,
        opened_at=now,
        opened_by=COUNTERSIGN.ref,
        opened_by_name=COUNTERSIGN.name,
        reason=f"{finding.key}: {finding.words}."[:LONGEST_REASON],
        deadline_at=now + timedelta(hours=HOURS),
        # What is held stays held until people say otherwise: nobody's silence does more.
        silence="escalate",
        grace=rungs.grace(policy),
        legal_entity=identity.legal_entity,
    )
    case.refresh_from_db(fields=["number"])
    case.findings.add(finding)
    seats.build(case, identity, now=now, in_stages=False)
    item = _item(identity, finding, thing, now=now)
    item.case, item.position = case, 0
    item.save(force_insert=True)
    seats.never_alone(case, now=now)
    Rung.objects.bulk_create(
        [one for one in rungs.planned(case) if one.does not in ladder.CUTS], ignore_conflicts=True
    )
    entries.note(
        case,
        act="case.opened",
        words=f"Countersign opened {case.key}, an incident of {identity.name}: {case.reason}",
        by=COUNTERSIGN,
        now=now,
        data={"identity": identity.key, "finding": str(finding.pk)},
    )
    reminders.ask(case, now=now)
    nudge.after_commit("case.changed")
    return case, item


def _item(identity: Identity, finding: Finding, thing: Thing, *, now: datetime) -> Item:
    """What is decided about it, unsaved, with its evidence beside it."""
    if thing.kind in proposing.OF_KIND:
        found = proposing.some([identity], thing.kind, [thing.ref], now=now)
        made = advising.complete(found, [identity], now=now).get(identity.pk)
        if made:
            return made[0]
    return Item(
        kind=thing.kind, ref=thing.ref, title=thing.title, snapshot={"findings": [finding.key]}
    )


def look_back_next(*, now: datetime) -> bool:
    """Put one incident of an automatic hold, of which all has gone out, before whoever closes it."""
    left = Item.objects.filter(case=OuterRef("pk"), carried_out_at__isnull=True)
    going = Revocation.objects.filter(state__in=UNFINISHED, case=OuterRef("pk"))
    rows = (
        Case.objects.filter(
            ~Exists(left),
            ~Exists(going),
            door="incident",
            state="carrying_out",
            automatic_holds__isnull=False,
        )
        .exclude(automatic_holds__state="held")
        .order_by("decided_at", "pk")
    )
    with transaction.atomic():
        found = rows.values_list("pk", flat=True).first()
        if found is None:
            return False
        case = entries.locked(found)
        if not rows.filter(pk=case.pk).exists():
            return True  # another worker was here first
        entries.changed(case, state=entries.moved(case, "review"))
        said = "everything went out: somebody who has not acted in it looks back and closes it"
        entries.note(
            case,
            act="case.in_review",
            words=f"{case.key}: {said}",
            by=COUNTERSIGN,
            now=now,
        )
        reminders.tell(
            case,
            [*reminders.above(case, now=now), *_asked(case)],
            occasion="look back",
            subject="an incident waits to be closed",
            body=f"{said.capitalize()}.",
            now=now,
        )
    return True


def _asked(case: Case) -> list[Person]:
    return [one.rule.asked for one in case.automatic_holds.select_related("rule__asked")]


def close(*, case: Case, conclusion: str, by: User, now: datetime) -> Case:
    """The look back is written down: what happened, by somebody who has not acted in it."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(automatic_permissions.why_not_close_incident(by, case, now=now))
        conclusion = reason_given(conclusion, what="what happened, and what follows from it")
        to = entries.moved(case, "close")
        still = case.findings.filter(state="open").order_by("number")
        names = ", ".join(one.key for one in still[:10])
        if names:
            raise NotPossible(f"Say first what these findings were: {names}.")
        last = case.seats.count()
        Seat.objects.create(case=case, kind="closer", person=by.person, position=last)
        entries.note(
            case,
            act="case.closed",
            words=f"{by.called} closed {case.key}: {conclusion}"[:1_000],
            by=by,
            now=now,
            data={"conclusion": conclusion},
        )
        entries.changed(case, state=to, closed_at=now, closed_by=by.ref)
    return case
