"""What somebody who is asked in a blind stage may not see: earlier answers, until they answered.

Owns whose sight that is, on which items, and what is made of answers: conflicts, second looks, the
counts of a campaign. Pages, API and feeds take all of it through here; the ledger carries a
commitment meanwhile (reviews/actions/disclosing.py).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from evidence.models import Capsule
from identities.models import User
from identities.permissions import groups
from reviews.actions import stages
from reviews.models import Campaign, Case, Decision, Item, ReviewPolicy, Seat
from reviews.permissions import mine

OPEN = ("", "conflict")
UNDECIDED = ("draft", "open")
# Of other cases nothing is hidden.
STAGED = Q(~Q(stage=""), state__in=UNDECIDED)
WHY = "You are asked in {stage}, which does not see earlier answers: answer first."


class Blind(NamedTuple):
    """Answers of these seats on these items are not to be seen."""

    seats: frozenset[UUID]
    items: frozenset[UUID]
    why: str

    def hides(self, item: UUID, seat: UUID) -> bool:
        return item in self.items and seat in self.seats


def of(
    user: User,
    case: Case,
    seats: Sequence[Seat],
    items: Iterable[Item],
    answered: Collection[tuple[UUID, UUID]],
    *,
    now: datetime,
) -> Blind | None:
    """What this user may not see of a case; None: everything that stands in it.

    `seats` with their stages; `answered`: (item, seat) of every answer that stands.
    """
    plan = stages.plan_of(case)
    if plan is None or case.state not in UNDECIDED:
        return None
    ties = {seat.party_id for seat in seats if seat.kind == "tie_breaker"}
    breaks = not mine(user, now=now).isdisjoint(ties)
    theirs = [
        seat
        for seat in seats
        if seat.stage is not None
        and seat.turn != "past"
        and seat.stage.position in plan.blind
        and _may_sit(user, seat, breaks=breaks, now=now)
    ]
    signed = {seat.pk for seat in seats if seat.person_id and seat.person_id == user.person_id}
    if not theirs or signed - {seat.pk for seat in theirs}:
        # Who has signed in another seat knows that answer and signs in no blind one any more.
        return None
    first = min(seat.stage.position for seat in theirs if seat.stage is not None)
    own = {seat.pk for seat in theirs} & signed
    hidden = frozenset(
        item.pk
        for item in items
        if item.outcome in OPEN and not any((item.pk, seat) in answered for seat in own)
    )
    # Who broke a tie before said what was answered: that seat is of no stage.
    before = frozenset(
        seat.pk for seat in seats if seat.stage is None or seat.stage.position < first
    )
    if not hidden or not before:
        return None
    name = next(seat.stage.name for seat in theirs if seat.stage is not None)
    return Blind(before, hidden, WHY.format(stage=name))


def _may_sit(user: User, seat: Seat, *, breaks: bool, now: datetime) -> bool:
    if seat.person_id is not None and seat.person_id == user.person_id:
        return True
    if seat.party_id is None and seat.backup_id is None:
        # Who breaks the ties of the case sits in no seat that nobody is named for.
        return "reviewer" in groups(user) and not breaks
    return not mine(user, now=now).isdisjoint({seat.party_id, seat.backup_id})


def why_not_see_capsule(user: User, case: Case, capsule: Capsule, *, now: datetime) -> str | None:
    """Why somebody may not read yet what was shown to an earlier signer."""
    blind = _now(user, case, list(case.items.all()), now=now)
    if blind is None:
        return None
    under = Decision.objects.filter(capsule=capsule).values_list("item", "seat")
    return blind.why if any(blind.hides(item, seat) for item, seat in under) else None


def why_not_look_again(user: User, case: Case, *, now: datetime) -> str | None:
    """Why somebody may not read yet which answers of a case came very fast, nor judge them."""
    blind = _now(user, case, list(case.items.all()), now=now)
    return None if blind is None else blind.why


def _now(user: User, case: Case, items: Sequence[Item], *, now: datetime) -> Blind | None:
    if not case.stage:
        return None
    given = Decision.objects.filter(item__in=items, superseded_at__isnull=True)
    seats = list(case.seats.select_related("stage"))
    return of(user, case, seats, items, set(given.values_list("item_id", "seat_id")), now=now)


def conflicts_hidden(
    user: User, cases: Iterable[UUID], *, now: datetime
) -> dict[UUID, frozenset[UUID]]:
    """The items in conflict of which this user may not know it, by case; in four queries, and one
    where none of these cases is asked in stages.
    """
    differ = Item.objects.filter(case__in=list(cases), outcome="conflict", case__state="open")
    found = _of_all(user, differ.exclude(case__stage=""), now=now)
    return {case: blind.items for case, blind in found.items()}


def hidden(user: User, *, now: datetime) -> Q | None:
    """The cases of which this user may not read yet every answer that stands, as a condition that
    says of many what `of` says of one; None where no policy asks blind. One query."""
    asked = asked_blind(user, now=now)
    return None if asked is None else _hidden(user, asked)


def hidden_of(user: User, asked: QuerySet[Seat] | None, cases: Collection[UUID]) -> set[UUID]:
    """`hidden`, as those of these cases. `asked`: `asked_blind` of this user.

    Hardly anybody is asked blind in most of them, so that is asked first, and what is hidden of the
    others alone.
    """
    if asked is None or not cases:
        return set()
    theirs = set(asked.filter(case__in=_these(cases)).values_list("case", flat=True))
    if not theirs:
        return theirs
    rows = Case.objects.filter(_hidden(user, asked, theirs), pk__in=_these(theirs))
    return set(rows.values_list("pk", flat=True))


def _these(cases: Collection[UUID]) -> RawSQL:
    """The same as these keys: one parameter, however often and however many they are asked about."""
    return RawSQL("SELECT unnest(%s::uuid[])", [list(cases)])


def asked_blind(user: User, *, now: datetime) -> QuerySet[Seat] | None:
    """The seats of blind stages, over or not begun or running, in which this user is asked, or may
    be; None where no policy asks blind. One query."""
    return _asked_blind(user, ReviewPolicy.objects.filter(document__has_key="stages"), now=now)


def _hidden(user: User, asked: QuerySet[Seat], among: Collection[UUID] | None = None) -> Q:
    """`among`: it is asked of these cases alone, and no further is read."""
    every, items = Seat.objects.all(), Item.objects.all()
    if among is not None:
        those = _these(among)
        asked, every = asked.filter(case__in=those), every.filter(case__in=those)
        items = items.filter(case__in=those)
    seats = every.filter(case=OuterRef("pk"))
    signed = seats.filter(person=user.person_id, person__isnull=False)
    given = Decision.objects.filter(
        item=OuterRef("pk"), superseded_at__isnull=True, seat__person=user.person_id
    )
    later = asked.filter(case=OuterRef("case"), stage__position__lte=OuterRef("stage__position"))
    return Q(
        STAGED,
        # Read once, and before anything is asked of each case.
        Q(pk__in=asked.values("case")),
        # Who has signed in another seat knows that answer and signs in no blind one any more.
        ~Exists(signed.exclude(Exists(asked.filter(pk=OuterRef("pk"))))),
        Exists(
            items.filter(~Exists(given), case=OuterRef("pk"), outcome__in=OPEN),
        ),
        Exists(seats.filter(Q(stage__isnull=True) | ~Exists(later))),
    )


def _of_all(user: User, items: QuerySet[Item], *, now: datetime) -> dict[UUID, Blind]:
    """`of` for many cases at once, of these items of theirs."""
    by_case: dict[UUID, list[Item]] = {}
    for item in items:
        by_case.setdefault(item.case_id, []).append(item)
    if not by_case:
        return {}
    seats: dict[UUID, list[Seat]] = {}
    for seat in Seat.objects.filter(case__in=by_case).select_related("stage"):
        seats.setdefault(seat.case_id, []).append(seat)
    every = [item.pk for those in by_case.values() for item in those]
    given = set(
        Decision.objects.filter(item__in=every, superseded_at__isnull=True).values_list(
            "item_id", "seat_id"
        )
    )
    found = {}
    for case in Case.objects.filter(pk__in=by_case).select_related("policy"):
        blind = of(user, case, seats[case.pk], by_case[case.pk], given, now=now)
        if blind is not None:
            found[case.pk] = blind
    return found


def _asked_blind(
    user: User, policies: Iterable[ReviewPolicy], *, now: datetime
) -> QuerySet[Seat] | None:
    """The seats of blind stages in which this user may sit, or sits, and which are not over; None
    where none of these policies has such a stage."""
    places = Q()
    for policy in policies:
        plan = stages.of_policy(policy)
        if plan is not None and plan.blind:
            places |= Q(case__policy=policy, stage__position__in=plan.blind)
    if not places:
        return None
    parties = mine(user, now=now)
    theirs = Q(party__in=parties) | Q(backup__in=parties)
    if user.person_id is not None:
        theirs |= Q(person=user.person_id)
    if "reviewer" in groups(user):
        # As in `_may_sit`: who breaks the ties sits in no seat that nobody is named for.
        ties = Seat.objects.filter(case=OuterRef("case"), kind="tie_breaker", party__in=parties)
        theirs |= Q(~Exists(ties), party__isnull=True, backup__isnull=True)
    return Seat.objects.filter(places, theirs).exclude(turn="past")


def blind_campaigns(user: User, campaigns: Iterable[Campaign], *, now: datetime) -> set[UUID]:
    """The campaigns in which this user is asked blind: how many of their reviews differ, or were
    answered very fast, says what was answered."""
    known = list(campaigns)
    asked = _asked_blind(user, [one.policy for one in known], now=now)
    if asked is None:
        return set()
    rows = asked.filter(case__campaign__in=known, case__state__in=UNDECIDED)
    return set(rows.values_list("case__campaign", flat=True).distinct())
