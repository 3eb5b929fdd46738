"""What a person gets of their queue outside its page: a calendar address, the daily mail.

Owns QueueSetting rows. The secret of an address is shown once and kept as a digest; a new one
ends the old one.
"""

import secrets
from datetime import datetime
from hashlib import sha256

from django.db import transaction

from evidence import ledger
from identities.models import User
from identities.permissions import AUDITOR, INACTIVE, groups, require
from reviews.models import QueueSetting
from reviews.permissions import NOBODY


def digest_of(secret: str) -> bytes:
    """Plain SHA-256: a secret has 256 random bits, so nothing can be guessed from it."""
    return sha256(secret.encode()).digest()


def why_not_feed(user: User) -> str | None:
    """Take one's queue out of its page: whoever may decide something."""
    if not user.is_active:
        return INACTIVE
    if "auditor" in groups(user):
        return AUDITOR
    return NOBODY if user.person_id is None else None


def renew(*, user: User, now: datetime) -> str:
    """Make a new address; the secret in it, which nobody can see again. The old one ends."""
    require(why_not_feed(user))
    secret = secrets.token_urlsafe(32)
    _change(user, "made a calendar address of their queue", "queue.feed_made", now=now,
            digest=digest_of(secret), made_at=now)  # fmt: skip
    return secret


def stop(*, user: User, now: datetime) -> None:
    """End the address."""
    _change(user, "ended the calendar address of their queue", "queue.feed_ended", now=now,
            digest=None, made_at=None)  # fmt: skip


def mail(*, user: User, wanted: bool, now: datetime) -> None:
    """Turn the daily mail on or off."""
    require(why_not_feed(user))
    said = "on" if wanted else "off"
    _change(user, f"turned the daily mail {said}", "queue.mail_changed", now=now, mail=wanted)


def _change(user: User, words: str, act: str, *, now: datetime, **fields: object) -> None:
    with transaction.atomic():
        QueueSetting.objects.update_or_create(user=user, defaults=fields)
        ledger.append(
            at=now,
            recorded_at=now,
            by=user.ref,
            by_name=user.called,
            act=act,
            subject=user.ref,
            words=f"{user.called} {words}",
            data={},
        )


def whose(secret: str) -> User | None:
    """The login whose queue this address shows; nobody's when it was ended or made anew."""
    row = (
        QueueSetting.objects.filter(digest=digest_of(secret), user__is_active=True)
        .select_related("user__person")
        .first()
    )
    return None if row is None or why_not_feed(row.user) else row.user
