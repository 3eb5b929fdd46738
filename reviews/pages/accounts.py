"""Break-glass accounts as pages: which there are, how many codes they have left, and their uses.

Owns the contexts of templates/accounts.html and account_new.html. Constant queries.
"""

from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q

from evidence.parameters import understood
from identities.models import User
from reviews import accounts
from reviews.models import AccountUse, BreakGlassAccount
from reviews.models.accounts import USE_REVIEWS
from reviews.pages.lists import PAGES, page_of

PATH = "/break-glass/accounts/"
LEAD = (
    "For when nobody can sign in otherwise: a login with sealed codes or a passkey. Each use alarms"
    " everybody who may act, and somebody else looks at it. The last one cannot be ended."
)


def context(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/accounts.html: accounts, what nobody has looked at, and what was."""
    asked, left_out = understood(asked, PAGES)
    closed = AccountUse.objects.filter(reviewed_at__isnull=False)
    shown, page = page_of(
        closed.select_related("account__user").order_by("-at", "-pk"), asked, PATH
    )
    why_not = accounts.why_not_administer_accounts(user, now=now) or ""
    return {
        "section": "break_glass_accounts",
        "now": now,
        "title": "Break-glass accounts",
        "lead": LEAD,
        "left_out": left_out,
        "rows": [row_of(one, why_not) for one in rows()],
        "open": [
            {
                "use": one,
                "why_not": accounts.why_not_look_back(user, one, now=now) or "",
                "url": f"{PATH}uses/{one.pk}/",
            }
            for one in accounts.open_uses()
        ],
        "kinds": USE_REVIEWS,
        "closed": shown,
        "page": page,
        "ledger_url": "/ledger/?act=break_glass_account",
        "acts": [
            {
                "words": "New account",
                "url": f"{PATH}new/",
                "icon": "plus",
                "get": True,
                "primary": True,
                "why_not": why_not,
            }
        ],
    }


def rows() -> list[BreakGlassAccount]:
    """All accounts with `left` unused codes and the moment of their last use, the live ones first."""
    unused = Q(codes__used_at__isnull=True, codes__replaced_at__isnull=True)
    found = BreakGlassAccount.objects.select_related("user__person").annotate(
        left=Count("codes", filter=unused, distinct=True), last=Max("uses__at")
    )
    return list(found.order_by("ended_at", "user__username"))


def row_of(account: BreakGlassAccount, why_not: str) -> dict[str, Any]:
    """An account of `rows` with what may be done to it."""
    live = account.ended_at is None and account.user.is_active
    acts = [
        {
            "words": "Seal new codes",
            "url": f"{PATH}{account.pk}/seal/",
            "icon": "refresh",
            "why_not": why_not,
        },
        {
            "words": "End it",
            "url": f"{PATH}{account.pk}/end/",
            "icon": "x",
            "danger": True,
            "ask": "Why it ends",
            "why_not": why_not,
        },
    ]
    return {"account": account, "live": live, "acts": acts if live else []}
