"""Tokens for scripts: shown once, kept as a digest, with scopes and an end."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import transaction

from evidence import ledger
from identities import permissions
from identities.acting import By, acting
from identities.models import ApiToken, User
from identities.permissions import NotPossible

PREFIX = "cst_"
# decide: ask the decision endpoint; read: see what its user sees; act: do what its user may;
# declare: send release manifests and ask where they stand, and nothing else; signals: manage the
# streams of the receiver that its user is, and nothing else.
SCOPES = ("decide", "read", "act", "declare", "signals")
LONGEST = timedelta(days=366)


def digest_of(token: str) -> bytes:
    """Plain SHA-256: a token has 256 random bits, so nothing can be guessed from it."""
    return sha256(token.encode()).digest()


def create(
    *, user: User, name: str, scopes: Iterable[str], lasts: timedelta, by: By, now: datetime
) -> tuple[ApiToken, str]:
    """The row, and the token itself, which nobody can see again."""
    with transaction.atomic():
        who = acting(by)
        if who.user is None or who.user.pk != user.pk:
            permissions.require(permissions.why_not_administer(by, now=now))
        wanted = sorted(set(scopes))
        unknown = [scope for scope in wanted if scope not in SCOPES]
        if unknown or not wanted:
            said = f"{', '.join(unknown)} is no scope" if unknown else "A token needs a scope"
            raise NotPossible(f"{said}; choose from {', '.join(SCOPES)}.")
        if not timedelta() < lasts <= LONGEST:
            raise NotPossible(f"A token lasts between 1 and {LONGEST.days} days.")
        token = PREFIX + secrets.token_urlsafe(32)
        row = ApiToken.objects.create(
            user=user,
            name=name[:200],
            digest=digest_of(token),
            scopes=wanted,
            created_at=now,
            expires_at=now + lasts,
        )
        ledger.append(
            at=now,
            by=who.ref,
            by_name=who.name,
            act="token.created",
            subject=f"token:{row.pk}",
            words=f"a token for {user.called}: {', '.join(wanted)}",
            data={"user": user.ref, "expires_at": row.expires_at.isoformat()},
        )
    return row, token


def revoke(*, token: ApiToken, by: By, now: datetime) -> bool:
    """End a token now; False when it had ended."""
    with transaction.atomic():
        row = (
            ApiToken.objects.select_for_update(of=("self",)).select_related("user").get(pk=token.pk)
        )
        who = acting(by)
        if who.user is None or who.user.pk != row.user_id:
            permissions.require(permissions.why_not_administer(by, now=now))
        if row.revoked_at is not None:
            return False
        row.revoked_at = now
        row.save(update_fields=["revoked_at"])
        ledger.append(
            at=now,
            by=who.ref,
            by_name=who.name,
            act="token.revoked",
            subject=f"token:{row.pk}",
            words=f"a token of {row.user.called} is revoked",
        )
    return True
