"""How each answer was given, the cases that answers given too fast make provisional, and the
second look that such a case waits for.

Owns Burst and Provisional rows. The numbers are reviews/attention.py, whose second look a case
waits for is second_looks.py. A mark on another case than the one that is being signed is one
inserted row and no lock: the sweep `tell_provisional_next` writes its ledger entry and tells people.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet

from evidence.intake.admitting import micros
from evidence.models import Looked
from evidence.words import counted
from identities import as_read
from identities.acting import COUNTERSIGN
from identities.models import Person, User
from identities.permissions import NotPossible, require
from identities.reasons import LONGEST_REASON, reason_given
from reviews import attention, independence
from reviews.models import Burst, Case, Decision, Item, Provisional, Seat

from . import entries, opening, reminders, rungs, second_looks, settling, stages

WORDS = {"confirm": "confirmed", "ask_again": "asked again"}


class Measured(NamedTuple):
    """How an answer is given; `quick` counts other items that the signer kept just before."""

    shown_at: datetime | None
    evidence_opened: bool
    batch: int
    quick: int


def one_at_a_time(person: UUID) -> None:
    """Signatures of one person wait for each other, so that none is left out of the count.

    To be taken right after the case's own lock, before anything of another case.
    """
    Person.objects.select_for_update(no_key=True).filter(pk=person).first()


def measure(
    case: Case,
    item: Item,
    seat: Seat,
    *,
    events: Sequence[tuple[datetime, int]],
    by: User,
    now: datetime,
) -> Measured:
    """What is known of how this answer is given; `events` are the item's evidence. Three queries.

    Looks count from when the seat was last asked about the item: a second look that opens
    nothing does not live on what was opened for the first.
    """
    earlier = list(item.decisions.values_list("seat", "superseded_at", "capsule__number"))
    asked = max(
        (at for pk, at, _ in earlier if pk == seat.pk and at is not None), default=case.opened_at
    )
    shown = Q(kind="item", ref=str(item.pk))
    opened = Q(kind="event", ref__in=[f"{micros(at)}-{number}" for at, number in events])
    opened |= Q(kind="capsule", ref__in=[f"CAP-{number}" for *_, number in earlier])
    if case.identity is not None:
        opened |= Q(kind="line", ref=case.identity.key)
    # Named by kind and reference in the condition itself: that is what the index knows.
    looks = Looked.objects.filter(shown | opened, by=by.ref, at__gte=asked, at__lte=now).aggregate(
        shown=Min("at", filter=shown), opened=Count("pk", filter=opened)
    )
    lately = (
        Decision.objects.filter(
            person=by.person_id,
            at__gte=now - max(attention.BATCH, attention.WITHIN),
            at__lte=now,
        )
        .exclude(item=item)
        .aggregate(
            batch=Count("item", distinct=True, filter=Q(at__gt=now - attention.BATCH)),
            quick=Count(
                "item",
                distinct=True,
                filter=Q(at__gte=now - attention.WITHIN, answer__in=attention.QUICK),
            ),
        )
    )
    return Measured(looks["shown"], looks["opened"] > 0, lately["batch"], lately["quick"])


def mark(case: Case, row: Decision, measured: Measured) -> None:
    """Mark the cases of a burst as provisional, if this answer belongs to one.

    The one that makes it a burst marks all cases it went over; those after it their own.
    """
    quick = measured.quick + 1
    if row.answer not in attention.QUICK or not attention.is_hasty(quick):
        return
    lately = Decision.objects.filter(
        person=row.person_id,
        at__gte=row.at - attention.WITHIN,
        at__lte=row.at,
        answer__in=attention.QUICK,
    )
    burst = Burst.objects.filter(person=row.person_id).order_by("-until").first()
    cases: Iterable[UUID] = [case.pk]
    if burst is not None and attention.goes_on(burst.until, row.at):
        burst.until = row.at
        burst.answers = _kept(burst).count()
        burst.save(update_fields=["until", "answers"])
    else:
        since = lately.aggregate(at=Min("at"))["at"]
        burst = Burst.objects.create(person=row.person, since=since, until=row.at, answers=quick)
        cases = lately.values_list("item__case", flat=True).distinct()
    Provisional.objects.bulk_create(
        [Provisional(case_id=pk, burst=burst, marked_at=row.at) for pk in cases],
        ignore_conflicts=True,
    )


def _kept(burst: Burst) -> QuerySet[Decision, UUID]:
    """The items that a burst went over."""
    rows = Decision.objects.filter(
        person=burst.person_id,
        at__gte=burst.since,
        at__lte=burst.until,
        answer__in=attention.QUICK,
    )
    return rows.values_list("item", flat=True).distinct()


def standing(case: Case) -> list[Provisional]:
    """The marks of a case that wait for a second look, oldest first."""
    return list(
        case.provisional.filter(settled_at__isnull=True)
        .select_related("burst__person")
        .order_by("marked_at", "pk")
    )


def waits(case: Case) -> bool:
    """Whether nothing more is let in by this case before somebody has looked again."""
    return case.provisional.filter(settled_at__isnull=True).exists()


def answers_of(case: Case, marks: Sequence[Provisional]) -> list[Decision]:
    """The answers of bursts in this case that still stand, in the order of its items."""
    return list(
        _given(case, marks)
        .filter(superseded_at__isnull=True)
        .select_related("item", "seat", "person")
        .order_by("item__position", "at")
    )


def _given(case: Case, marks: Sequence[Provisional]) -> QuerySet[Decision]:
    """The answers of bursts in this case, also those that were taken back."""
    theirs = Q(pk__in=[])
    for one in marks:
        theirs |= Q(person=one.burst.person_id, at__gte=one.burst.since, at__lte=one.burst.until)
    return Decision.objects.filter(theirs, item__case=case, answer__in=attention.QUICK)


def settle_taken_back(case: Case, *, by: User, now: datetime) -> None:
    """Settle the marks of this person's bursts once they let in nothing any more that a burst went
    over in a locked case: there is nothing left that somebody could look at again."""
    marks = [one for one in standing(case) if one.burst.person_id == by.person_id]
    if not marks:
        return
    again = Decision.objects.filter(
        item__in=_given(case, marks).values("item"),
        person=by.person_id,
        superseded_at__isnull=True,
        answer__in=attention.QUICK,
    )
    if again.exists():
        return
    Provisional.objects.filter(pk__in=[one.pk for one in marks]).update(
        settled_at=now, settled_by=by, how="taken_back"
    )
    if any(one.told_at for one in marks) and not stages.withholds(case):
        entries.note(
            case,
            act="case.taken_back",
            words=f"{case.key} waits for no second look of these any more: {by.called} took back"
            " what was answered very fast",
            by=by,
            now=now,
            data={"bursts": [str(one.burst_id) for one in marks]},
        )


def sentences(marks: Sequence[Provisional]) -> list[str]:
    """Why a case is provisional."""
    return [
        attention.sentence(one.burst.answers, one.burst.since, one.burst.until) for one in marks
    ]


def of_campaigns(campaigns: Iterable[UUID]) -> dict[UUID, int]:
    """In how many reviews of each campaign answers wait for a second look; none of them: left out."""
    rows = _waiting().filter(case__campaign__in=campaigns)
    many = rows.order_by().values("case__campaign").annotate(n=Count("case", distinct=True))
    return {row["case__campaign"]: row["n"] for row in many}


def cases_of(campaign: UUID) -> QuerySet[Provisional, UUID]:
    """The reviews of a campaign that wait for a second look."""
    return _waiting().filter(case__campaign=campaign).values_list("case", flat=True)


def _waiting() -> QuerySet[Provisional]:
    # A sealed case is absent for everybody but its members, and so is what is said of it.
    return second_looks.unsettled().filter(case__sealed=False)


def in_words(many: int) -> str:
    """ "3 reviews wait for a second look"; "" for none."""
    return counted(many, "review waits", "reviews wait") + " for a second look" if many else ""


def tell_provisional_next(*, now: datetime) -> bool:
    """Write one mark that nobody was told of in its case's ledger, and tell who may look again."""
    with transaction.atomic():
        waiting = Provisional.objects.filter(told_at__isnull=True)
        found = waiting.order_by("marked_at", "pk").values_list("case", flat=True).first()
        if found is None:
            return False
        case = entries.locked(found)
        marks = list(
            waiting.filter(case=case).select_related("burst__person").order_by("marked_at", "pk")
        )
        if not marks:
            return True
        Provisional.objects.filter(pk__in=[one.pk for one in marks]).update(told_at=now)
        # Of what was taken back before anybody heard of it nobody is told.
        marks = [one for one in marks if one.how != "taken_back"]
        # That answers came so fast says what they were: a blind stage must not read it.
        withheld = stages.withholds(case)
        for one, words in () if withheld else zip(marks, sentences(marks), strict=True):
            entries.note(
                case,
                act="case.provisional",
                words=f"{case.key} is provisional until somebody has looked again. {words}",
                by=COUNTERSIGN,
                now=now,
                at=one.marked_at,
                data={"burst": str(one.burst_id), "answers": one.burst.answers},
            )
        if any(one.settled_at is None for one in marks):
            reminders.send(second_looks.notices(case, marks, now=now))
        if not withheld:
            entries.changed(case)
    return True


