"""Signing in with a break-glass account: a sealed code that works once, and the word of each use.

Owns the throttle, by address and never by account. Its state is in the database, so that it holds
while broker and cache are gone. The word is written with the use, in one transaction.
"""

import ipaddress
from datetime import datetime, timedelta
from typing import NamedTuple

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import connection, transaction
from django.http import HttpRequest

from evidence import ledger, locks
from evidence.locks import Lock
from evidence.names import plain
from identities.models import Person, User
from identities.permissions import NotPossible
from identities.reasons import LONGEST_REASON
from reviews import persons
from reviews.actions import reminders
from reviews.models import AccountAttempt, AccountUse, BreakGlassAccount, Notice, SealedCode

from .making import digest_of, live

WINDOW, MOST = timedelta(minutes=15), 10
PRUNED = 100
SHORTEST_WHY = 10
LONGEST_WHO = 200
# Above what anybody types: a longer one is read by nobody.
LONGEST = 200
WRONG = "No break-glass account has this name and an unused code like this."
TOLD = ("administrator", "responder", "reviewer")


class TooMany(NotPossible):
    """This address has tried too often. `seconds`: until it may again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"Too many tries from this address: wait {max(1, round(seconds / 60))} min, or come from"
            " another one. The account itself is never locked."
        )
        self.seconds = seconds


class Came(NamedTuple):
    """Who came in, and the use that somebody else looks at."""

    user: User
    use: AccountUse


def enter(*, name: str, code: str, who: str, why: str, address: str, now: datetime) -> Came:
    """The login of this account, by a code that never works again. Raises NotPossible, TooMany."""
    why, who = plain(why).strip(), plain(who).strip()
    if not SHORTEST_WHY <= len(why) <= LONGEST_REASON:
        raise NotPossible(f"Say why you need to come in, in {SHORTEST_WHY} characters or more.")
    if not who or len(who) > LONGEST_WHO:
        raise NotPossible(f"Say who you are, in at most {LONGEST_WHO} characters.")
    _throttled(address, now=now)
    if max(len(name), len(code)) > LONGEST or "\0" in name:
        raise NotPossible(WRONG)
    with transaction.atomic():
        account = live().filter(user__username=name.strip()).first()
        found = account and SealedCode.objects.filter(
            account=account, digest=digest_of(account.pk, code), used_at=None, replaced_at=None
        ).update(used_at=now)
        if account is None or not found:
            raise NotPossible(WRONG)
        use = _used(account, "code", address, who=who, why=why, now=now)
    return Came(account.user, use)


def signed_in(user: User, means: str, address: str, *, now: datetime) -> AccountUse | None:
    """Note that a login came in by another way than a code: None for one that is no such account."""
    account = live().filter(user=user).first()
    if account is None:
        return None
    with transaction.atomic():
        return _used(account, means, address, who="", why="", now=now)


def address_of(request: HttpRequest) -> str:
    """Where a request comes from, as far as a proxy of ours says; "" keeps nobody out."""
    try:
        return str(get_adapter().get_client_ip(request))
    except (PermissionDenied, ImproperlyConfigured):  # a socket without addresses, a header short
        return ""


def place_of(address: str) -> str:
    """What is counted as one address: of IPv6, everybody has 2^64 of their own."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _throttled(address: str, *, now: datetime) -> None:
    """Count this try, committed before the code is looked at: tries at once count each."""
    place = place_of(address)
    with transaction.atomic():
        with connection.cursor() as cursor:
            locks.take(cursor, Lock.ACCOUNT_ATTEMPTS, place)
        old = AccountAttempt.objects.filter(at__lt=now - WINDOW).order_by("at")
        AccountAttempt.objects.filter(
            pk__in=list(old.values_list("pk", flat=True)[:PRUNED])
        ).delete()
        rows = AccountAttempt.objects.filter(place=place, at__gte=now - WINDOW).order_by("-at")
        tried = list(rows.values_list("at", flat=True)[:MOST])
        if len(tried) < MOST:
            AccountAttempt.objects.create(place=place, at=now)
            return
    raise TooMany(int((tried[-1] + WINDOW - now).total_seconds()))


def _used(
    account: BreakGlassAccount, means: str, address: str, *, who: str, why: str, now: datetime
) -> AccountUse:
    use = AccountUse.objects.create(
        account=account, at=now, means=means, address=place_of(address), who=who, why=why
    )
    name = account.user.username
    said = f"{who}: {why}" if who else f"by {'a passkey' if means == 'passkey' else 'sign-in'}"
    words = f"Break-glass account {name} was used from {use.address}: {said}"
    ledger.append(
        at=now,
        by=account.user.ref,
        by_name=name,
        act="break_glass_account.used",
        subject=account.user.ref,
        words=words[:1_000],
        data={"account": str(account.pk), "use": use.key, "means": means, "who": who},
    )
    _tell(use, name, words, now=now)
    return use


def _tell(use: AccountUse, name: str, words: str, *, now: datetime) -> None:
    """The loudest word there is: everybody who may act, and every address for alarms, at once."""
    told: dict[object, Person] = {}
    for group in TOLD:
        told |= {one.pk: one for one in persons.in_group(group, now=now)}
    body = (
        f"{words}\n\nIf nobody expects this, end its sessions and treat it as an attack. Somebody"
        f" else than who came in looks at it: {settings.BASE_URL}/break-glass/accounts/\n"
    )
    said = {
        "subject": f"ALARM: break-glass account {name} is in use"[:300],
        "body": body,
        "occasion": f"{use.key} used",
        "created_at": now,
        "not_before": now,
    }
    rows = [Notice(person=one, **said) for one in told.values()]
    if settings.ALERT_EMAIL:
        rows.append(Notice(address=settings.ALERT_EMAIL, **said))
    if settings.WEBHOOK_URL:
        rows.append(Notice(channel="webhook", address=settings.WEBHOOK_URL, **said))
    reminders.send(rows)
