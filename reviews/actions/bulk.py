"""Keeping many items at once: only what is of low risk, with fresh evidence, and never more
than a hundred.

Owns the sentence why an item is answered one at a time. Every answer is a signature of its own,
through the same act as a single one, with its own capsule and ledger row; one that is refused
leaves the others alone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count

from evidence.words import counted
from identities.models import Credential, Finding, User
from identities.permissions import NotAllowed, NotPossible
from identities.reasons import reason_given
from reviews import standing
from reviews.models import Decision, Item, Seat
from reviews.pages import freshness
from reviews.permissions import SIGNING

from . import advising, answers, deciding, proposing

MOST = 100
# A binding says who somebody is, a request gives something away: each is read by itself.
KINDS = ("delegation", "entitlement", "credential")
LOW = "low"  # as for renewing together (reviews/owner_permissions.py): normal is not low
LIVE = ("open", "confirmed")


type Fresh = dict[Any, dict[str, Any]]


class Pick(NamedTuple):
    """One item (its case and the case's identity at hand), the seat that answers it, and the
    version of the case it was read at."""

    item: Item
    seat: Seat
    version: int


class Kept(NamedTuple):
    """What became of one item: the decision, or why there is none."""

    item: Item
    decision: Decision | None
    why: str


def too_many(selected: int) -> str:
    """The sentence that more were selected than are kept at once."""
    return f"At most {MOST} items are kept at once: you selected {selected:,}."


def why_not_keep(picks: Sequence[Pick], fresh: Fresh, *, now: datetime) -> dict[UUID, str]:
    """Why each of these items is answered one at a time; "" where it may be kept with others.

    Three queries, however many items. `fresh`: by case, from reviews/pages/freshness.py.
    """
    cases = {pick.item.case_id: pick.item.case for pick in picks}
    findings = dict(
        Finding.objects.filter(
            identity__in={case.identity_id for case in cases.values()}, state__in=LIVE
        )
        .values_list("identity")
        .annotate(n=Count("pk"))
    )
    credentials = Credential.objects.in_bulk(
        [pick.item.ref for pick in picks if pick.item.kind == "credential" and pick.item.ref]
    )
    given: dict[UUID, list[Decision]] = {}
    for row in Decision.objects.filter(
        item__in=[pick.item.pk for pick in picks], superseded_at__isnull=True
    ).select_related("seat"):
        given.setdefault(row.item_id, []).append(row)
    return {
        pick.item.pk: _risk(pick, findings)
        or _doubt(pick.item, fresh)
        or _age(credentials.get(pick.item.ref) if pick.item.ref else None, pick, now=now)
        or _difference(pick, given.get(pick.item.pk, []))
        for pick in picks
    }


def _risk(pick: Pick, findings: dict[UUID, int]) -> str:
    """Who it is about, how much hangs on it, what is known against it."""
    item, case = pick.item, pick.item.case
    identity = case.identity
    if case.door != "access_review" or identity is None or item.kind not in KINDS:
        return "It gives something or says who somebody is: read it by itself."
    if pick.seat.kind not in SIGNING or item.outcome:
        return "The seats differ on it."
    hangs = {"Its criticality": identity.criticality}
    if identity.service is not None:
        hangs[f"The criticality of {identity.service.name}"] = identity.service.criticality
    for whose, more in hangs.items():
        if more != LOW:
            return f"{whose} is {more}: only what is low is kept with others."
    if identity.pk in findings:
        return f"{identity.name} has {counted(findings[identity.pk], 'open finding')}."
    if item.recommendation == "keep":
        return ""
    said = (answers.WORDS | advising.WORDS).get(item.recommendation, "")
    if said:
        return f"{said} is recommended: {item.recommendation_reason}."
    return "Keep is not recommended: the evidence says too little."


def _doubt(item: Item, fresh: Fresh) -> str:
    found = fresh.get(item.case_id)
    if found is None:
        return "No evidence of it is known."
    return f"Its evidence is not fresh: {found['why']}." if found["why"] else ""


def _age(credential: Credential | None, pick: Pick, *, now: datetime) -> str:
    """A standing credential that nobody would issue so today is not kept in passing."""
    if pick.item.kind != "credential":
        return ""
    if credential is None:
        return "Its credential is gone."
    if not credential.standing:
        return ""
    most = standing.most_days(pick.item.case)
    why = None if most is None else standing.of(credential, most, now=now)
    if why is not None:
        return why
    if credential.issued_at is None:
        return "How long it has been standing is not known."
    age = now - credential.issued_at
    return f"It has been standing for {age.days} days." if age > proposing.OLD else ""


def _difference(pick: Pick, given: Sequence[Decision]) -> str:
    # Of its own stage: what an earlier one answered, a blind one does not see.
    others = [row for row in given if row.seat.stage_id == pick.seat.stage_id]
    other = next((row for row in others if row.seat_id != pick.seat.pk), None)
    if other is not None and other.answer != "keep":
        return f"Another seat answered {answers.WORDS[other.answer].lower()}."
    if any(row.seat_id == pick.seat.pk for row in given):
        return "You have answered it already."
    return ""


def keep(picks: Sequence[Pick], *, reason: str, by: User, now: datetime) -> list[Kept]:
    """Sign keep on each of these items that may be kept so; what became of each, in order.

    Raises NotPossible for more than MOST items, for none, and without a reason.
    """
    if not picks:
        raise NotPossible("Select at least one item.")
    if len(picks) > MOST:
        raise NotPossible(too_many(len(picks)))
    reason = reason_given(reason, what="it stands on each of these items")
    fresh = freshness.of_cases({pick.item.case for pick in picks}, now=now)
    why = why_not_keep(picks, fresh, now=now)
    found = []
    # What the person read, and what they did themselves since: anything else is asked again.
    versions: dict[UUID, int] = {}
    for pick in picks:
        item, case = pick.item, pick.item.case
        if why[item.pk]:
            found.append(Kept(item, None, why[item.pk]))
            continue
        try:
            row = deciding.decide(
                case=case,
                item=item,
                seat=pick.seat,
                answer="keep",
                reason=reason,
                by=by,
                now=now,
                version=versions.get(case.pk, pick.version),
            )
        except (NotAllowed, NotPossible) as problem:
            found.append(Kept(item, None, str(problem)))
            continue
        versions[case.pk] = row.item.case.version
        found.append(Kept(item, row, ""))
    return found


def take_back(rows: Sequence[Item], *, by: User, now: datetime) -> list[Kept]:
    """Undo one's own answers on these items, each for itself, where that is still possible."""
    found = []
    for item in rows:
        try:
            deciding.undo(case=item.case, item=item, by=by, now=now)
        except (NotAllowed, NotPossible) as problem:
            found.append(Kept(item, None, str(problem)))
        else:
            found.append(Kept(item, None, ""))
    return found
