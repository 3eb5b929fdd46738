"""Asking for many at once: what it would do, and the signature that does it.

Owns Batch and BatchRow. The plan is what the signature would make, tried out in the same code and
taken back; signing makes the tree anew, so that nothing is held up by what has changed since. A row
that is refused holds up no other.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from evidence import ledger
from evidence.models import Actor
from evidence.words import counted
from identities import causes, permissions
from identities.acting import By, acting
from identities.actions import revocations
from identities.actions.revocations import Ask, Made, reach
from identities.models import Batch, BatchRow, Credential, Identity, Revocation, User
from identities.permissions import AUDITOR, NotPossible, cannot_decide
from identities.reasons import reason_given

from . import naming, sharing, tree
from .sharing import Use

# What a cascade may do, and what may be done to named targets.
CASCADE = ("hold", "revoke")
NAMED = ("hold", "release", "suspend", "revoke")
KEY = re.compile(r"[\x21-\x7e]{8,200}")
AFTER = """
UPDATE identities_revocation r SET after_id = n.after
FROM unnest(%s::uuid[], %s::uuid[]) AS n (id, after) WHERE r.id = n.id
"""
TAKES_SEATS = (
    "The end of a delegation takes both seats: open a case. While what it comes from is held,"
    " hold {name} as well if it must stop at once."
)


@dataclass(slots=True)
class Planned:
    """One target: what would be asked for, who else uses it, or why it cannot be asked for."""

    named: str
    words: str
    identity: Identity | None = None
    credential: Credential | None = None
    above: int | None = None
    depth: int = 0
    ask: Ask | None = None
    with_: int | None = None  # the place of the row whose revocation ends this one as well
    does: list[str] = field(default_factory=list)
    shared: list[Use] = field(default_factory=list)
    refused: str = ""
    lives_until: datetime | None = None


class Result(NamedTuple):
    row: BatchRow
    revocations: list[Revocation]


def why_not_ask_many(by: By, *, now: datetime) -> str | None:  # noqa: ARG001 -- as every permission
    """Ask for many at once. Each target has its own permission besides."""
    user = acting(by).user
    if user is None:
        return None
    if why := cannot_decide(user):
        return why
    return AUDITOR if "auditor" in permissions.groups(user) else None


def plan_cascade(
    *, root: Identity, step: str, by: By, now: datetime, by_hand: bool = False
) -> list[Planned]:
    """The tree of what comes from this identity, and what the step would do to each part."""
    rows = _cascade(root, _known(step, CASCADE), "", now=now)
    return _tried(rows, by=by, now=now, by_hand=by_hand)


def plan_named(
    *, names: Sequence[str], step: str, by: User, now: datetime, by_hand: bool = False
) -> list[Planned]:
    """What the step would do to each of these names."""
    names = naming.checked(names)
    rows = _named(names, _known(step, NAMED), "", by, now=now)
    return _tried(rows, by=by, now=now, by_hand=by_hand)


def cascade(
    *, root: Identity, step: str, because: str, request_key: str, by: By, now: datetime,
    by_hand: bool = False, case: UUID | None = None, case_key: str = "",
) -> Batch:  # fmt: skip
    """One signature on the identity and all that comes from it, parents first."""
    permissions.require(revocations.why_not(root, _known(step, CASCADE), by, now=now))
    because = reason_given(because, what="it stands in the ledger")
    if causes.unsaid([case]):
        because, case_key = causes.NEUTRAL, ""
    batch = Batch(
        kind="cascade", step=step, root=root, because=because, case=case, case_key=case_key
    )
    with transaction.atomic():
        if _begun(batch, request_key, [root.key], by_hand, by=by, now=now):
            said = f"{because} (from {root.name}, {batch.key})"
            _sign(batch, _cascade(root, step, said, now=now), by_hand, by=by, now=now)
    return batch


def named(
    *, names: Sequence[str], step: str, because: str, request_key: str, by: User, now: datetime,
    by_hand: bool = False,
) -> Batch:  # fmt: skip
    """One signature on up to MOST named targets. `by_hand`: what no enforcer changes is put on the
    wall for people."""
    permissions.require(why_not_ask_many(by, now=now))
    step = _known(step, NAMED)
    because = reason_given(because, what="it stands in the ledger")
    names = naming.checked(names)
    batch = Batch(kind="named", step=step, because=because)
    with transaction.atomic():
        if _begun(batch, request_key, names, by_hand, by=by, now=now):
            said = f"{because} ({batch.key})"
            _sign(batch, _named(names, step, said, by, now=now), by_hand, by=by, now=now)
    return batch


def results(batch: Batch) -> list[Result]:
    """What became of each target, as it stands now. Two queries."""
    rows = list(batch.rows.select_related("identity", "credential__actor").order_by("place"))
    wanted = {pk for row in rows for pk in row.revocations}
    found = Revocation.objects.prefetch_related("statements").in_bulk(list(wanted))
    return [Result(row, [found[pk] for pk in row.revocations if pk in found]) for row in rows]


# --- What is asked for ---------------------------------------------------------------------------


def _known(step: str, steps: Sequence[str]) -> str:
    if step not in steps:
        raise NotPossible(f"{step[:40]!r} is no step here; choose one of {', '.join(steps)}.")
    return step


def _cascade(root: Identity, step: str, because: str, *, now: datetime) -> list[Planned]:
    minted = tree.minted(root, now=now)
    of = {root.pk} | {
        one.credential.identity_id for one in minted if one.credential.identity_id is not None
    }
    names = reach.bound_names(of, now=now)
    shared, of_root = sharing.of(
        [one.credential for one in minted], names[root.pk], root.pk, now=now
    )
    made = [
        Planned(root.key, f"{root.name} itself", root, ask=Ask(root, step, because), shared=of_root)
    ]
    places: dict[tuple[str, ...], int] = {}
    for one in minted:
        row = _of_credential(one, root, step, because)
        row.shared = shared[one.credential.pk]
        place = places.setdefault(_target(one.credential, names, now=now), len(made))
        if place != len(made):
            row.ask, row.with_ = None, place
        made.append(row)
    for passed in tree.passed_on(root, now=now):
        delegation = passed.version.delegation
        grantee = delegation.grantee
        made.append(
            Planned(
                delegation.key,
                f"delegation {delegation.key} of {grantee.name}",
                grantee,
                above=0,
                depth=passed.depth,
                refused=TAKES_SEATS.format(name=grantee.name),
                lives_until=passed.version.during.upper,
            )
        )
    return made


def _of_credential(one: tree.Minted, root: Identity, step: str, because: str) -> Planned:
    credential = one.credential
    owner = credential.identity or root
    whose = f" of {owner.name}" if credential.identity is not None else ", bound to nobody"
    minted = " (what it was issued with has ended)" if one.ended else ""
    kind = credential.kind.replace("_", " ")
    return Planned(
        credential.key,
        f"{kind} {credential.short}{whose}{minted}",
        owner,
        credential,
        above=0 if one.above is None else one.above + 1,
        depth=one.depth + 1,
        ask=Ask(owner, step, because, credential),
        lives_until=credential.expires_at,
    )


def _target(
    credential: Credential, names: Mapping[UUID, Sequence[Actor]], *, now: datetime
) -> tuple[str, ...]:
    """What is changed at the target; of several that are the same change one is asked for."""
    mine = [] if credential.identity_id is None else names.get(credential.identity_id, [])
    try:
        target = reach.of_credential(credential, mine, now=now)
    except reach.NoTarget:
        return ("", str(credential.pk))
    whose = str(credential.identity_id or "")
    return (target.system, target.account, target.kind, target.name, whose)


def _named(
    names: Sequence[str], step: str, because: str, by: User, *, now: datetime
) -> list[Planned]:
    made = []
    for one in naming.found(names, by, now=now):
        words = one.identity.name if one.identity is not None else one.said
        if one.credential is not None:
            words = f"{one.credential.kind.replace('_', ' ')} {one.credential.short}"
        row = Planned(one.said, words, one.identity, one.credential, refused=one.why)
        if one.identity is not None and not one.why:
            row.ask = Ask(one.identity, step, because, one.credential)
        made.append(row)
    return made


def _tried(rows: list[Planned], *, by: By, now: datetime, by_hand: bool) -> list[Planned]:
    asked = [row for row in rows if row.ask is not None]
    made = revocations.try_out(
        [row.ask._replace(by_hand=by_hand) for row in asked if row.ask is not None], by=by, now=now
    )
    for row, one in zip(asked, made, strict=True):
        row.refused = str(one.refused or "")
        # The tree of a cascade has its own row for each of what goes along.
        along = one.along if row.depth == 0 else ()
        row.does = [_said(rev) for rev in (*one.rows, *along)]
    for row in rows:
        if row.with_ is not None:
            row.does, row.refused = rows[row.with_].does, rows[row.with_].refused
    return rows


def _said(row: Revocation) -> str:
    """What would be done, and by whom."""
    return f"{row.words}, by hand: {row.failed_why}" if row.state == "failed" else row.words


# --- The signature -------------------------------------------------------------------------------


def _begun(
    batch: Batch, request_key: str, names: Sequence[str], by_hand: bool, *, by: By, now: datetime
) -> bool:
    """Write the batch; False where this key was signed before, and `batch` is what it made.

    NotPossible for a key that was used for something else.
    """
    if KEY.fullmatch(request_key) is None:
        raise NotPossible(
            "Give a request key of 8 to 200 printable characters: the same request is done once."
        )
    who = acting(by)
    said = acting(_said_by(batch, by))
    asked = json.dumps([batch.kind, batch.step, batch.because, by_hand, list(names)]).encode()
    batch.at, batch.by, batch.by_name = now, who.ref, said.name
    batch.request_key, batch.asked_digest = request_key, sha256(asked).hexdigest()
    try:
        with transaction.atomic():
            batch.save(force_insert=True)
    except IntegrityError:
        before = Batch.objects.get(by=who.ref, request_key=request_key)
        if before.asked_digest != batch.asked_digest:
            raise NotPossible(
                f"This request key was used for {before.key}, which asked for something else."
            ) from None
        batch.__dict__.update(before.__dict__)
        return False
    batch.refresh_from_db()
    return True


def _said_by(batch: Batch, by: By) -> By:
    return causes.said_by(by, neutral=bool(causes.unsaid([batch.case])))


def _sign(batch: Batch, rows: list[Planned], by_hand: bool, *, by: By, now: datetime) -> None:
    asked = [
        (place, row.ask._replace(case=batch.case, case_key=batch.case_key, by_hand=by_hand))
        for place, row in enumerate(rows)
        if row.ask is not None
    ]
    made = dict(
        zip(
            [place for place, _ in asked],
            revocations.request_all([ask for _, ask in asked], by=by, now=now),
            strict=True,
        )
    )
    _parents_first(rows, made, now=now)
    became = [
        _became(row, made.get(place if row.with_ is None else row.with_))
        for place, row in enumerate(rows)
    ]
    BatchRow.objects.bulk_create(
        [
            BatchRow(
                batch=batch,
                place=place,
                above=row.above,
                depth=row.depth,
                subject=row.named,
                words=row.words,
                identity=row.identity,
                credential=row.credential,
                lives_until=row.lives_until,
                **what,
            )
            for place, (row, what) in enumerate(zip(rows, became, strict=True))
        ]
    )
    from_ = f" from {batch.root.name}" if batch.root is not None else ""
    ledger.append(
        at=now,
        by=acting(_said_by(batch, by)).ref,
        by_name=batch.by_name,
        act="batch.signed",
        subject=batch.root.key if batch.root is not None else batch.key,
        words=f"{batch.key}: {batch.step} {counted(len(rows), 'target')}{from_}: {batch.because}",
        data={
            "batch": batch.key,
            "kind": batch.kind,
            "targets": len(rows),
            "refused": sum(bool(what["failed_why"]) for what in became),
            "case": batch.case_key,
        },
    )


def _became(row: Planned, made: Made | None) -> dict[str, Any]:
    if made is None:
        return {"failed_why": row.refused}
    return {
        "revocations": [one.pk for one in (*made.rows, *(made.along if row.depth == 0 else ()))],
        "failed_why": str(made.refused) if made.refused is not None else "",
    }


def _parents_first(rows: list[Planned], made: dict[int, Made], *, now: datetime) -> None:
    """Each new revocation goes out after those of what its target came from (claiming.py)."""
    changed = []
    for place, one in made.items():
        above = rows[place].above
        while above is not None and not _goes_out(made.get(above), now):
            above = rows[above].above
        if above is None:
            continue
        parent = _goes_out(made[above], now)[0]
        for row in _goes_out(one, now):
            if row.pk != parent.pk and row.after_id is None:
                row.after_id = parent.pk
                changed.append(row)
    with connection.cursor() as cursor:
        cursor.execute(AFTER, [[row.pk for row in changed], [row.after_id for row in changed]])


def _goes_out(made: Made | None, now: datetime) -> list[Revocation]:
    """What of it was asked for just now and is sent to a target."""
    rows = [] if made is None else made.rows
    return [one for one in rows if one.state == "requested" and one.requested_at == now]
