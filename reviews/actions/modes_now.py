"""Which mode holds for identities now, where a signature is younger than their rows.

A step is true from its signature, and the worker writes the rows afterwards (modes.py). Whatever
cuts asks here first, in as many questions for many identities as for one. Rows are only ever held
back here: what leads to more begins when the row says so. Writes nothing.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from evidence import locks
from evidence.locks import Lock
from identities.models import Identity
from identities.models.identity import MODES
from reviews import mode_rules


def hold_back(identities: Iterable[Identity], *, now: datetime) -> None:
    """Set `mode` of these (not saved) to what signed steps have left of it; and keep steps from
    being signed until the transaction is over, so that what is cut in it is cut before them."""
    with connection.cursor() as cursor:
        locks.take_shared(cursor, Lock.MODE_SIGNATURES)
    known = list(identities)
    # Read again: what was read before the lock may be older than a step that is over by now.
    rows = Identity.objects.filter(pk__in=[one.pk for one in known])
    modes = dict(rows.values_list("pk", "mode"))
    for one in known:
        one.mode = modes[one.pk]
    rules = mode_rules.in_force()
    for place, rule in enumerate(rules):
        if rule.applied_at is not None:
            continue
        above = [one for one in known if MODES.index(one.mode) > MODES.index(rule.mode)]
        if not above:
            continue
        waits = mode_rules.waiting(rule, rules[:place], now=now)
        lower = set(waits.filter(pk__in=[one.pk for one in above]).values_list("pk", flat=True))
        for one in above:
            if one.pk in lower:
                one.mode = rule.mode


def after_what_cuts() -> None:
    """Wait, in the transaction of a signature, for the batches that are cutting at this moment."""
    with connection.cursor() as cursor:
        locks.take(cursor, Lock.MODE_SIGNATURES)
