"""A person states that a backup of the database was restored, so that the ledger goes on.

Owns the statement: signed by the key that signs heads, which is not in the database, and written into the
ledger with the heads that are given up. A ledger that was rewritten is not continued.
"""

from datetime import datetime
from typing import Any

import rfc8785
from django.conf import settings
from django.db import transaction

from evidence import ledger, outside_heads
from evidence.models import LedgerEntry, LedgerSeal
from evidence.sources.failures import Stopped
from evidence.stores import anchors
from evidence.stores.anchors.configured import SetUp


def state(set_up: SetUp, *, by: str, reason: str, now: datetime) -> LedgerEntry:
    """Write it. Raises Stopped where the places say that nothing was restored, or that the ledger was
    rewritten, or where one of them does not answer."""
    found = outside_heads.compare(set_up)
    if found.unreachable:
        raise Stopped(found.unreachable[0], "Run this again when every place answers.")
    lost_anchors = found.state == outside_heads.REWRITTEN and found.fix == outside_heads.RESTORE
    if found.state != outside_heads.RESTORED and not lost_anchors:
        what = found.faults[0] if found.faults else None
        raise Stopped(
            f"Row {what.number:,}: {what.what}." if what else "No entry of the ledger is missing.",
            found.fix or "Nothing has to be stated.",
        )
    seal = LedgerSeal.objects.filter(pk=found.matched).first()
    digest = bytes(seal.hash).hex() if seal is not None else ""
    heads = sorted({(one.number, one.hash[: outside_heads.DIGITS]) for one in found.beyond})
    key = anchors.keys.signing(set_up.key)
    said: dict[str, Any] = {
        "iss": settings.BASE_URL,
        "ledger": anchors.keys.LEDGER,
        "row": found.matched,
        "hash": digest,
        "heads": [list(head) for head in heads],
        "at": ledger.moment(now),
        "version": anchors.keys.VERSION,
    }
    statement = anchors.keys.over(rfc8785.dumps(said), key, kind=outside_heads.RESTORED_TYPE)
    lost = f"rows {found.matched + 1:,} to {heads[-1][0]:,} as they were" if heads else "anchors"
    with transaction.atomic():
        return ledger.append(
            at=now, by="command", by_name=by, act=outside_heads.RESTORED_ACT, subject="ledger",
            words=f"{by} stated that the database was restored from a backup with row"
            f" {found.matched:,}; {lost} are lost: {reason}",
            data={"row": found.matched, "heads": said["heads"], "statement": statement,
                  "reason": reason},
        )  # fmt: skip
