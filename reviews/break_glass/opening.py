"""The moment in which it opens: authority in force, the target asked, everybody told. Once.

Owns what a carried request and a bypass have in common. Called inside the transaction of the act
that opened it, with the case locked.
"""

import json
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from identities.actions import grants
from identities.judging.verdicts import grant_of
from identities.models import DelegationVersion, User
from identities.permissions import NotPossible
from reviews.actions.versions import Versions
from reviews.break_glass import asking, rights
from reviews.models import BreakGlass, Case, Item


def digest(case: Case, glass: BreakGlass, item: Item) -> str:
    """What a signature is given on, as one value: it changes with anything that is asked for."""
    said: dict[str, Any] = {
        "case": case.key,
        "bundle": str(glass.bundle),
        "holder": None if case.identity is None else case.identity.key,
        "requester": str(case.requester_id),
        "reason": case.reason,
        "proposal": item.proposal,
        "starts_at": None if glass.starts_at is None else glass.starts_at.isoformat(),
    }
    return sha256(json.dumps(said, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def give(
    case: Case, glass: BreakGlass, item: Item, *, minutes: int, by: User, now: datetime
) -> str:
    """Bring it into force and have the target asked; the sentence of what was given.

    Raises NotPossible, with nothing done, where the target's settings refuse it.
    """
    says = rights.document_of(glass.bundle)
    starts = max(now, glass.starts_at or now)
    ends = starts + asking.lasting(says, minutes)
    known = Versions([glass.delegation_id], by=by.ref, now=now)
    proposal = known.proposed(glass.delegation_id)
    if proposal is None or proposal.version != item.proposal.get("version"):
        raise NotPossible("What was asked for is no longer what is proposed: ask again.")
    # The proposal stays as it was asked for; what is in force is what was signed of it.
    proposal.actions = list(item.proposal["actions"])
    proposal.resources = list(item.proposal["resources"])
    proposal.during = DateTimeTZRange(starts, ends)
    made, _ = known.bring_into_force(proposal, case)
    known.write()
    version = DelegationVersion.objects.select_related("delegation__grantee").get(
        delegation=made.delegation_id, version=made.version
    )
    grants.begin(
        case=case.pk,
        case_key=case.key,
        delegation_version=version,
        holder=case.identity,
        person=glass.asker.username,
        what=asking.what(glass.bundle, says, grant_of(version)),
        starts_at=starts,
        ends_at=ends,
        clock=says.clock,
        lasts=timedelta(minutes=minutes) if says.clock == "first_use" else None,
        by=by,
        now=now,
    )
    glass.opened_at, glass.ends_at = starts, ends
    glass.save()
    words = f"{version.delegation.key} is in force until {ends:%-d %b %Y %H:%M:%S} UTC"
    item.outcome, item.outcome_at = "approve", now
    item.carried_out_at, item.carried_words = now, words
    item.save(update_fields=["outcome", "outcome_at", "carried_out_at", "carried_words"])
    return words
