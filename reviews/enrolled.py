"""Whether a login that decides has a second factor, where the installation asks for one.

Owns the rule and its sentence. Every permission to decide asks it (identities/permissions.py), and
sign-in leads to adding one (config/accounts.py). What break-glass asks for besides is
reviews/break_glass/factors.py.
"""

from allauth.mfa.models import Authenticator
from django.conf import settings

from identities.models import User
from identities.models.people import GROUPS
from identities.permissions import groups
from reviews.models import BreakGlassAccount, Recovery, SecondFactorRule
from reviews.models.recoveries import FIRST

PAGE = "/accounts/2fa/"
WITHOUT = (
    "Your login has no second factor, and whoever decides needs one: add an authenticator app or a"
    f" passkey at {PAGE} first."
)
WAITS = (
    "Your second factor counts from {due:%Y-%m-%d %H:%M} UTC: it was added with the password alone, so"
    " it is announced, and whoever decides can cancel it until then."
)
DECIDING = frozenset(GROUPS) - {"auditor"}
# Recovery codes stand in for one of these, and alone they are none.
FACTORS = (Authenticator.Type.TOTP.value, Authenticator.Type.WEBAUTHN.value)


def required() -> bool:
    """As the settings say; else as the database was when the rule came: an installation that had
    logins then goes on without, until it is switched on."""
    if settings.SECOND_FACTOR is not None:
        return bool(settings.SECOND_FACTOR)
    rule = SecondFactorRule.objects.first()
    return rule is None or rule.required


def has_factor(user: User) -> bool:
    """Whether a login has one, counting or not."""
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS).exists())


def pending(user: User) -> Recovery | None:
    """The first factor of this login that does not count yet (reviews/enrolling.py)."""
    return user.recoveries.filter(kind=FIRST, cancelled_at=None, done_at=None).first()


def why_not_without_factor(user: User) -> str | None:
    """Decide anything. Asked of the database once for each user object. A token is no sign-in, and
    a break-glass account has its sealed codes."""
    if "_why_not_without_factor" not in user.__dict__:
        user.__dict__["_why_not_without_factor"] = _lacking(user)
    why: str | None = user.__dict__["_why_not_without_factor"]
    return why


def _lacking(user: User) -> str | None:
    if user.__dict__.get("_by_token") or not required():
        return None
    has = has_factor(user)
    row = pending(user) if has else None
    if has and row is None:
        return None
    if BreakGlassAccount.objects.filter(user=user, ended_at=None).exists():
        return None
    return WITHOUT if row is None else WAITS.format(due=row.due_at)


def asked_to_add(user: User) -> bool:
    """Whether pages and sign-in ask this login to add one: its roles decide, and it has none."""
    mine = groups(user)
    decides = not mine.isdisjoint(DECIDING) and "auditor" not in mine
    return decides and why_not_without_factor(user) == WITHOUT