def mark_of(marks: Sequence[Provisional], rows: Sequence[Decision]) -> str:
    """The mark of what a second look was shown: the bursts, and their answers that stood."""
    return as_read.mark([*(one.pk for one in marks), "", *(one.pk for one in rows)])


def look_again(
    *, case: Case, how: str, reason: str, by: User, now: datetime, read: str | None = None
) -> Case:
    """Confirm the answers of a burst with a reason, or ask for them again.

    `how`: confirm, or ask_again. What has gone out already is asked for in a new review. `read`:
    `mark_of` what was shown: an answer that came since is confirmed by nobody who has not seen it.
    """
    if how not in WORDS:
        raise NotPossible("Choose: confirm the answers, or ask for them again.")
    with transaction.atomic():
        case = entries.locked(case.pk)
        marks = standing(case)
        require(independence.why_not_look_again(by, case, marks, now=now))
        reason = reason_given(reason, what="the seats and the ledger keep it")
        rows = answers_of(case, marks)
        if read is not None and read != mark_of(marks, rows):
            raise NotPossible(
                "These answers have changed since you opened this page, and nothing was recorded:"
                " read them as they are now."
            )
        Provisional.objects.filter(pk__in=[one.pk for one in marks]).update(
            settled_at=now,
            settled_by=by,
            how="confirmed" if how == "confirm" else "asked_again",
            reason=reason,
        )
        review = _ask_again(case, rows, reason=reason, by=by, now=now) if how != "confirm" else None
        said = f"{counted(len(rows), 'answer')} given very fast: {reason}"
        data = {
            "reason": reason,
            "decisions": [str(row.pk) for row in rows],
            "review": None if review is None else review.key,
        }
        if stages.withholds(case):
            said, data = "answers, which a later stage does not see", {}
        entries.note(
            case,
            act=f"case.{'confirmed' if how == 'confirm' else 'asked_again'}",
            words=f"{by.called} {WORDS[how]} {said}",
            by=by,
            now=now,
            data=data,
        )
        entries.changed(case)
    return case


