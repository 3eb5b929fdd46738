"""What stood before and after one event: of the same identity, or of everything a reader may see.

Owns both statements. Each walks an index from the event in both directions, so that neither the age
of the event nor how much there is changes what it costs; who sees little may wait MOST_SECONDS.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import OperationalError, connection, transaction

from evidence.permissions import Scope
from evidence.queries.events import SLOW, WHO
from evidence.queries.looking import MOST_SECONDS

MOST_ROWS, MOST_MINUTES = 50, 24 * 60
WHOSE = ("identity", "all")

type Key = tuple[datetime, int]

_SAME = """
SELECT a.at, a.event_id FROM identities_attribution a
WHERE a.identity_no = %(identity)s AND a.at {sign}= %(at)s AND a.at {back}= %(end)s
  AND (a.at, a.event_id) {sign} (%(at)s, %(event)s)
ORDER BY a.at {order}, a.event_id {order} LIMIT %(rows)s
"""
_ALL = """
SELECT e.at, e.id FROM evidence_event e
WHERE e.at {sign}= %(at)s AND e.at {back}= %(end)s
  AND (e.at, e.id) {sign} (%(at)s, %(event)s){seen}
ORDER BY e.at {order}, e.id {order} LIMIT %(rows)s
"""
_SEEN = " AND (" + " OR ".join(f"{column} = ANY(%(scope)s)" for column in WHO) + ")"


class Around(NamedTuple):
    """Keys before and after an event, each in order of time; why not, where it took too long."""

    before: list[Key]
    after: list[Key]
    slow: str = ""


def around(
    key: Key, *, rows: int, minutes: int, identity: int | None, scope: Scope = frozenset()
) -> Around:
    """At most `rows` events on either side, within `minutes`.

    `identity`: of this one (Identity.number); None: of everything within `scope`.
    """
    rows, minutes = min(max(rows, 1), MOST_ROWS), min(max(minutes, 1), MOST_MINUTES)
    facts: dict[str, Any] = {
        "at": key[0],
        "event": key[1],
        "rows": rows,
        "identity": identity,
        "scope": sorted(scope) if scope is not None else [],
    }
    found: list[list[Key]] = []
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{MOST_SECONDS}s'")
            for sign, back, order in (("<", ">", "DESC"), (">", "<", "ASC")):
                sql = _ALL if identity is None else _SAME
                text = sql.format(
                    sign=sign, back=back, order=order, seen="" if scope is None else _SEEN
                )
                apart = timedelta(minutes=minutes)
                facts["end"] = key[0] - apart if sign == "<" else key[0] + apart
                cursor.execute(text, facts)
                found.append(list(cursor.fetchall()))
            cursor.execute("SET LOCAL statement_timeout = 0")
    except OperationalError:
        return Around([], [], SLOW)
    return Around(found[0][::-1], found[1])
