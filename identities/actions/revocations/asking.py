"""Asking for a change in an outside system: rows that the worker finds.

Owns who asks for what; the rules of asking, one or many, are together.py. What our own decision
endpoint answers is changed in the same transaction; the rest goes out after commit (decisions 19).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from evidence import nudge
from identities import permissions
from identities.acting import By
from identities.actions.identities import record
from identities.enforcers.contract import Permission
from identities.models import Credential, Entitlement, Identity, Revocation
from identities.permissions import NotAllowed, NotPossible

from .asks import Ask, Made
from .together import Together

# Standing keys that one suspension holds at their targets; at our door nothing works of any.
MOST_HELD = 200


def request(
    *,
    identity: Identity,
    step: str,
    by: By,
    now: datetime,
    because: str,
    credential: Credential | None = None,
    case: UUID | None = None,
    case_key: str = "",
    permissions_left: Sequence[Permission] = (),
    delegation: UUID | None = None,
    delete: bool = True,
    entitlement: Entitlement | None = None,
    held_by: str = "",
    allowed: Mapping[str, str] | None = None,
    spares_own: bool = False,
    takes_made: bool | None = None,
) -> list[Revocation]:
    """Ask for a step on one credential, on what one principal is allowed, or on everything of the
    identity (`Ask`).

    The rows that stand for it, new or already open. Raises NotAllowed, NotPossible.
    """
    ask = Ask(
        identity,
        step,
        because,
        credential,
        case,
        case_key,
        permissions_left,
        delegation,
        delete,
        entitlement,
        held_by,
        allowed,
        spares_own=spares_own,
        takes_made=takes_made,
    )
    with transaction.atomic():
        (made,) = request_all([ask], by=by, now=now)
        if made.refused is not None:
            raise made.refused
    return made.rows


def request_all(asks: Sequence[Ask], *, by: By, now: datetime) -> list[Made]:
    """Ask for many steps, in their order, with as many statements as for one. What is refused
    keeps nothing else from being asked for."""
    with transaction.atomic():
        together = Together(asks, by=by, now=now)
        made = [together.take(ask) for ask in asks]
        together.write()
    return made


def try_out(asks: Sequence[Ask], *, by: By, now: datetime) -> list[Made]:
    """What asking for these would make, in their order: nothing is written, and nothing stays
    locked."""
    with transaction.atomic():
        together = Together(asks, by=by, now=now)
        made = [together.take(ask) for ask in asks]
        transaction.set_rollback(True)
    return made


def suspend_with_keys(
    *,
    identity: Identity,
    by: By,
    now: datetime,
    because: str,
    case: UUID | None = None,
    case_key: str = "",
) -> str:
    """Suspend an identity and hold its standing keys; what of them is held, in words.

    Raises NotPossible where it cannot be suspended; a key that cannot be held is said.
    """
    ask = Ask(identity, "suspend", because, case=case, case_key=case_key, urgent=True)
    with transaction.atomic():
        (said,) = suspend_all_with_keys([ask], by=by, now=now)
        if not isinstance(said, str):
            raise said
    return said


def suspend_all_with_keys(
    asks: Sequence[Ask], *, by: By, now: datetime
) -> list[str | NotPossible | NotAllowed]:
    """The same of many identities: what of each is held, or why it cannot be suspended. A draft,
    which never was active, is held instead; its state stays."""
    with transaction.atomic():
        whole = [ask._replace(step="hold") if _draft(ask) else ask for ask in asks]
        suspended = request_all(whole, by=by, now=now)
        possible = [ask for ask, made in zip(asks, suspended, strict=True) if made.refused is None]
        held = iter(hold_keys_all(possible, by=by, now=now))
        return [made.refused or next(held) for made in suspended]


def resume_all_with_keys(
    asks: Sequence[Ask], since: Mapping[UUID, datetime], *, by: By, now: datetime
) -> list[str | NotPossible | NotAllowed]:
    """Undo the suspension of each of these that began `since`, and release the keys that were held
    with it: not what was held before, or for another reason. What happens, or why it cannot be
    resumed; a draft was held, and is let go."""
    with transaction.atomic():
        whole = [ask._replace(step="release") if _draft(ask) else ask for ask in asks]
        resumed = request_all(whole, by=by, now=now)
        possible = [ask for ask, made in zip(asks, resumed, strict=True) if made.refused is None]
        released = iter(_release_keys_all(possible, since, by=by, now=now))
        return [made.refused or next(released) for made in resumed]


def _release_keys_all(
    asks: Sequence[Ask], since: Mapping[UUID, datetime], *, by: By, now: datetime
) -> list[str]:
    rows = Revocation.objects.filter(
        step="hold",
        identity__in=[ask.identity.pk for ask in asks],
        credential__state__in=["active", "held"],
        requested_at__in=set(since.values()),
    ).select_related("credential__actor")
    keys: dict[UUID, dict[UUID, Credential]] = {}
    for row in rows.order_by("credential__number"):
        if row.credential is not None and row.requested_at == since[row.identity_id]:
            keys.setdefault(row.identity_id, {})[row.credential.pk] = row.credential
    releases = [
        ask._replace(step="release", credential=key)
        for ask in asks
        for key in keys.get(ask.identity.pk, {}).values()
    ]
    made = iter(request_all(releases, by=by, now=now) if releases else ())
    return [
        "; ".join(
            [
                f"{ask.identity.name} works again",
                *(_released(key, next(made)) for key in keys.get(ask.identity.pk, {}).values()),
            ]
        )[:2_000]
        for ask in asks
    ]


def _released(credential: Credential, made: Made) -> str:
    if made.refused is not None:
        return f"{credential.short} could not be released: {made.refused}".removesuffix(".")
    return f"{made.rows[0].key} requested: {made.rows[0].words}{made.with_it()}"


def _draft(ask: Ask) -> bool:
    return ask.identity.state == "draft"


def hold_keys_all(asks: Sequence[Ask], *, by: By, now: datetime) -> list[str]:
    """Hold the standing keys of these identities, each for its ask; what of each is held, in words."""
    keys = _standing({ask.identity.pk for ask in asks})
    holds = [
        ask._replace(step="hold", credential=key)
        for ask in asks
        for key in keys.get(ask.identity.pk, ())
    ]
    held = iter(request_all(holds, by=by, now=now) if holds else ())
    words = [[_held(key, next(held)) for key in keys.get(ask.identity.pk, ())] for ask in asks]
    return [f"held: {', '.join(one)}" if one else "it has no standing key" for one in words]


def _held(credential: Credential, made: Made) -> str:
    if made.refused is not None:
        return f"{credential.short} could not be held: {made.refused}"
    return made.rows[0].key


def _standing(identities: Iterable[UUID]) -> dict[UUID, list[Credential]]:
    """The standing keys of each identity that work, the oldest first."""
    rows = Credential.objects.filter(identity__in=identities, standing=True, state="active")
    place = Window(RowNumber(), partition_by=F("identity"), order_by=F("number").asc())
    found: dict[UUID, list[Credential]] = {}
    for one in (
        rows.annotate(place=place)
        .filter(place__lte=MOST_HELD)
        .select_related("actor")
        .order_by("number")
    ):
        if one.identity_id is not None:
            found.setdefault(one.identity_id, []).append(one)
    return found


def retry(*, revocation: Revocation, by: By, now: datetime) -> Revocation:
    """Try a failed one again, after whoever had to act has acted."""
    with transaction.atomic():
        row = (
            Revocation.objects.select_for_update(of=("self",))
            .select_related("identity", "identity__service")
            .get(pk=revocation.pk)
        )
        permissions.require(permissions.why_not_retry(by, row.identity, now=now))
        if row.state != "failed":
            raise NotPossible(f"{row.key} is {row.state}: only what failed is tried again.")
        # It may have gone out before it failed, so the target is looked at first.
        row.state, row.failed_why, row.who_must_act, row.not_before = "sending", "", "", now
        row.leased_until = None
        row.save(
            update_fields=["state", "failed_why", "who_must_act", "not_before", "leased_until"]
        )
        record(
            row.identity,
            by=by,
            now=now,
            act="revocation.retried",
            words=f"{row.key}: {row.words}: tried again",
            data={"revocation": row.key},
        )
        nudge.after_commit("revocation.requested")
    return row
