"""Why a person has to release what silence would cut: nobody was at work, or a brake holds it.

Owns the two sentences and the count behind the brake. Ends of granted access are no cuts, and
what people signed item by item goes out: neither comes here. Holding is climbing.py.
"""

import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Q

from identities.models import Identity
from reviews import ladder, policies, policy_scope
from reviews.models import Case, ReviewPolicy, Rung

from . import clock, policy_versions
from .silencing import consequence

HOUR = timedelta(hours=1)
# Two workers that are about to cut under one policy wait for each other, so that both are counted.
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('brake'), %s)"


def away(lost: policies.Stretch) -> str:
    """It came due while Countersign was not at work."""
    begins, ends = lost
    return (
        f"It came due while Countersign was not at work, from {clock.in_words(begins)} to"
        f" {clock.in_words(ends)}."
    )


def why(
    case: Case, rung: Rung, doubts: Mapping[UUID, str], *, now: datetime, does: str = ""
) -> str:
    """The sentence of the brake of the case's policy; "" where it may be cut now.

    `does`: of a later rung; without it, when the answers are due. What a person has released
    is not held again.
    """
    policy = case.policy
    if policy is None or rung.settled_at is not None or "brake" not in policy.document:
        return ""
    if consequence(case, does=does, doubt=doubts.get(case.pk, "")) not in ladder.CUTS:
        return ""
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME, [zlib.crc32(policy.name.encode()) - 2**31])
    most, cut = _most(policy, now=now), _cut_lately(policy, case, now=now)
    if cut < most:
        return ""
    return (
        f"The brake of {policy}: silence may cut {most:,} within one hour, and has cut {cut:,}."
        " Look whether something is wrong before you release it."
    )


def _most(policy: ReviewPolicy, *, now: datetime) -> int:
    document = policy_versions.document_of(policy)
    if document.brake is None:
        raise ValueError(f"{policy} has no brake")
    many = 0
    if document.brake.percent is not None:
        many = policy_scope.in_scope(document, now=now).count()
    return document.brake.most(many)


def _cut_lately(policy: ReviewPolicy, case: Case, *, now: datetime) -> int:
    """Other identities whose silence came due in the last hour where it cuts.

    At most: one whose evidence was in doubt then is among them, though it was not cut.
    """
    cuts = Q(does__in=ladder.CUTS) | Q(does=ladder.DUE, case__silence__in=ladder.CUTS)
    rows = Rung.objects.filter(
        cuts, state="done", done_at__gt=now - HOUR, done_at__lte=now, case__policy__name=policy.name
    )
    others = rows.exclude(case=case).values("case__identity")
    identities = Identity.objects.filter(mode="enforce").exclude(criticality="critical")
    return identities.filter(pk__in=others).count()
