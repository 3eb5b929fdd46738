"""Making break-glass accounts, sealing their codes, and ending one: never the last.

A code is shown once, when it is made, to whoever writes it down; here its digest is kept.
"""

import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from evidence import ledger
from identities import permissions
from identities.acting import By, acting
from identities.actions import logins
from identities.models import User
from identities.models.people import GROUPS
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.models import BreakGlassAccount, SealedCode

# A hundred bits each: throttled or not, nobody tries them all.
CODES, GROUPS_OF_A_CODE, LETTERS_OF_A_GROUP = 10, 4, 5
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # as Crockford has it: no I, L, O, U
READ_AS = str.maketrans("ILO", "110", " -\t")  # as people misread, and set off, letters
LONGEST_KEPT = 500
LAST = "It is the last break-glass account that works: make another one first."


def why_not_administer_accounts(by: By, *, now: datetime) -> str | None:
    """Make and end break-glass accounts, and seal their codes."""
    return permissions.why_not_administer(by, now=now)


def live() -> QuerySet[BreakGlassAccount]:
    """The accounts that sign in."""
    rows = BreakGlassAccount.objects.filter(ended_at__isnull=True, user__is_active=True)
    return rows.select_related("user__person").order_by("user__username")


def make(
    *,
    username: str,
    roles: Iterable[str],
    kept: str,
    by: By,
    now: datetime,
    second_of: str = "",
) -> tuple[BreakGlassAccount, list[str]]:
    """A new account and its codes. `kept`: where they will lie. `second_of`: a login of the person
    whose it is; without, the account is nobody's, and signs nothing that needs a person."""
    require(why_not_administer_accounts(by, now=now))
    roles, kept = sorted(set(roles)), reason_given(kept, what="where its codes will lie")
    if len(kept) > LONGEST_KEPT:
        raise NotPossible(f"Say where its codes will lie in at most {LONGEST_KEPT} characters.")
    unknown = [one for one in roles if one not in GROUPS]
    if unknown or not roles or "auditor" in roles:
        may = ", ".join(one for one in GROUPS if one != "auditor")
        raise NotPossible(f"Give it roles that can act: {may}.")
    with transaction.atomic():
        user = User(username=username)
        user.set_unusable_password()
        if second_of:
            first = User.objects.select_related("person").filter(username=second_of).first()
            if first is None or first.person is None:
                raise NotPossible(f"There is no login {second_of!r} with a person behind it.")
            user.person = first.person
        try:
            user.full_clean(exclude=["password", "email"])
        except ValidationError as problem:
            raise NotPossible(" ".join(problem.messages)) from None
        user.save()
        logins.ensure_roles()
        user.groups.add(*Group.objects.filter(name__in=roles))
        account = BreakGlassAccount.objects.create(
            user=user, kept=kept, made_at=now, made_by=acting(by).ref
        )
        codes = _sealed(account, now=now)
        _note(account, "made", f"is new, {', '.join(roles)}; its codes: {kept}", by, now)
    return account, codes


def seal(*, account: BreakGlassAccount, by: By, now: datetime) -> list[str]:
    """New codes; the old ones sign nobody in any more."""
    require(why_not_administer_accounts(by, now=now))
    with transaction.atomic():
        account = _locked(account)
        _require_live(account)
        account.codes.filter(used_at=None, replaced_at=None).update(replaced_at=now)
        codes = _sealed(account, now=now)
        _note(account, "sealed", f"has {len(codes)} new codes", by, now)
    return codes


def end(*, account: BreakGlassAccount, reason: str, by: By, now: datetime) -> BreakGlassAccount:
    """It signs in no more, and is kept for what it did. NotPossible for the last one."""
    require(why_not_administer_accounts(by, now=now))
    reason = reason_given(reason, what="why it ends")
    try:
        with transaction.atomic():
            account = _locked(account)
            _require_live(account)
            account.ended_at, account.ended_by = now, acting(by).ref
            account.save(update_fields=["ended_at", "ended_by"])
            User.objects.filter(pk=account.user_id).update(is_active=False)
            _note(account, "ended", f"has ended: {reason}", by, now)
    except IntegrityError:  # the database says which is the last: two may be ended at once
        raise NotPossible(LAST) from None
    return account


def digest_of(account: UUID, code: str) -> bytes:
    """What is kept of a code, however it was typed."""
    plain = code.upper().translate(READ_AS)
    return hmac.digest(settings.DIGEST_KEY, account.bytes + plain.encode(), sha256)


def _sealed(account: BreakGlassAccount, *, now: datetime) -> list[str]:
    codes = ["-".join(_letters() for _ in range(GROUPS_OF_A_CODE)) for _ in range(CODES)]
    SealedCode.objects.bulk_create(
        [
            SealedCode(account=account, digest=digest_of(account.pk, one), made_at=now)
            for one in codes
        ]
    )
    return codes


def _letters() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LETTERS_OF_A_GROUP))


def _locked(account: BreakGlassAccount) -> BreakGlassAccount:
    rows = BreakGlassAccount.objects.select_for_update(of=("self",)).select_related("user__person")
    return rows.get(pk=account.pk)


def _require_live(account: BreakGlassAccount) -> None:
    if account.ended_at is not None:
        raise NotPossible(f"{account} has ended: make another one.")


def _note(account: BreakGlassAccount, act: str, said: str, by: By, now: datetime) -> None:
    who = acting(by)
    ledger.append(
        at=now,
        by=who.ref,
        by_name=who.name,
        act=f"break_glass_account.{act}",
        subject=account.user.ref,
        words=f"Break-glass account {account.user.username}: {said}"[:1_000],
        data={"account": str(account.pk)},
    )
