"""What was tried for a revocation, and what the ledger says of it.

Owns RevocationTry rows and the words of the ledger's entries about them. When something is tried
and what follows is carrying.py's.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from evidence import ledger
from identities.acting import COUNTERSIGN
from identities.models import Revocation, RevocationTry


class Done(NamedTuple):
    """What was done with a row, as its list of tries and the ledger say it."""

    did: str
    result: str
    detail: str
    act: str
    words: str
    at: datetime


def note(row: Revocation, now: datetime, did: str, result: str, detail: str) -> None:
    """One try of which the ledger says nothing."""
    RevocationTry.objects.create(
        revocation=row, at=now, did=did, result=result, detail=detail[:500]
    )


def write(done: Sequence[tuple[Revocation, Done]]) -> None:
    """These tries, and what the ledger says of each."""
    RevocationTry.objects.bulk_create(
        RevocationTry(
            revocation=row, at=one.at, did=one.did, result=one.result, detail=one.detail[:500]
        )
        for row, one in done
    )
    ledger.append_all([_entry(row, one.at, one.act, one.words) for row, one in done])


def record(row: Revocation, now: datetime, act: str, words: str) -> None:
    """An entry of the ledger alone."""
    ledger.append_all([_entry(row, now, act, words)])


def _entry(row: Revocation, at: datetime, act: str, words: str) -> ledger.Said:
    return ledger.Said(
        at=at,
        by=COUNTERSIGN.ref,
        by_name=COUNTERSIGN.name,
        act=act,
        subject=row.identity.key,
        words=f"{row.key}: {row.words}: {words}",
        data={"revocation": row.key, "case": row.case_key},
        recorded_at=at,
    )
