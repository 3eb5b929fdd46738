"""Alerts about nobody we knew, tried again when what they name becomes known.

Owns Alert.tried: the bindings that an alert was tried with. What is known by now is asked for all
that wait at once, from rows, so that no order and no late commit loses one: an alert whose bindings
are others than those it was tried with is tried, once for each such set. Who dies half way has
changed nothing, and two who try the same do it once.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from evidence.models import Actor, Connection
from evidence.sources.alerts import NEVER
from identities.judging.holders import Holders
from reviews.incidents import alerts
from reviews.models import Alert

# The newest that wait, as far as they open anything by themselves (alerts.LATELY): a flood of
# strangers costs no more than this. What is older waits for a person, whose page says who it is.
MOST = 5_000
AT_ONCE = 100


class Known(NamedTuple):
    """An alert that waits, and the bindings of whom it names, when they are not those before."""

    alert: uuid.UUID
    bindings: list[int]


def try_next(*, now: datetime) -> bool:
    """Try again those of which something else is known by now; False where there are none."""
    tried = False
    for one in _news(now=now):
        tried = _try(one, now=now) or tried
    return tried


def _news(*, now: datetime) -> list[Known]:
    """The oldest of those first, at most AT_ONCE. A constant number of queries."""
    rows = Alert.objects.filter(
        state="unmatched", received_at__gte=now - alerts.LATELY, keys__len__gt=0
    )
    waiting = rows.order_by("-number").values_list("pk", "keys", "tried")[:MOST]
    found: list[Known] = []
    rest = list(waiting)
    keys = {key for _, those, _ in rest for key in those}
    actors = dict(Actor.objects.filter(key__in=keys).values_list("key", "pk"))
    if not actors:
        return []
    holders = Holders(actors.values())
    for pk, those, tried in reversed(rest):
        bindings = _bindings([actors[key] for key in those if key in actors], holders)
        if bindings != tried:
            found.append(Known(pk, bindings))
    return found[:AT_ONCE]


def _bindings(actors: Sequence[int], holders: Holders) -> list[int]:
    return sorted(
        {
            bound.binding
            for actor in actors
            for here in holders.line(actor)
            for bound in holders.bound.get(here, ())
        }
    )


@transaction.atomic
def _try(one: Known, *, now: datetime) -> bool:
    """Do what follows from what is known by now; False where somebody else was first."""
    row = Alert.objects.select_for_update(of=("self",)).select_related("source").get(pk=one.alert)
    if row.state != "unmatched" or row.tried == one.bindings:
        return False
    row.tried = one.bindings
    row.save(update_fields=["tried"])
    link = Connection.objects.filter(source=row.source).first()
    alerts.follow(row, row.keys, NEVER if link is None else alerts.opens_from(link), now=now)
    return True
