"""Who may say what becomes of an alert, who sees which, and the sentence why not."""

from datetime import datetime

from django.db.models import Q, QuerySet

from identities import visible as identities_visible
from identities.models import User
from identities.permissions import cannot_sign
from reviews import visible
from reviews.models import Alert

SETTLING = frozenset({"reviewer", "responder", "administrator"})


def why_not_settle_alert(user: User, *, now: datetime) -> str | None:
    """Match an alert with an identity, or dismiss it. Opening its incident is asked beside."""
    said = "Only a reviewer, a responder or an administrator says what becomes of an alert."
    return cannot_sign(user, SETTLING, said, now=now)


def alerts(user: User, *, now: datetime) -> QuerySet[Alert]:
    """The alerts this user may see: readers all, others those about what they answer for; never one
    that led to a case which they may not see."""
    seen = Q(case=None) | Q(case__in=visible.cases(user, now=now).values("pk"))
    rows = Alert.objects.filter(seen).select_related("source", "identity", "case")
    if identities_visible.sees_all(user):
        return rows
    return rows.filter(identity__in=identities_visible.identities(user, now=now).values("pk"))
