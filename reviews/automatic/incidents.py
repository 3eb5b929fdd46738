"""The incident of an automatic hold: the open one of its identity, or a new one, with the thing.

Owns that everything held by itself is in front of people with a day to answer, that its silence
cuts nothing, and that somebody who has not acted in it looks back before it is closed.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from identities.acting import COUNTERSIGN
from identities.findings import RULES
from identities.models import Finding, Identity, Person, Revocation
from reviews.actions import advising, entries, proposing, reminders
from reviews.actions.carrying import UNFINISHED
from reviews.incidents import opening
from reviews.models import Case, Decision, Item, RoomRole

from .things import Thing


class About(NamedTuple):
    """One thing of a locked identity that people release or make final, and the finding that says so."""

    identity: Identity
    finding: Finding
    thing: Thing


def about_all(those: Sequence[About], *, now: datetime) -> list[tuple[Case, Item]]:
    """The case and its item of each of these, each of another identity: in as many statements as of
    one.

    Where the thing has been answered in the open incident, it is asked about in a new one.
    """
    found = _standing(those)
    fresh = [one for one in those if one.identity.pk not in found]
    joined = [case for case, _ in found.values()]
    opened = _opened(fresh, now=now)
    found |= {one.identity.pk: (case, None) for case, one in opened}
    many = Counter(Item.objects.filter(case__in=joined).values_list("case", flat=True))
    without = [one for one in those if found[one.identity.pk][1] is None]
    made = _items(without, now=now)
    for one, item in zip(without, made, strict=True):
        case = found[one.identity.pk][0]
        item.case, item.position = case, many[case.pk]
        found[one.identity.pk] = case, item
    Item.objects.bulk_create(made)
    under = Case.findings.through
    under.objects.bulk_create(
        [under(case_id=found[one.identity.pk][0].pk, finding_id=one.finding.pk) for one in those],
        ignore_conflicts=True,
    )
    opening.send_all(opened, by=COUNTERSIGN, now=now)
    entries.changed_all(joined)
    return [(case, item) for case, item in (found[one.identity.pk] for one in those) if item]


def _standing(those: Sequence[About]) -> dict[UUID, tuple[Case, Item | None]]:
    """By identity: the first open incident in which the thing is not answered yet, with its item."""
    live = list(
        Case.objects.select_for_update(of=("self",))
        .select_related("identity__service", "policy")
        .filter(
            door="incident",
            identity__in=[one.identity.pk for one in those],
            state="open",
            sealed=False,
        )
        .order_by("pk")
    )
    answered = Exists(Decision.objects.filter(item=OuterRef("pk")))
    items = {
        (item.case_id, item.kind, item.ref): item
        for item in Item.objects.filter(case__in=live).annotate(answered=answered)
    }
    found: dict[UUID, tuple[Case, Item | None]] = {}
    for one in those:
        for case in sorted(live, key=lambda case: case.number):
            item = items.get((case.pk, one.thing.kind, one.thing.ref))
            if case.identity_id == one.identity.pk and not getattr(item, "answered", False):
                if item is not None:
                    item.case = case
                found[one.identity.pk] = case, item
                break
    return found


def _opened(those: Sequence[About], *, now: datetime) -> list[tuple[Case, opening.New]]:
    """The new incident of each of these, with its room and its seats."""
    made = [
        opening.New(
            identity,
            f"{identity.name}: {RULES[finding.rule].lower()}",
            f"{finding.key}: {finding.words}.",
            "high",
            finding.opened_at,
        )
        for identity, finding, _ in those
    ]
    return list(zip(opening.make_all(made, by=COUNTERSIGN, now=now), made, strict=True))


def _items(those: Sequence[About], *, now: datetime) -> list[Item]:
    """What is decided about each, unsaved, with its evidence beside it."""
    found: dict[tuple[str, UUID | None], Item] = {}
    for kind in {one.thing.kind for one in those} & set(proposing.OF_KIND):
        some = [one for one in those if one.thing.kind == kind]
        identities = [one.identity for one in some]
        made = proposing.some(identities, kind, [one.thing.ref for one in some], now=now)
        for items in advising.complete(made, identities, now=now).values():
            found |= {(kind, item.ref): item for item in items}
    return [
        found.get((thing.kind, thing.ref))
        or Item(
            kind=thing.kind,
            ref=thing.ref,
            title=thing.title,
            snapshot={"findings": [finding.key]},
        )
        for _, finding, thing in those
    ]


def look_back_next(*, now: datetime) -> bool:
    """Put one incident of which all has gone out before whoever closes it (incidents/closing.py)."""
    left = Item.objects.filter(case=OuterRef("pk"), carried_out_at__isnull=True)
    going = Revocation.objects.filter(state__in=UNFINISHED, case=OuterRef("pk"))
    rows = (
        Case.objects.filter(
            ~Exists(left),
            ~Exists(going),
            door="incident",
            state="carrying_out",
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
            [*reminders.above(case, now=now), *_asked(case), *_in_room(case)],
            occasion="look back",
            subject="an incident waits to be closed",
            body=f"{said.capitalize()}.",
            now=now,
        )
    return True


def _asked(case: Case) -> list[Person]:
    return [one.rule.asked for one in case.automatic_holds.select_related("rule__asked")]


def _in_room(case: Case) -> list[Person]:
    """Who leads it, and who is named to close it."""
    rows = RoomRole.objects.filter(room=case.pk, role__in=["lead", "closer"], until=None)
    return [one.person for one in rows.select_related("person")]
