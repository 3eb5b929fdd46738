"""The brake on what people decided: many cuts that go out together wait until somebody has looked.

Owns OutcomeBrake rows. What is revoked goes out when it is signed, one by one; what a campaign
keeps for its end goes out all at once, so it stops and asks as silence does (actions/braking.py).
"""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from evidence import nudge
from evidence.words import counted
from identities import as_read
from identities.acting import COUNTERSIGN
from identities.models import Person, User
from identities.permissions import cannot_sign, require
from identities.reasons import reason_given
from reviews import outcome_brakes
from reviews.actions import braking
from reviews.models import Campaign, Case, Notice, OutcomeBrake
from reviews.models.outcome_brakes import HELD

from . import rows

MAY = frozenset({"reviewer", "responder", "administrator"})


def why_not_let_out(user: User, campaign: Campaign, *, now: datetime) -> str | None:
    """Let out what the brake holds of a campaign."""
    said = "Only a reviewer, a responder or an administrator may let out what the brake holds."
    why = cannot_sign(user, MAY, said, now=now)
    if why is not None:
        return why
    if not held(campaign):
        return f"Nothing of {campaign.key} is held."
    return None


def held(campaign: Campaign) -> list[OutcomeBrake]:
    """The ends of a campaign that wait for somebody; more than one where it was extended."""
    return list(campaign.brakes.filter(HELD).order_by("ended_at"))


def sentence(campaign: Campaign) -> str:
    """Why nothing of it goes out; "" where nothing is held."""
    waiting = held(campaign)
    return said_of(campaign, waiting[-1]) if waiting else ""


def said_of(campaign: Campaign, row: OutcomeBrake) -> str:
    """The sentence of one end at which it stopped."""
    many = counted(row.cuts, "identity", "identities")
    return (
        f"The brake of {campaign.policy}: at most {row.most:,} may be cut at once, and what was"
        f" decided in {campaign.key} cuts {many}. Nothing of it goes out before somebody releases it."
    )


def look_next(*, now: datetime) -> bool:
    """Count what one campaign that has ended would cut; False where none waits for that."""
    decided = Case.objects.filter(campaign=OuterRef("pk"), state="decided")
    waits = outcome_brakes.unlooked(now=now).filter(Exists(decided)).order_by("number")
    first = waits.values_list("pk", flat=True).first()
    if first is None:
        return False
    with transaction.atomic():
        one = rows.locked(first)
        if not outcome_brakes.unlooked(now=now).filter(pk=one.pk).exists():
            return True  # another worker has looked meanwhile
        cuts = outcome_brakes.cutting(one).order_by().values("case__identity").distinct().count()
        row = OutcomeBrake.objects.create(
            campaign=one,
            ended_at=one.closed_at or one.deadline_at or now,
            looked_at=now,
            cuts=cuts,
            most=braking.most_of(one.policy, now=now),
        )
        if row.cuts > row.most:
            said = said_of(one, row)
            rows.note(
                one,
                act="campaign.outcomes_held",
                words=said,
                by=COUNTERSIGN,
                now=now,
                data={"cuts": row.cuts, "most": row.most},
            )
            _tell(one, row, said, now=now)
    return True


def stands(campaign: Campaign) -> list[object]:
    """All that would be cut, for the mark of the list that somebody looks at."""
    rows = outcome_brakes.cutting(campaign).order_by("pk")
    return [part for row in rows.values_list("pk", "outcome") for part in row]


def let_out(
    *, campaign: Campaign, reason: str, by: User, now: datetime, read: str | None = None
) -> int:
    """Somebody has looked at the list: it goes out with the next sweep. How many cases wait.
    `read`: the mark of that list; what was decided since is let out by nobody who has not seen it."""
    with transaction.atomic():
        one = rows.locked(campaign.pk)
        require(why_not_let_out(by, one, now=now))
        reason = reason_given(reason, what="what was looked at, and what it rests on")
        as_read.require_same(read, stands(one), what=f"What {one.key} would cut")
        waiting = held(one)
        for row in waiting:
            row.released_at, row.reason = now, reason
            row.released_by, row.released_by_name = by.ref, by.called
        fields = ["released_at", "released_by", "released_by_name", "reason"]
        OutcomeBrake.objects.bulk_update(waiting, fields)
        many = Case.objects.filter(campaign=one, state="decided").count()
        rows.note(
            one,
            act="campaign.outcomes_released",
            words=f"{by.called} let out what was decided in {one.key}: {reason}"[:1_000],
            by=by,
            now=now,
            data={"cuts": waiting[-1].cuts, "most": waiting[-1].most},
        )
        nudge.after_commit("case.changed")
    return many


def _tell(campaign: Campaign, row: OutcomeBrake, said: str, *, now: datetime) -> None:
    """Whoever launched it and may release it, else all who may."""
    there = Q(left_at__isnull=True) | Q(left_at__gt=now)
    may = Person.objects.filter(there, users__is_active=True, users__groups__name__in=MAY)
    kind, _, login = campaign.launched_by.partition(":")
    mine = may.filter(users__pk=login) if kind == "user" else may.none()
    Notice.objects.bulk_create(
        [
            Notice(
                person=one,
                subject=f"{campaign.key}: what was decided waits to be released",
                body=f"{said}\n\n{settings.BASE_URL}/campaigns/{campaign.key}/outcomes/\n",
                campaign=None,
                occasion=f"{campaign.key} outcomes held {row.ended_at.isoformat()}",
                created_at=now,
                not_before=now,
            )
            for one in (mine.distinct() or may.distinct())
        ],
        ignore_conflicts=True,
    )
    nudge.after_commit("notice.written")
