"""Links that sign in once. Only the digest of a link is kept.

A link of the demo works in the demo only, and no link ever counts as confirming who somebody is
(docs/decisions, 21).
"""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from django.conf import settings
from django.db import transaction

from evidence import ledger
from identities.models import SignInLink, User

LONGEST = timedelta(hours=24)
LONGEST_TOKEN = 100


def issue_link(*, user: User, now: datetime, lasts: timedelta = LONGEST, demo: bool = False) -> str:
    """A new link's token, shown once: the address is /sign-in/<token>/."""
    token = secrets.token_urlsafe(32)
    SignInLink.objects.create(
        user=user, digest=digest_of(token), expires_at=now + min(lasts, LONGEST), demo=demo
    )
    return token


def find_link(token: str, *, now: datetime) -> SignInLink | None:
    """The link, while it may still be used."""
    if len(token) > LONGEST_TOKEN:
        return None
    row = (
        SignInLink.objects.select_related("user__person")
        .filter(
            digest=digest_of(token),
            used_at__isnull=True,
            expires_at__gt=now,
            user__is_active=True,
        )
        .first()
    )
    return None if row is None or (row.demo and not settings.DEMO) else row


def redeem_link(token: str, *, now: datetime) -> User | None:
    """Use a link up; None when it is unknown, used, over, or of a demo elsewhere."""
    link = find_link(token, now=now)
    if link is None:
        return None
    with transaction.atomic():
        # Two browsers with one link: one of them is signed in.
        used = SignInLink.objects.filter(pk=link.pk, used_at__isnull=True).update(used_at=now)
        if not used:
            return None
        ledger.append(
            at=now,
            by=link.user.ref,
            by_name=link.user.called,
            act="user.signed_in",
            subject=link.user.ref,
            words=f"{link.user.called} signed in by a one-time link",
            data={"demo": link.demo},
        )
    return link.user


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
