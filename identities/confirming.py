"""Whether a person has confirmed lately that a login is theirs, before what they decide counts.

Owns that question for pages and API alike, and the one refusal of a login that could confirm
nothing: allauth lets such a one pass; here it passes in the demo only. Must not know which acts
decide (identities/api/deciding.py, reviews/confirmed.py).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import (
    get_reauthentication_flows,
    is_reauthentication_required,
)
from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from identities.models import User
from identities.permissions import NotAllowed

SEALED_CODE = "sealed_code"
ANOTHER_CODE = (
    "Your sealed code was used too long ago to confirm this: sign out, and come in with another one"
    " at /break-glass/sign-in/, or add a passkey next time you are in."
)
NOTHING_TO_CONFIRM = (
    "This login has neither password nor second factor, so nothing can confirm that it is you:"
    " set one up first."
)
# A statement that changes rows, but for those of sessions.
WRITES = re.compile(
    r'\b(?:INSERT\s+INTO|DELETE\s+FROM|COPY|(?<!FOR )(?<!KEY )UPDATE)\s+"?(?!django_session\b)\w',
    re.IGNORECASE,
)


class ConfirmFirst(Exception):
    """Whoever asks may do it, once they have confirmed who they are."""


def require_a_way(user: User, request: HttpRequest) -> None:
    """NotAllowed for a login that could confirm nothing, outside the demo.

    A sealed code (reviews/accounts) has confirmed it just now, and only just now.
    """
    if settings.DEMO or get_reauthentication_flows(user):
        return
    records = get_authentication_records(request, user)
    if not records or records[-1].get("method") != SEALED_CODE:
        raise NotAllowed(NOTHING_TO_CONFIRM)
    if timezone.now().timestamp() - records[-1]["at"] >= settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
        raise NotAllowed(ANOTHER_CODE)


def has_confirmed(user: User, request: HttpRequest) -> bool:
    """Whether its person has confirmed within five minutes who they are."""
    try:
        require_a_way(user, request)
    except NotAllowed:
        return False
    return not is_reauthentication_required(request, app="account")


@contextmanager
def before_writing() -> Iterator[None]:
    """ConfirmFirst at the first statement in here that would change a row.

    An act locks, asks the permission and checks the state before it writes (CONTRIBUTING.md), so a
    person who may not do it is told so, and only who may is asked to confirm.
    """

    def ask(execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
        if WRITES.search(str(sql)):
            raise ConfirmFirst
        return execute(sql, *rest)

    with connection.execute_wrapper(ask):
        yield
