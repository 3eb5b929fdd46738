"""A table's reader: from a record to a Record, every path compiled once.

Owns how the parts of a table work together on one record. What the parts mean is tables.py's; how
records travel inside a body is reading.py's. Pure.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from evidence.formats import paths, times
from evidence.formats.record import ActorName, Issued, Record
from evidence.formats.tables import (
    NOT_STATED,
    Name,
    Names,
    Row,
    Said,
    Table,
    getter,
    names,
    realm_named,
    template,
)
from evidence.vocabulary import OUTCOME_OK, OUTCOME_UNKNOWN, USE

# (position, record, digest of realm and vendor id) -> Record; raises tables.Unreadable.
type Reader = Callable[[str, Row, Callable[[str, str], bytes]], Record]


def outcomes(said: Said | Callable[[Row], int], *, folded: bool = False) -> Callable[[Row], int]:
    """How a record's act ended."""
    if not isinstance(said, Said):
        return said
    find, words = getter(said.where, folded=folded), said.words
    otherwise, absent = said.otherwise, said.absent

    def get(record: Row) -> int:
        found = find(record)
        return absent if found is None else words.get(found.lower(), otherwise)

    return get


def activities(table: Table) -> Callable[[str], int]:
    """The activity of an action."""
    known = table.activities
    patterns = [(re.compile(pattern), activity) for pattern, activity in table.patterns]

    @lru_cache(maxsize=16_384)
    def get(action: str) -> int:
        found = known.get(action)
        if found is not None:
            return found
        return next((what for pattern, what in patterns if pattern.match(action)), USE)

    return get


def _issuing(table: Table, *, folded: bool) -> dict[str, Callable[..., Issued | None]]:
    found: dict[str, Callable[..., Issued | None]] = {}
    for row in table.issues:
        ways = row.credential
        credential = names((ways,) if isinstance(ways, Name) else ways, folded=folded)
        to = names(row.to, folded=folded)
        expires = getter(row.expires, folded=folded)

        def issued(
            record: Row,
            realm: str,
            principal: ActorName | None,
            made: Names = credential,
            holder: Names = to,
            end: Callable[[Row], str | None] = expires,
            standing: bool = row.standing,
        ) -> Issued | None:
            name = made(record, realm)
            if name is None:
                return None
            return Issued(
                name, holder(record, realm) or principal, standing, times.moment(end(record))
            )

        found |= dict.fromkeys(row.actions, issued)
    return found


def reader(table: Table, *, folded: bool = False) -> Reader:
    """The compiled table: (position, record, digest of realm and vendor id) -> Record."""
    realm_of = template(table.realm, folded=folded)
    stated_at = [
        paths.getter(one, folded=folded) if isinstance(one, str) else one
        for one in (table.at if isinstance(table.at, tuple) else (table.at,))
    ]
    action_of = getter(table.action, folded=folded)
    activity_of, activity_said = activities(table), table.activity
    outcome_of = outcomes(table.outcome, folded=folded)
    principal, credential, agent, on_behalf = (
        names(ways, folded=folded)
        for ways in (table.principal, table.credential, table.agent, table.on_behalf)
    )
    vendor_id, resource, request_id, address, user_agent, error, session, task, release = (
        getter(froms, folded=folded)
        for froms in (
            table.vendor_id,
            table.resource,
            table.request_id,
            table.address,
            table.user_agent,
            table.error,
            table.session,
            table.task,
            table.release,
        )
    )
    trace_id, span_id = (getter(one, folded=folded) for one in (table.trace_id, table.span_id))
    issuing = _issuing(table, folded=folded)
    issued_otherwise = table.issued
    plane = table.plane
    unnamed = f"{table.name}:{NOT_STATED}"
    moment = times.moment

    def read(position: str, record: Row, digest: Callable[[str, str], bytes]) -> Record:
        at: int | None = None
        for get in stated_at:
            stated = get(record)
            if stated is not None:
                # What is no time is none: the time of first sight stands in for it.
                at = moment(stated)
                break
        realm = realm_named(realm_of(record))
        number = vendor_id(record)
        action = (action_of(record) or unnamed).strip() or unnamed
        ended = outcome_of(record)
        who = principal(record, realm)
        issued: Issued | None = None
        if ended in (OUTCOME_OK, OUTCOME_UNKNOWN):
            if issued_otherwise is not None:
                issued = issued_otherwise(record, realm, who)
            if issued is None and action in issuing:
                issued = issuing[action](record, realm, who)
        return Record(
            position,
            digest(realm, number or ""),
            at,
            realm,
            plane,
            (activity_said and activity_said(record, action)) or activity_of(action),
            ended,
            action,
            resource(record),
            who,
            credential(record, realm),
            agent(record, realm),
            on_behalf(record, realm),
            number,
            request_id(record),
            _hex(trace_id(record), 16),
            _hex(span_id(record), 8),
            None,
            None,
            address(record),
            user_agent(record),
            error(record),
            session(record),
            task(record),
            release(record),
            issued,
        )

    return read


def _hex(text: str | None, length: int) -> bytes | None:
    if text is None:
        return None
    try:
        found = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return None
    return found if len(found) == length and any(found) else None
