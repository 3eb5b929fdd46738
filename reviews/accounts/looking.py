"""Looking at a use of a break-glass account afterwards: emergency, drill or misuse. Four eyes."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from evidence import ledger
from identities.models import User
from identities.permissions import NotPossible, cannot_sign, require
from identities.reasons import reason_given
from reviews.models import AccountUse
from reviews.models.accounts import USE_REVIEWS

LOOKING = frozenset({"reviewer", "responder", "administrator"})
OWN = "It is your own use: somebody else looks at it."


def open_uses() -> QuerySet[AccountUse]:
    """What nobody has looked at yet, oldest first."""
    rows = AccountUse.objects.filter(reviewed_at__isnull=True)
    return rows.select_related("account__user__person").order_by("at", "pk")


def why_not_look_back(user: User, use: AccountUse, *, now: datetime) -> str | None:
    """Say what a use of a break-glass account was: somebody else than whose account it is."""
    said = "Only a reviewer, a responder or an administrator looks at the use of an account."
    why = cannot_sign(user, LOOKING, said, now=now)
    if why is not None:
        return why
    account = use.account
    if user.pk == account.user_id or user.person_id == account.user.person_id:
        return OWN
    if use.reviewed_at is not None:
        return f"{use.reviewed_by_name} has looked at it already."
    return None


def look_back(*, use: AccountUse, kind: str, words: str, by: User, now: datetime) -> AccountUse:
    """Write down what it was; once."""
    with transaction.atomic():
        rows = AccountUse.objects.select_for_update(of=("self",))
        use = rows.select_related("account__user__person").get(pk=use.pk)
        require(why_not_look_back(by, use, now=now))
        if kind not in USE_REVIEWS:
            raise NotPossible(f"Say what it was: {', '.join(USE_REVIEWS)}.")
        use.review = kind
        use.review_words = reason_given(words, what="whether it matched its reason")
        use.reviewed_at, use.reviewed_by, use.reviewed_by_name = now, by.ref, by.called
        use.reviewed_person = by.person
        use.save()
        name = use.account.user.username
        ledger.append(
            at=now,
            by=by.ref,
            by_name=by.called,
            act="break_glass_account.reviewed",
            subject=use.account.user.ref,
            words=f"{use.key} of break-glass account {name} was {kind}: {use.review_words}"[:1_000],
            data={"use": use.key, "review": kind},
        )
    return use