def _ask_again(
    case: Case, rows: Sequence[Decision], *, reason: str, by: User, now: datetime
) -> Case | None:
    """Take the answers back and ask their seats anew; the review of what has gone out already."""
    if not rows:
        raise NotPossible("None of these answers stands any more: there is nothing to ask again.")
    live = case.state in ("open", "decided")
    if live and any(row.seat.turn == "past" for row in rows):
        raise NotPossible(
            "Their stage is over, and others have answered after it: confirm them, or cancel the"
            " case and open the review again."
        )
    again = [row for row in rows if live and row.item.carried_out_at is None]
    if case.state == "decided" and again:
        case.state = entries.moved(case, "reopen")
        entries.changed(case, state=case.state, decided_at=None)
    more = now + attention.AGAIN_WITHIN - case.deadline_at
    if again and case.silence_done_at is None and more > timedelta():
        entries.changed(
            case, deadline_at=case.deadline_at + more, not_counted=case.not_counted + more
        )
        rungs.move([rungs.Moved(case.pk, more)], now=now)
    Decision.objects.filter(pk__in=[row.pk for row in again]).update(superseded_at=now)
    for item in case.items.select_for_update().filter(pk__in={row.item_id for row in again}):
        item.case = case
        settling.settle(case, item, now=now)
    for person in {row.person_id: row.person for row in again}.values():
        reminders.ask_again(
            case,
            person,
            why="Your answers came faster than they can be read. Somebody looked at them and"
            f" asks again, until {case.deadline_at:%Y-%m-%d %H:%M} UTC.",
            occasion=f"second look {rows[0].pk}",
            now=now,
        )
    if len(again) == len(rows):
        return None
    if case.identity is None:
        raise NotPossible("It has gone out, and no identity is left to review: confirm it.")
    return opening.open_review(
        identity=case.identity,
        by=COUNTERSIGN,
        now=now,
        reason=f"{by.called} asked again what {case.key} let in too fast: {reason}"[
            :LONGEST_REASON
        ],
    )
