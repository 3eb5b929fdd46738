"""What a target really allows an identity, read and kept as dated evidence.

A reading that finds the same moves `read_at`; one that differs ends the old version and starts
a new one at the moment of reading, because when it changed in between nobody saw.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Q

from evidence import ledger, nudge
from identities.acting import COUNTERSIGN
from identities.actions.revocations import reach
from identities.enforcers import entitlements_aws
from identities.enforcers.contract import PermanentFailure, Target, TemporaryFailure
from identities.models import Entitlement, Identity

# How old a reading may be before the schedule reads again.
FRESH = timedelta(hours=6)


def read(*, identity: Identity, now: datetime) -> list[Entitlement]:
    """Read every principal of the identity that can be read; the versions true now.

    Raises TemporaryFailure or PermanentFailure (identities/enforcers/contract.py) when a
    target cannot be asked at all; what it refuses in part stands in `missing`.
    """
    rows = []
    for target in reach.of_identity(identity, now=now):
        if target.system != "aws" or target.kind not in ("user", "role"):
            continue
        found = entitlements_aws.read(
            reach.clients(target.account),
            account=target.account,
            kind="user" if target.kind == "user" else "role",
            name=target.name,
            now=now,
        )
        rows.append(_keep(identity, target, found, now=now))
    return rows


def _keep(
    identity: Identity, target: Target, found: entitlements_aws.Entitlements, *, now: datetime
) -> Entitlement:
    possible = [item.as_json() for item in found.possible]
    keys = [key.as_json() for key in found.keys]
    missing = "; ".join(found.missing)[:4000]
    with transaction.atomic():
        Identity.objects.select_for_update(of=("self",), no_key=True).get(pk=identity.pk)
        row = (
            Entitlement.objects.select_for_update(of=("self",))
            .filter(
                identity=identity,
                principal=found.principal,
                superseded_at__isnull=True,
                during__upper_inf=True,
            )
            .first()
        )
        if row is not None and row.digest == found.digest:
            # The same permissions: only how fresh they are, and when keys were used, is new.
            row.read_at, row.keys, row.missing = max(row.read_at, now), keys, missing
            row.save(update_fields=["read_at", "keys", "missing"])
            return row
        if row is not None and row.during.lower is not None and row.during.lower >= now:
            # A reading that was overtaken by a newer one says nothing new.
            return row
        if row is not None:
            Entitlement.objects.filter(pk=row.pk).update(superseded_at=now)
            Entitlement.objects.create(
                identity=identity,
                system=row.system,
                principal=row.principal,
                during=(row.during.lower, now),
                read_at=row.read_at,
                digest=row.digest,
                possible=row.possible,
                keys=row.keys,
                missing=row.missing,
                recorded_at=now,
                superseded_at=None,
            )
        made = Entitlement.objects.create(
            identity=identity,
            system=target.system,
            principal=found.principal,
            during=(now, None),
            read_at=now,
            digest=found.digest,
            possible=possible,
            keys=keys,
            missing=missing,
            recorded_at=now,
        )
        what = "differs from the last reading" if row is not None else "read for the first time"
        ledger.append(
            at=now,
            by=COUNTERSIGN.ref,
            by_name=COUNTERSIGN.name,
            act="entitlement.read",
            subject=identity.key,
            words=f"what {found.principal} may do {what}",
            data={
                "principal": found.principal,
                "digest": found.digest,
                "before": "" if row is None else row.digest,
            },
        )
        nudge.after_commit("identities.changed")
    return made


def read_next(*, now: datetime) -> bool:
    """Read the identity whose reading is oldest and no longer fresh; False when none is due.

    A target that cannot be asked is left until the next round: the page says how old the last
    reading is.
    """
    due = (
        Identity.objects.exclude(state="retired")
        .filter(
            bindings__state="confirmed",
            bindings__superseded_at__isnull=True,
            bindings__actor__kind="arn",
            bindings__actor__realm__startswith="aws:",
        )
        .annotate(
            last=Max("entitlements__read_at", filter=Q(entitlements__superseded_at__isnull=True))
        )
        .filter(Q(last__isnull=True) | Q(last__lt=now - FRESH))
        .order_by("last", "number")
        .distinct()
    )
    for identity in due[:50]:
        try:
            if read(identity=identity, now=now):
                return True
        except (TemporaryFailure, PermanentFailure):
            continue
    return False
