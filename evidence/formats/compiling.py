"""A table's reader: from a record to a Record, every path compiled once.

Owns how the parts of a table work together on one record. What the parts mean is tables.py's; how
records travel inside a body is reading.py's. Pure.
"""

import re
from collections import Counter
from collections.abc import Callable

from evidence.formats import times
from evidence.formats.record import ActorName, Issued, Record
from evidence.formats.tables import (
    NOT_STATED,
    From,
    Froms,
    Name,
    Names,
    Row,
    Said,
    Table,
    getter,
    names,
    realm_named,
    write_names,
    write_template,
)
from evidence.formats.written import Of, Remembered, Writing, twice
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_UNKNOWN, USE

# (position, record, digest of realm and vendor id) -> Record; raises tables.Unreadable.
type Reader = Callable[[str, Row, Callable[[str, str], bytes]], Record]


def activities(table: Table) -> Callable[[str], int]:
    """The activity of an action."""
    known = table.activities
    patterns = [(re.compile(pattern), activity) for pattern, activity in table.patterns]

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


# What a record holds that is one text, by the members of a table that name it.
_TEXTS = (
    "vendor_id",
    "resource",
    "request_id",
    "address",
    "user_agent",
    "session",
    "task",
    "release",
    "trace_id",
    "span_id",
)
# Texts that one record has like many others.
_REPEATED = {
    "address": "place",
    **dict.fromkeys(("resource", "user_agent", "session", "task", "release"), "same"),
}
_ACTORS = ("principal", "credential", "agent", "on_behalf")
# What stands in a record, in its order; a test compares it with the record's own fields.
_RECORD = (
    "position, digest(realm, vendor_id or ''), at, realm, {plane}, {activity}, ended, action,"
    " resource, principal, credential, agent, on_behalf, vendor_id, request_id, {trace}, {span},"
    " None, None, address, user_agent, error, session, task, release, issued"
)


# (position, record, digest) -> Record, or None where this way of reading finds nothing.
type Otherwise = Callable[[str, Row, Callable[[str, str], bytes]], Record | None]


def reader(table: Table, *, otherwise: Otherwise | None = None) -> Reader:
    """The compiled table: (position, record, digest of realm and vendor id) -> Record.

    `otherwise` is asked first of records in which no action is found.
    """
    return twice(lambda often: _written(table, otherwise, folded=False, often=often))


def folded(table: Table) -> Reader:
    """The same for records as the table views them, their names in lower case."""
    return twice(lambda often: _written(table, None, folded=True, often=often))


def _written(
    table: Table,
    otherwise: Otherwise | None,
    *,
    folded: bool,
    often: Counter[tuple[str, ...]] | None,
) -> Writing:
    opening = "def written(position, record, digest):"
    viewed = table.view is not None and not folded
    if viewed:
        opening += "\n record = view(record)"
    writing = Writing(opening, folded=folded, often=often)
    if viewed:
        writing.objects["view"] = table.view
    say, named = writing.say, writing.named
    unnamed = f"{table.name}:{NOT_STATED}"
    writing.text("action", _ways(table.action))
    if otherwise is not None:
        say(
            "if action is None:",
            f" found = {named(otherwise)}(position, record, digest)",
            " if found is not None: return found",
        )
    actions = Remembered(lambda action: action.strip() or unnamed)
    say(f"action = {named(actions)}[action or {unnamed!r}]")
    write_template(writing, "realm", table.realm)
    say(f"realm = {named(realm_named)}(realm)", "stated = None")
    for deep, way in enumerate(_ways(table.at)):
        found = writing.found(way, deep=deep)
        say(f"stated = {found}", "if stated is None:", " pass", deep=deep)
    # What is no time is none: the time of first sight stands in for it.
    say(f"at = None if stated is None else {named(times.moment)}(stated)")
    _write_outcome(writing, table.outcome)
    for field in _TEXTS:
        writing.text(field, _ways(getattr(table, field)), repeated=_REPEATED.get(field, ""))
    if table.error_of_failures:
        say("error = None", f"if ended == {OUTCOME_FAILED} or ended == {OUTCOME_REFUSED}:")
        writing.text("error", _ways(table.error), deep=1, repeated="same")
    else:
        writing.text("error", _ways(table.error), repeated="same")
    for field in _ACTORS:
        write_names(writing, field, getattr(table, field))
    say("issued = None")
    issuing = _issuing(table, folded=folded)
    if table.issued is not None or issuing:
        say(f"if ended == {OUTCOME_OK} or ended == {OUTCOME_UNKNOWN}:")
        if table.issued is not None:
            if isinstance(table.issued, Of):
                made = writing.found(table.issued, deep=1)
            else:
                made = f"{named(table.issued)}(record, realm, principal)"
            say(f"issued = {made}", deep=1)
        if issuing:
            known = named(issuing)
            say(
                f"if issued is None and action in {known}:",
                f" issued = {known}[action](record, realm, principal)",
                deep=1,
            )
    activity = f"{named(Remembered(activities(table)))}[action]"
    if table.activity is not None:
        activity = f"{named(table.activity)}(record, action) or {activity}"
    values = _RECORD.format(
        plane=table.plane,
        activity=activity,
        trace=f"trace_id and {named(_hex)}(trace_id, 16)",
        span=f"span_id and {named(_hex)}(span_id, 8)",
    )
    # Not by the record's own constructor, which takes twice as long over the same tuple.
    say(f"return {named(tuple.__new__)}({named(Record)}, ({values}))")
    return writing


def _ways(froms: Froms) -> tuple[From, ...]:
    return froms if isinstance(froms, tuple) else (froms,)


def _write_outcome(writing: Writing, said: Said | Callable[[Row], int]) -> None:
    if not isinstance(said, Said):
        writing.say(f"ended = {writing.found(said)}")
        return
    writing.text("said", _ways(said.where))
    words = writing.named(said.words)
    writing.say(
        f"ended = {int(said.absent)} if said is None"
        f" else {words}.get(said.lower(), {int(said.otherwise)})"
    )


def _hex(text: str, length: int) -> bytes | None:
    try:
        found = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return None
    return found if len(found) == length and any(found) else None
