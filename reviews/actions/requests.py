"""Asking for authority: a proposal and the case that its seats sign.

Owns what a request must say. The requester never signs (reviews/permissions.py), and nothing is
in force before all seats approve.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction

from identities import authority
from identities.authority import phrases
from identities.judging.verdicts import grant_of
from identities.models import Delegation, DelegationVersion, Identity, Party, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import permissions
from reviews.models import Case, Item
from reviews.policy_document import REQUESTS

from . import entries, grants, rungs, seats
from .policy_versions import in_force
from .reminders import ask

LONGEST = timedelta(days=366)
MOST_PATTERNS = 100


class Wanted(NamedTuple):
    """What is asked for: which actions on which resources, what for, from when to when."""

    actions: Sequence[str]
    resources: Sequence[str]
    purpose: str
    ends_at: datetime
    starts_at: datetime | None = None
    task: str = ""
    on_behalf: str = ""
    conditions: Mapping[str, Any] = {}


def request_access(
    *,
    identity: Identity,
    wanted: Wanted | None,
    by: User,
    now: datetime,
    reason: str,
    delegation: Delegation | None = None,
) -> Case:
    """Open an access request: a new delegation, or a wider, longer or other one in its place.

    `wanted=None` asks for what is proposed already (a registration file's proposal).
    """
    with transaction.atomic():
        require(permissions.why_not_request(by, identity))
        reason = reason_given(reason, what="what the access is needed for")
        if delegation is not None and delegation.grantee_id != identity.pk:
            raise NotPossible(f"{delegation.key} is not a delegation to {identity.name}.")
        proposal = _proposal(identity, delegation, wanted, by=by, now=now)
        _not_asked_twice(proposal)
        title = f"Access request: {identity.name}"
        case = new_case(identity, title=title, by=by, now=now, reason=reason)
        _item(case, proposal, now=now)
        made = seats.build(case, identity, now=now)
        rungs.make([case])
        entries.note(
            case,
            act="access.requested",
            words=f"{by.called} asked for {proposal.delegation.key}: {phrases.phrase(proposal.actions, proposal.resources)}: {reason}",
            by=by,
            now=now,
            data={
                "delegation": proposal.delegation.key,
                "version": proposal.version,
                "actions": list(proposal.actions),
                "resources": list(proposal.resources),
                "ends_at": _iso(proposal.during.upper),
                "seats": [seat.kind for seat in made],
            },
        )
        entries.changed(case)
        ask(case, now=now)
    return case


def check(wanted: Wanted, *, now: datetime) -> None:
    """NotPossible, with the sentence, for a request that could not come into force."""
    if not wanted.purpose.strip():
        raise NotPossible("Say the purpose: what the identity will do with it.")
    for name, patterns in (("actions", wanted.actions), ("resources", wanted.resources)):
        if not patterns:
            raise NotPossible(f"Name the {name}.")
        if len(patterns) > MOST_PATTERNS:
            raise NotPossible(f"Name at most {MOST_PATTERNS} {name}.")
    starts = wanted.starts_at or now
    if wanted.ends_at <= max(now, starts):
        raise NotPossible("The end must lie ahead, after the start.")
    if wanted.ends_at > max(now, starts) + LONGEST:
        raise NotPossible("Authority is asked for at most 366 days at a time.")


def _proposal(
    identity: Identity,
    delegation: Delegation | None,
    wanted: Wanted | None,
    *,
    by: User,
    now: datetime,
) -> DelegationVersion:
    if wanted is None:
        known = None if delegation is None else grants.proposed(grants.locked(delegation.pk))
        if known is None:
            raise NotPossible("Nothing is proposed there: say what is asked for.")
        _compiles(known)
        return known
    check(wanted, now=now)
    if delegation is None:
        delegation = Delegation(grantee=identity, grantor=_grantor(identity, by), created_at=now)
        delegation.save(force_insert=True)
        delegation.refresh_from_db(fields=["number"])
    else:
        delegation = grants.locked(delegation.pk)
        open_one = grants.proposed(delegation)
        if open_one is not None:
            _not_asked_twice(open_one)
            open_one.superseded_at = now
            open_one.save(update_fields=["superseded_at"])
    last = delegation.versions.order_by("-version").values_list("version", flat=True).first()
    row = DelegationVersion.objects.create(
        delegation=delegation,
        version=(last or 0) + 1,
        state="proposed",
        actions=[one.strip() for one in wanted.actions],
        resources=[one.strip() for one in wanted.resources],
        conditions=dict(wanted.conditions),
        purpose=wanted.purpose.strip(),
        task=wanted.task.strip(),
        on_behalf=wanted.on_behalf.strip(),
        during=(wanted.starts_at or now, wanted.ends_at),
        recorded_at=now,
        by=by.ref,
    )
    row.refresh_from_db()
    _compiles(row)
    wider = grants.wider_than_parent(delegation, row, now=now)
    if wider:
        raise NotPossible(f"It would go beyond its parent: {'; '.join(wider)[:500]}.")
    return row


def _grantor(identity: Identity, by: User) -> Party | None:
    """Whose authority is handed on: the sponsor's, who answers for the business; else the
    owner's. One who asks and is either is named."""
    for party in (identity.sponsor, identity.owner):
        if party is not None and by.person_id is not None and party.person_id == by.person_id:
            return party
    return identity.sponsor or identity.owner


def _compiles(row: DelegationVersion) -> None:
    """What the judge could not read is refused now, not when somebody signs it."""
    try:
        authority.compile_slice("request", [grant_of(row)])
    except authority.AuthorityError as problem:
        raise NotPossible(f"{problem}.".replace("..", ".")) from problem


def _not_asked_twice(proposal: DelegationVersion) -> None:
    asked = (
        Item.objects.filter(
            kind="grant", ref=proposal.delegation_id, case__state__in=["draft", "open", "decided"]
        )
        .select_related("case")
        .first()
    )
    if asked is not None:
        raise NotPossible(f"It is asked for already, in {asked.case.key}.")


def new_case(identity: Identity, *, title: str, by: User, now: datetime, reason: str) -> Case:
    """The case that a request opens, without items and seats; who asks signs in none of them."""
    policy = in_force(now=now, name=REQUESTS)
    case = Case(
        door="access_request",
        state="open",
        title=title,
        identity=identity,
        policy=policy,
        opened_at=now,
        opened_by=by.ref,
        opened_by_name=by.called,
        requester=by.person,
        reason=reason,
        deadline_at=now + timedelta(hours=policy.decide_within_hours),
        grace=rungs.grace(policy),
        # Nothing comes into force by silence.
        silence="deny",
        legal_entity=identity.legal_entity,
    )
    case.save(force_insert=True)
    case.refresh_from_db(fields=["number"])
    return case


def _item(case: Case, row: DelegationVersion, *, now: datetime) -> Item:
    current = grants.in_force(row.delegation, now=now)
    note = "new" if current is None else "in place of what is in force"
    if current is not None:
        wider = authority.narrower([grant_of(row)], [grant_of(current)])
        note = f"widens {row.delegation.key}: {'; '.join(wider)[:300]}" if wider else "renews it"
    return Item.objects.create(
        case=case,
        position=0,
        kind="grant",
        ref=row.delegation_id,
        title=f"Delegation {row.delegation.key}: {phrases.phrase(row.actions, row.resources)}"[
            :500
        ],
        note=note,
        proposal={
            "version": row.version,
            "actions": list(row.actions),
            "resources": list(row.resources),
            "conditions": row.conditions,
            "purpose": row.purpose,
            "task": row.task,
            "on_behalf": row.on_behalf,
            "starts_at": _iso(row.during.lower),
            "ends_at": _iso(row.during.upper),
        },
    )


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
