"""Handing the holder of a usable grant a credential that lives shortly: nothing to copy, nothing kept.

Owns GrantSession rows; who may ask is rights.py's. The row is written before the target is asked, so that what
is opened while the grant is being ended is denied with the rest. The secret is in the answer alone:
no row, no entry of the ledger and no log has it.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from identities.actions.revocations import of_aws
from identities.enforcers import grants_aws_console
from identities.enforcers.contract import PermanentFailure, TemporaryFailure
from identities.enforcers.grants import Minted
from identities.models import Grant, GrantSession, User
from identities.permissions import NotPossible, require

from . import asking, rights, systems
from .carrying import given_of

# Nobody needs more sessions of one grant; whoever asks in a loop is told so.
MOST_SESSIONS = 200


def mint(grant_pk: UUID, *, by: User, now: datetime) -> Minted:
    """A short-lived credential, which ends with the grant at the latest. NotPossible says what the
    target says where it gives none; NotAllowed who may not."""
    with transaction.atomic():
        row = asking.locked(grant_pk)
        require(rights.why_not_take(by, row, now=now))
        if row.sessions.count() >= MOST_SESSIONS:
            raise NotPossible(
                f"{row.key} has handed out {MOST_SESSIONS} credentials: ask for a new grant."
            )
        about = systems.kind_of(row.system, row.kind)
        pending = GrantSession.objects.create(
            grant=row,
            name=f"{row.key}.{by.username}",
            credential=f"asked-{uuid4()}",
            minted_at=now,
            minted_by=by.ref,
            minted_by_name=by.called,
            lives_until=now + (about.lives if about is not None else row.ends_at - now),
        )
    try:
        given = given_of(row)
        if row.lasts is not None and row.first_used_at is None:
            # This is its first use: what is handed out ends as the grant does from now on.
            given = replace(given, ends_at=min(given.ends_at, now + row.lasts))
        minted = systems.granter(row.system, row.account).mint(given, person=by.username, now=now)
    except (TemporaryFailure, PermanentFailure) as problem:
        # A timeout may have opened one all the same: the row stays until it would have ended.
        if isinstance(problem, PermanentFailure):
            pending.delete()
        raise NotPossible(f"{row.system} gave none: {problem.reason}") from None
    pending.name, pending.credential, pending.lives_until = minted.handed
    pending.save(update_fields=["name", "credential", "lives_until"])
    with transaction.atomic():
        row = asking.locked(grant_pk)
        # It was ended meanwhile: what was opened is denied with the rest, and nobody gets it.
        require(rights.why_not_take(by, row, now=now))
        said = f"{by.called} took {pending.credential}, session {pending.name}"
        asking.note(row, "grant.taken", said, by=by, now=now)
    asking.used(row, now, now=now)
    return minted


def console(grant_pk: UUID, *, by: User, now: datetime) -> str:
    """A link by which the holder opens the AWS console with a session of it. NotPossible, NotAllowed."""
    minted = mint(grant_pk, by=by, now=now)
    row = Grant.objects.get(pk=grant_pk)
    try:
        arn = of_aws.clients(row.account).caller()[1]
        return grants_aws_console.link(
            minted.document,
            issuer=f"{settings.BASE_URL}/grants/{row.key}/",
            allow_private=bool(settings.ALLOW_PRIVATE),
            partition=arn.split(":")[1],
            # Tests have one of their own.
            place=getattr(settings, "AWS_SIGN_IN", ""),
        )
    except (TemporaryFailure, PermanentFailure) as problem:
        raise NotPossible(f"There is no link to the console: {problem.reason}") from None
