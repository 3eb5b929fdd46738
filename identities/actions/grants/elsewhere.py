"""Signing in here for a client elsewhere: the device flow of RFC 8628, bound to one grant.

Owns GrantSignIn rows and the tokens that come of them. A token takes credentials of its grant and
does nothing else, is handed out once, and ends with the grant as that was set when it was approved;
whether the grant still gives anything is asked each time. Must not know HTTP.
"""

import re
import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import connection, transaction

from evidence import locks
from evidence.locks import Lock
from evidence.names import plain
from identities.actions.tokens import PREFIX, digest_of
from identities.models import ApiToken, Grant, GrantSignIn, User
from identities.permissions import NotPossible, require

from . import asking, rights

CLIENT = "countersign-credentials"
SCOPE = "grant"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
LASTS = timedelta(minutes=10)
INTERVAL = 3  # seconds between two polls
LONGEST_TOKEN = timedelta(hours=12)
# Open at once, from one address and in all: a row costs nothing but what somebody has to read.
MOST_OF_ADDRESS, MOST = 20, 2_000
KEPT = timedelta(days=1)
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628, 6.1: no vowels, so no words
WANTED = re.compile(r"GRT-0*([1-9]\d{0,14})")


class TooMany(NotPossible):
    """So many sign-ins wait already that no further one is begun."""


class Refused(Exception):
    """What RFC 8628, 3.5 and RFC 6749, 5.2 answer a client: `code` is theirs, the text is ours."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def begin(*, asked_for: str, client: str, address: str, now: datetime) -> tuple[GrantSignIn, str]:
    """The row, and what the client polls with. Whether there is such a grant nobody is told."""
    number = WANTED.fullmatch(asked_for)
    if number is None:
        raise NotPossible("Say which grant: scope=grant:GRT-12.")
    with transaction.atomic():
        with connection.cursor() as cursor:
            locks.take(cursor, Lock.SIGN_INS_ELSEWHERE)
        GrantSignIn.objects.filter(created_at__lt=now - KEPT, taken_at__isnull=True).delete()
        waiting = GrantSignIn.objects.filter(
            expires_at__gt=now, approved_at__isnull=True, refused_at__isnull=True
        )
        if waiting.count() >= MOST or waiting.filter(address=address).count() >= MOST_OF_ADDRESS:
            raise TooMany("Too many sign-ins wait already: go on with one, or wait ten minutes.")
        device = secrets.token_urlsafe(32)
        row = GrantSignIn.objects.create(
            asked_for=f"GRT-{number[1]}",
            device=_digest(device),
            code="".join(secrets.choice(LETTERS) for _ in range(8)),
            client=plain(client)[:100],
            address=address[:60],
            created_at=now,
            expires_at=now + LASTS,
        )
    return row, device


def shown(code: str) -> str:
    """As people read it: ``BCDF-GHJK``."""
    return f"{code[:4]}-{code[4:]}"


def waiting(code: str, user: User, *, now: datetime) -> tuple[GrantSignIn, Grant]:
    """What this code is of, with its grant; NotPossible is the same for all that is not theirs."""
    typed = "".join(one for one in code.upper() if one in LETTERS)[:8]
    row = GrantSignIn.objects.filter(
        code=typed,
        expires_at__gt=now,
        approved_at__isnull=True,
        refused_at__isnull=True,
    ).first()
    rows = rights.visible_to(user)
    grant = None if row is None else rows.filter(number=int(row.asked_for[4:])).first()
    if row is None or grant is None or grant.person != user.username:
        raise NotPossible(
            "No sign-in for a grant of yours waits under this code: a code holds for ten minutes and"
            " works once."
        )
    return row, grant


def approve(code: str, *, by: User, now: datetime) -> Grant:
    """From now on the client that shows this code takes credentials of its grant."""
    with transaction.atomic():
        row, grant = _locked(code, by, now=now)
        grant = asking.locked(grant.pk)
        require(rights.why_not_take(by, grant, now=now))
        row.approved_at, row.approved_by, row.grant = now, by, grant
        row.save(update_fields=["approved_at", "approved_by", "grant"])
        said = f"{by.called} signed in for {_client(row)}"
        asking.note(grant, "grant.signed_in_elsewhere", said, by=by, now=now)
    return grant


def refuse(code: str, *, by: User, now: datetime) -> Grant:
    """Nobody takes anything by this code any more."""
    with transaction.atomic():
        row, grant = _locked(code, by, now=now)
        row.refused_at = now
        row.save(update_fields=["refused_at"])
        said = f"{by.called} refused to sign in for {_client(row)}"
        asking.note(grant, "grant.sign_in_refused", said, by=by, now=now)
    return grant


def token(device: str, *, now: datetime) -> tuple[str, ApiToken]:
    """The token, once; Refused with the code that the client is answered."""
    slow = False
    with transaction.atomic():
        row = (
            GrantSignIn.objects.select_for_update(of=("self",))
            .select_related("grant", "approved_by")
            .filter(device=_digest(device))
            .first()
        )
        if row is None or row.taken_at is not None:
            raise Refused("invalid_grant", "This sign-in is not known, or its token was taken.")
        if row.refused_at is not None:
            raise Refused("access_denied", "The sign-in was refused.")
        if row.expires_at <= now:
            raise Refused("expired_token", "The code was not entered in time: begin again.")
        if row.grant is not None and row.approved_by is not None:
            return _handed(row, row.grant, row.approved_by, now=now)
        if row.polled_at is not None:
            # A client's clock and ours are not the same: half a second is forgiven.
            slow = (now - row.polled_at).total_seconds() < INTERVAL - 0.5
        row.polled_at = now
        row.save(update_fields=["polled_at"])
    if slow:
        raise Refused("slow_down", f"Ask at most every {INTERVAL} seconds.")
    raise Refused("authorization_pending", "Nobody has entered the code yet.")


def _handed(row: GrantSignIn, grant: Grant, user: User, *, now: datetime) -> tuple[str, ApiToken]:
    why = rights.why_not_take(user, grant, now=now)
    if why is not None:
        raise Refused("access_denied", why)
    secret = PREFIX + secrets.token_urlsafe(32)
    made = ApiToken.objects.create(
        user=user,
        name=f"{grant.key} for {_client(row)}"[:200],
        digest=digest_of(secret),
        scopes=[SCOPE],
        grant=grant,
        created_at=now,
        expires_at=min(grant.ends_at, now + LONGEST_TOKEN),
    )
    row.taken_at = now
    row.save(update_fields=["taken_at"])
    return secret, made


def _locked(code: str, by: User, *, now: datetime) -> tuple[GrantSignIn, Grant]:
    found, grant = waiting(code, by, now=now)
    row = GrantSignIn.objects.select_for_update().get(pk=found.pk)
    if row.approved_at is not None or row.refused_at is not None:
        raise NotPossible("Somebody was faster: this code was answered already.")
    return row, grant


def _client(row: GrantSignIn) -> str:
    return f"{row.client or 'a client'} at {row.address or 'an unknown address'}"


def _digest(device: str) -> bytes:
    """Plain SHA-256: it has 256 random bits."""
    return sha256(device.encode("utf-8", "replace")).digest()
