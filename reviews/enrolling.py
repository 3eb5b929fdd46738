"""The first second factor of a login: whoever knows the password can add it, so that it is announced,
and counts after a delay in which others can cancel it.

Owns when it counts at once: it was added in a browser that opened a link of the host
(identities/sign_in_links.py), or in place of one that this session has just given. The announcement,
the delay and cancelling are those of a recovery (reviews/recovering.py).
"""

from datetime import datetime, timedelta
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.db.models.signals import pre_save
from django.http import HttpRequest

from identities.models import User
from reviews import enrolled, recovering
from reviews.models import BreakGlassAccount, Recovery
from reviews.models.recoveries import FIRST

# How long after the link was opened a factor that is added in the same browser counts at once.
MARK_LASTS = timedelta(hours=1)
_MARK = "link_of_the_host"


def connect() -> None:
    """Look at each factor before it is saved; once, when the app starts."""
    pre_save.connect(_adding, sender=Authenticator, dispatch_uid="reviews.enrolling")


def mark(request: HttpRequest, user: User, *, now: datetime) -> None:
    """This browser opened a link that the host made for this login."""
    request.session[_MARK] = {"user": str(user.pk), "until": (now + MARK_LASTS).timestamp()}


def _adding(instance: Authenticator, raw: bool = False, **_: Any) -> None:
    """Before the first factor that a browser adds to a login is saved."""
    request, now = context.request, instance.created_at
    if raw or request is None or not instance._state.adding:
        return
    if instance.type not in enrolled.FACTORS or not enrolled.required():
        return
    with transaction.atomic():
        rows = User.objects.select_for_update(of=("self",)).select_related("person")
        user = rows.get(pk=instance.user_id)
        # A login that has one gives it at sign-in, and again before it adds another; a break-glass
        # account alarms whenever it comes in.
        if (
            enrolled.has_factor(user)
            or enrolled.pending(user) is not None
            or BreakGlassAccount.objects.filter(user=user, ended_at=None).exists()
            or _given(request, user, now=now)
        ):
            return
        if _marked(request, user, now=now):
            recovering.enrolled_by_link(user, now=now)
        else:
            recovering.announce_first(user, now=now)


def _marked(request: HttpRequest, user: User, *, now: datetime) -> bool:
    said = request.session.get(_MARK) or {}
    return said.get("user") == str(user.pk) and now.timestamp() < said["until"]


def _given(request: HttpRequest, user: User, *, now: datetime) -> bool:
    """Whether this session has just given a factor that counted, which was removed since: not by
    somebody who cancelled it."""
    timeout = settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    given = any(
        one.get("method") == "mfa" and one["at"] >= now.timestamp() - timeout
        for one in get_authentication_records(request, user)
    )
    since = now - timedelta(seconds=timeout)
    ended = Recovery.objects.filter(user=user).exclude(kind="password")
    return given and not (
        ended.filter(kind=FIRST, cancelled_at__gte=since).exists()
        or ended.filter(kind="factor", done_at__gte=since).exists()
    )
