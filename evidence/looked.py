"""Who looked at which evidence (decisions 15): written after the answer has gone out.

Owns the rows that say so. An answer never waits for them, and never fails because of them.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError
from django.http.response import HttpResponseBase

from evidence.models import Looked
from evidence.permissions import Reader

log = logging.getLogger(__name__)

# kind, reference: ("event", "1764000000000000-12"), ("deposit", "41")
type Seen = tuple[str, str]


def note(
    response: HttpResponseBase,
    seen: Iterable[Seen],
    *,
    by: Reader,
    now: datetime,
    case: UUID | None = None,
) -> None:
    """Write these once the response is sent and closed, all at once."""
    rows = [
        Looked(at=now, by=by.ref, by_name=by.name, kind=kind, ref=ref, case=case)
        for kind, ref in dict.fromkeys(seen)
    ]
    close = response.close

    def close_and_write() -> None:
        close()
        try:
            Looked.objects.bulk_create(rows)
        except DatabaseError:
            log.exception("%s looks were not written", len(rows))

    if rows:
        response.close = close_and_write  # type: ignore[method-assign]  # closing is the last thing a server does


def names(kind: str, refs: Iterable[str]) -> dict[str, list[str]]:
    """Who looked at these, by reference, first look first."""
    found: dict[str, dict[str, None]] = {}
    rows = Looked.objects.filter(kind=kind, ref__in=list(refs)).order_by("at")
    for ref, name in rows.values_list("ref", "by_name")[:5_000]:
        found.setdefault(ref, {})[name] = None
    return {ref: list(people) for ref, people in found.items()}
