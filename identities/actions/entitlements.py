"""What a target really allows an identity, read and kept as dated evidence.

A reading that finds the same moves `read_at`; one that differs ends the old version and starts
a new one at the moment of reading, because when it changed in between nobody saw.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Q

from evidence import ledger, nudge
from evidence.keys import uuid7
from identities.acting import COUNTERSIGN
from identities.actions.revocations import of_aws, of_gcp, reach
from identities.enforcers import entitlements_aws
from identities.enforcers.contract import PermanentFailure, TemporaryFailure
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
        if target.system == "gcp" and (allowed := of_gcp.read(target)) is not None:
            rows.append(
                keep(
                    identity=identity,
                    system=target.system,
                    principal=allowed.principal,
                    possible=[item.as_json() for item in allowed.possible],
                    keys=[],
                    missing=allowed.missing,
                    digest=allowed.digest,
                    since=now,
                    now=now,
                )
            )
        if target.system != "aws" or target.kind not in ("user", "role"):
            continue
        found = entitlements_aws.read(
            of_aws.clients(target.account),
            account=target.account,
            kind="user" if target.kind == "user" else "role",
            name=target.name,
            now=now,
        )
        rows.append(
            keep(
                identity=identity,
                system=target.system,
                principal=found.principal,
                possible=[item.as_json() for item in found.possible],
                keys=[key.as_json() for key in found.keys],
                missing="; ".join(found.missing),
                digest=found.digest,
                since=now,
                now=now,
            )
        )
    return rows


def keep(
    *,
    identity: Identity,
    system: str,
    principal: str,
    possible: list[dict[str, Any]],
    keys: list[dict[str, Any]],
    missing: str,
    digest: str,
    since: datetime,
    now: datetime,
) -> Entitlement:
    """What a reading at `now` found, of which it is known to be so `since` then: the version that
    is true from now on."""
    missing = missing[:4000]
    with transaction.atomic():
        Identity.objects.select_for_update(of=("self",), no_key=True).get(pk=identity.pk)
        row = (
            Entitlement.objects.select_for_update(of=("self",))
            .filter(
                identity=identity,
                principal=principal,
                superseded_at__isnull=True,
                during__upper_inf=True,
            )
            .first()
        )
        if row is not None and row.digest == digest:
            # The same permissions: only how fresh they are, and when keys were used, is new.
            row.read_at, row.keys, row.missing = max(row.read_at, now), keys, missing
            row.save(update_fields=["read_at", "keys", "missing"])
            return row
        if row is not None and row.during.lower is not None and row.during.lower >= since:
            # A reading that was overtaken by a newer one says nothing new.
            return row
        if row is not None:
            Entitlement.objects.filter(pk=row.pk).update(superseded_at=now)
            Entitlement.objects.create(
                identity=identity,
                system=row.system,
                principal=row.principal,
                during=(row.during.lower, since),
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
            system=system,
            principal=principal,
            during=(since, None),
            read_at=now,
            digest=digest,
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
            words=f"what {principal} may do {what}",
            data={
                "principal": principal,
                "digest": digest,
                "before": "" if row is None else row.digest,
            },
        )
        nudge.after_commit("identities.changed")
    return made


def end(*, entitlement: Entitlement, now: datetime) -> bool:
    """The principal is gone, or no longer this identity's: what it might do ends now."""
    with transaction.atomic():
        Identity.objects.select_for_update(of=("self",), no_key=True).get(
            pk=entitlement.identity_id
        )
        row = (
            Entitlement.objects.select_for_update(of=("self",))
            .select_related("identity")
            .filter(pk=entitlement.pk, superseded_at__isnull=True, during__upper_inf=True)
            .first()
        )
        if row is None or (row.during.lower is not None and row.during.lower >= now):
            return False
        begun = row.during.lower
        Entitlement.objects.filter(pk=row.pk).update(superseded_at=now)
        row.pk, row.during, row.recorded_at = uuid7(), (begun, now), now
        row.save(force_insert=True)
        ledger.append(
            at=now,
            by=COUNTERSIGN.ref,
            by_name=COUNTERSIGN.name,
            act="entitlement.ended",
            subject=row.identity.key,
            words=f"{row.principal} may do nothing any more: its system does not list it, or it is"
            " bound elsewhere",
            data={"principal": row.principal, "digest": row.digest},
        )
        nudge.after_commit("identities.changed")
    return True


def read_next(*, now: datetime) -> bool:
    """Read the identity whose reading is oldest and no longer fresh; False when none is due.

    A target that cannot be asked is left until the next round: the page says how old the last
    reading is.
    """
    due = (
        Identity.objects.exclude(state="retired")
        .filter(
            Q(bindings__actor__kind="arn", bindings__actor__realm__startswith="aws:")
            | Q(
                bindings__actor__kind="service_account",
                bindings__actor__realm__in=of_gcp.readable(),
            ),
            bindings__state="confirmed",
            bindings__superseded_at__isnull=True,
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
