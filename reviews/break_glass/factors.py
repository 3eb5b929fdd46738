"""The second factor that opening it alone asks for: which one counts, and why somebody goes without.

Owns the rule (docs/decisions 0072). Who asks for it and reads what was given is
reviews/second_factor.py.
"""

from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from django.db.models import QuerySet

from identities.models import User
from reviews.models import BreakGlass

# Whoever has a password can add a factor with it: one that is new proves no more than the password.
SETTLED = timedelta(days=1)
WORDS = {
    Authenticator.Type.TOTP.value: "an authenticator code",
    Authenticator.Type.WEBAUTHN.value: "a passkey",
    Authenticator.Type.RECOVERY_CODES.value: "a recovery code",
}


def counting(user: User, *, now: datetime) -> "QuerySet[Authenticator]":
    """The second factors of this login that count at `now`: those it has had for a day."""
    return Authenticator.objects.filter(  # type: ignore[no-any-return]  # allauth ships no types
        user_id=user.pk, type__in=WORDS, created_at__lte=now - SETTLED
    )


def why_none(glass: BreakGlass, user: User, *, now: datetime) -> str:
    """Why this login opens it without a second factor, to follow "because"; "": it needs one."""
    if glass.factorless_at is not None:
        return "you said that you cannot use your second factor"
    if not counting(user, now=now).exists():
        return "you have no second factor that is a day old"
    return ""
