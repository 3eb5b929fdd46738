"""What micro-reviews ask: the items of many triggers, and the cases that hold them.

Owns how a trigger becomes an item, and what a case of its own has; which are asked, and when, is
opening.py. As many queries for two hundred as for one.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Max, Sum

from evidence import nudge
from evidence.vocabulary import PLANE_AI, PLANE_IDENTITY
from evidence.words import counted
from identities.acting import COUNTERSIGN
from identities.models import Finding, Identity, UsageDay
from identities.reasons import LONGEST_REASON
from reviews.actions import advising, proposing, rungs, seats
from reviews.micro_reviews import SERIOUS, TRIGGERS, MicroReviews
from reviews.models import Case, Item, ReviewPolicy, Trigger

from . import serious
from .noting import events_of


class Group(NamedTuple):
    """What waits of one identity and one trigger, oldest first."""

    identity: Identity
    rows: list[Trigger]

    @property
    def name(self) -> str:
        return self.rows[0].name


class Asked(NamedTuple):
    """What cases ask already that concerns these groups."""

    reviews: Mapping[UUID, Case]  # of all there is, open, by identity
    things: Mapping[tuple[UUID, str], Mapping[UUID, Case]]  # by identity and trigger, by thing

    def about(self, group: Group) -> Mapping[UUID, Case]:
        return self.things.get((group.identity.pk, group.name), {})

    def any(self, group: Group) -> bool:
        return group.identity.pk in self.reviews or bool(self.about(group))


def fresh(groups: Sequence[Group], asked: Asked, *, now: datetime) -> list[dict[UUID, Item]]:
    """What each of these groups asks that nothing asks yet: items without a case, by their thing.

    What is decided of rows is read for all of them at once. Where the thing of a finding is gone,
    its identity is asked about, because what it says is not.
    """
    wanted: dict[str, dict[UUID, list[Identity]]] = {}
    for group in groups:
        for row in group.rows:
            if row.about not in asked.about(group) and _kind(row) in proposing.OF_KIND:
                wanted.setdefault(_kind(row), {}).setdefault(row.about, []).append(group.identity)
    there: dict[tuple[UUID, str, UUID], Item] = {}
    for kind, refs in wanted.items():
        identities = {one.pk: one for those in refs.values() for one in those}
        found = proposing.some(list(identities.values()), kind, refs, now=now)
        for pk, made in advising.complete(found, list(identities.values()), now=now).items():
            there |= {(pk, kind, one.ref): one for one in made if one.ref is not None}
    used = _used(groups)
    every = []
    for group in groups:
        known, new = asked.about(group), dict[UUID, Item]()
        for row in group.rows:
            if row.about not in known and row.about not in new:
                item = _item(row, there.get((group.identity.pk, _kind(row), row.about)), used)
                if item is None and row.name == SERIOUS:
                    serious.widen(row, group.identity)
                    item = (
                        None if row.about in known else new.get(row.about) or _item(row, None, used)
                    )
                if item is not None:
                    new[row.about] = item
            if row.about in new:
                _name(new[row.about], row)
        every.append(new)
    return every


def _kind(row: Trigger) -> str:
    return str(row.facts.get("kind", TRIGGERS[row.name].item))


def _used(groups: Sequence[Group]) -> dict[UUID, dict[str, object]]:
    """How often what these ask about was used, from the daily sums; by trigger. One query."""
    asked = [(one.identity, row) for one in groups for row in one.rows if _kind(row) == "use"]
    if not asked:
        return {}
    days = UsageDay.objects.filter(
        identity_no__in={one.number for one, _ in asked},
        action_id__in={row.facts["action"] for _, row in asked},
        plane__in=[PLANE_IDENTITY, PLANE_AI],
    )
    sums: dict[tuple[object, ...], list[Any]] = {}
    for number, action, family, plane, count, last in days.values_list(
        "identity_no", "action_id", "family", "plane"
    ).annotate(Sum("count"), Max("last_at")):
        # A tool is one, whatever it was used on.
        tool = plane == PLANE_AI
        one = sums.setdefault((number, action, "" if tool else family, tool), [0, last])
        one[0], one[1] = one[0] + count, max(one[1], last)
    found = {}
    for identity, row in asked:
        seen = row.facts
        one = sums.get((identity.number, seen["action"], seen["family"], seen["tool"]), [0, None])
        if one[0]:
            where = {"family": seen["family"]} if seen["family"] else {}
            found[row.pk] = {
                "count": one[0],
                "words": counted(one[0], "use"),
                "last_at": one[1].isoformat(),
                "events_url": events_of(identity, "", action=seen["name"], **where)[1],
            }
    return found


def _item(row: Trigger, there: Item | None, used: Mapping[UUID, dict[str, object]]) -> Item | None:
    """What is decided about a trigger, not saved and without a case; None when it is gone."""
    if _kind(row) in proposing.OF_KIND:
        return there
    return Item(
        kind=_kind(row),
        ref=row.about,
        title=row.title,
        note=TRIGGERS[row.name].words,
        snapshot=row.facts | used.get(row.pk, {}),
    )


def _name(item: Item, row: Trigger) -> None:
    """The finding that a trigger names, beside an item that is made of triggers."""
    if item.kind not in proposing.OF_KIND and "key" in row.facts:
        keys = [*item.snapshot.get("findings", []), row.facts["key"]]
        item.snapshot["findings"] = list(dict.fromkeys(keys))


def findings(rows: Iterable[Trigger]) -> list[Finding]:
    """The findings that stand behind these, where a trigger names one."""
    named = [row.facts["finding"] for row in rows if "finding" in row.facts]
    return list(Finding.objects.filter(pk__in=named).order_by("number")) if named else []


def place(case: Case, new: Sequence[Item], after: int) -> None:
    """Put items, not yet saved, into a case that has so many."""
    for position, item in enumerate(new, start=after):
        item.case, item.position = case, position


def _title(group: Group, new: Sequence[Item]) -> str:
    said = f"{TRIGGERS[group.name].words.capitalize()}: {group.identity.name}"
    if len(new) == 1 and new[0].kind == "identity":
        return said
    what = new[0].title if len(new) == 1 else counted(len(new), "item")
    return f"{said}: {what}"[:500]


def opened(
    asking: Sequence[tuple[Group, Mapping[UUID, Item]]],
    policy: ReviewPolicy,
    named: MicroReviews,
    *,
    now: datetime,
) -> list[Case]:
    """A case for each of these, with seats, items, rungs and the findings behind it; as many
    queries as for one."""
    if not asking:
        return []
    cases = [
        Case(
            door="access_review",
            state="open",
            trigger=group.name,
            title=_title(group, list(new.values())),
            identity=group.identity,
            policy=policy,
            opened_at=now,
            opened_by=COUNTERSIGN.ref,
            opened_by_name=COUNTERSIGN.name,
            reason=" ".join(one.words for one in group.rows)[:LONGEST_REASON],
            deadline_at=now + timedelta(hours=named[group.name].hours),
            # What it rests on may be late, sampled or absent: it is asked about, never cut.
            silence="escalate",
            grace=rungs.grace(policy),
            legal_entity=group.identity.legal_entity,
        )
        for group, new in asking
    ]
    Case.objects.bulk_create(cases)
    numbers = dict(
        Case.objects.filter(pk__in=[one.pk for one in cases]).values_list("pk", "number")
    )
    made: list[Item] = []
    under = []
    for case, (group, new) in zip(cases, asking, strict=True):
        case.number = numbers[case.pk]
        place(case, list(new.values()), 0)
        made += new.values()
        under += [(case, row) for row in group.rows if row.about in new]
    of = [(case, group.identity) for case, (group, _) in zip(cases, asking, strict=True)]
    seats.build_all(of, now=now)
    Item.objects.bulk_create(made)
    rungs.make(cases)
    _put_under(under)
    seats.never_alone_all(cases, now=now)
    nudge.after_commit("case.changed")
    return cases


def _put_under(rows: Sequence[tuple[Case, Trigger]]) -> None:
    """The findings that these triggers name, under their cases."""
    there = {str(one.pk): one.pk for one in findings(row for _, row in rows)}
    pairs = {
        (case.pk, there[row.facts["finding"]]): None
        for case, row in rows
        if row.facts.get("finding") in there
    }
    under = Case.findings.through
    under.objects.bulk_create(
        [under(case_id=case, finding_id=finding) for case, finding in pairs], ignore_conflicts=True
    )
