"""A source's keep-filter: which of its records are kept, by whom and what they are about.

Owns what a rule means, and the counting of what is left out: nothing is dropped silently. Rules
are tried in their order and the first that matches decides; what none matches is kept, unless
there is a rule that keeps: then only what such a rule matches is. A pattern has `*` as its only
wildcard and is compared without case, in time linear in the text. What a deposit may become when it
is read again is decided by the filter that stood when it came.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import re2
from django.db import transaction
from django.db.models import F

from evidence import known, ledger, permissions, second_person, sketch
from evidence.formats.record import ActorName, Asked, Parsed, Record, Redaction
from evidence.formats.removing import NotFound, without
from evidence.models import Deposit, FilteredOut, LedgerEntry, Source
from evidence.permissions import NotPossible, Reader

KEEP, DROP = "keep", "drop"
ON = ("identity", "action")
MOST_RULES, LONGEST_PATTERN, LONGEST = 100, 300, 40_000
NOT_KEPT = "no rule keeps it"
NOT_CUT = "kept all the same: it could not be cut out of its body"
# How a deposit's redactions name what was left out; migration 0008 counts by it.
LEFT_OUT = "filtered: "
# How a reject names what became readable, and may not become an event.
LEFT_OUT_AGAIN = "left out by the keep-filter that stood when it came: "
CHANGED = "source.keep_filter"
SHOWN = 60


class Rule(NamedTuple):
    """One line of a keep-filter: `drop action s3:Get*`."""

    verdict: str  # keep, drop
    on: str  # identity, action
    pattern: str

    def __str__(self) -> str:
        return f"{self.verdict} {self.on} {self.pattern}"


def rules_in(text: str) -> list[Rule]:
    """The rules that somebody wrote, one a line. Raises NotPossible with the line that is wrong."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(None, 2)
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 3 or words[0] not in (KEEP, DROP) or words[1] not in ON:
            raise NotPossible(
                f"Line {number} is no rule: write keep or drop, then identity or action, then a"
                " pattern, as in: drop action s3:Get*"
            )
        if len(words[2]) > LONGEST_PATTERN or "\0" in words[2]:
            raise NotPossible(f"The pattern of line {number} is longer than {LONGEST_PATTERN}.")
        found.append(Rule(words[0], words[1], words[2].strip()))
    if len(found) > MOST_RULES:
        raise NotPossible(f"A keep-filter has at most {MOST_RULES} rules.")
    return found


def of(source: Source) -> list[Rule]:
    """The rules of a source; without any, everything is kept."""
    return [Rule(*one) for one in source.keep_rules]


def change(*, source: Source, text: str, by: Reader, now: datetime) -> Source:
    """Give a source these rules from now on; what was taken before stays."""
    permissions.require(by.why_not_administer)
    rules = rules_in(text)
    second_person.require(source, by)
    with transaction.atomic():
        row = Source.objects.select_for_update().get(pk=source.pk)
        if of(row) == rules:
            return row
        row.keep_rules = [list(rule) for rule in rules]
        row.save(update_fields=["keep_rules"])
        ledger.append(
            at=now,
            by=by.ref,
            by_name=by.name,
            act=CHANGED,
            subject=f"source:{row.name}",
            words=f"source {row.name} has another keep-filter: {_words(rules)}"[:4_000],
            data={"rules": [str(rule) for rule in rules]},
        )
    return row


class _Filter:
    """What is kept of a source: what is left out can be shown to nobody."""

    @staticmethod
    def lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
        source = second_person.source_of(document)
        rules, was = rules_in(document["text"]), of(source)
        if rules == was:
            raise NotPossible(f"{source.name} has this keep-filter already.")
        words = f"keep-filter: {_words(was)} → {_words(rules)}"
        return [(f"source {source.name}", words)]

    @staticmethod
    def apply(document: Mapping[str, Any], *, by: Reader, now: datetime) -> None:
        change(source=second_person.source_of(document), text=document["text"], by=by, now=now)


second_person.ACTS["filter"] = _Filter()


def propose(*, source: Source, text: str, by: Reader, now: datetime, reason: str) -> str:
    """Ask a second person to give a source these rules; the key of the proposal."""
    permissions.require(by.why_not_administer)
    return second_person.propose(
        "filter",
        source.name,
        {"text": text},
        by=by,
        now=now,
        reason=reason,
        title=f"the keep-filter of source {source.name}",
    )


def _words(rules: Sequence[Rule]) -> str:
    return "; ".join(map(str, rules)) or "everything is kept"


def at(source: Source, moment: datetime) -> list[Rule]:
    """The rules of a source at some time, by the ledger."""
    entries = LedgerEntry.objects.filter(
        act=CHANGED, subject=f"source:{source.name}", at__lte=moment
    )
    said = entries.order_by("-at", "-pk").values_list("data", flat=True).first()
    return [] if said is None else [Rule(*text.split(None, 2)) for text in said["rules"]]


def refused_again(
    deposit: Deposit, records: Mapping[int, Record], *, now: datetime
) -> dict[int, str]:
    """Which of these records, readable for the first time, may not become events, and why.

    Counted as of now, once: a deposit's rejects say which were counted before.
    """
    rules = at(deposit.source, deposit.received_at)
    if not rules or not records:
        return {}
    compiled = _compiled(tuple(rules))
    found = {number: why_left_out(one, compiled) for number, one in records.items()}
    rows = deposit.reject_rows.filter(reason__startswith=LEFT_OUT_AGAIN)
    before = Counter(rows.values_list("reason", flat=True))
    many = Counter(why for why in found.values() if why)
    for why, count in sorted(many.items()):
        more = count - before[f"{LEFT_OUT_AGAIN}{why}"]
        if more > 0:
            row, _ = FilteredOut.objects.get_or_create(
                source=deposit.source, day=now.astimezone(UTC).date(), reason=why
            )
            FilteredOut.objects.filter(pk=row.pk).update(records=F("records") + more)
            digests = [records[number].digest for number, one in found.items() if one == why]
            note_different(deposit.source, {why: digests}, now=now)
    return {number: f"{LEFT_OUT_AGAIN}{why}" for number, why in found.items() if why}


def left_out(source: Source) -> list[FilteredOut]:
    """How much was left out, the newest days first."""
    return list(FilteredOut.objects.filter(source=source).order_by("-day", "reason")[:SHOWN])


class _Compiled(NamedTuple):
    rules: Sequence[Rule]
    tests: Sequence[Any]
    default: str  # why what no rule matches is left out; empty: it is kept


@lru_cache(maxsize=256)
def _compiled(rules: tuple[Rule, ...]) -> _Compiled:
    options = re2.Options()
    options.case_sensitive = False
    options.dot_nl = True
    options.log_errors = False
    tests = [
        re2.compile(".*".join(re2.escape(part) for part in rule.pattern.split("*")), options)
        for rule in rules
    ]
    keeps = any(rule.verdict == KEEP for rule in rules)
    return _Compiled(rules, tests, NOT_KEPT if keeps else "")


def why_left_out(record: Record, compiled: _Compiled) -> str:
    """The rule by which a record is not kept; empty: it is."""
    for rule, test in zip(compiled.rules, compiled.tests, strict=True):
        texts = [record.action] if rule.on == "action" else _names(record)
        if any(test.fullmatch(text) is not None for text in texts):
            return str(rule) if rule.verdict == DROP else ""
    return compiled.default


def _names(record: Record) -> list[str]:
    """By whom a record may be known: what it names, and what that came out of."""
    found: list[str] = []
    for one in (record.principal, record.credential, record.agent, record.on_behalf):
        here: ActorName | None = one
        while here is not None:
            found.append(here.value)
            here = here.parent
    return found


type Dropped = dict[str, list[bytes]]
"""The digests of what was left out, by why."""


def filtered(
    source: Source,
    parsed: Parsed,
    *,
    format: str,  # noqa: A002 - what sources and deposits call it
) -> tuple[Parsed, Dropped]:
    """What is kept of a body by its source's filter, in its bytes too, and what is not; the very
    same without one.

    What is left out stands among the redactions, by rule and place, and is stored with the
    deposit: the counts of each day are made of that, and of its digests by `note_different`.
    """
    rules = of(source)
    if not rules:
        return parsed, {}
    compiled = _compiled(tuple(rules))
    reasons = [why_left_out(record, compiled) for record in parsed.records]
    if not any(reasons):
        return parsed, {}
    dropped: Dropped = {}
    for record, why in zip(parsed.records, reasons, strict=True):
        if why:
            dropped.setdefault(why, []).append(record.digest)
    out = [
        Redaction(record.position, f"{LEFT_OUT}{why}", 0)
        for record, why in zip(parsed.records, reasons, strict=True)
        if why
    ]
    try:
        kept = _cut(source, parsed, reasons, format)
    except NotFound:
        # Rather kept than lost around it; and said.
        out = [one._replace(kind=f"{LEFT_OUT}{NOT_CUT}") for one in out]
        everything = [digest for digests in dropped.values() for digest in digests]
        return parsed._replace(redactions=[*out, *parsed.redactions]), {NOT_CUT: everything}
    gone = {one.position for one in out}
    left = Parsed(
        kept,
        [one for one, why in zip(parsed.records, reasons, strict=True) if not why],
        parsed.rejects,
        # Of a record that is not kept, nothing was redacted.
        [*out, *(one for one in parsed.redactions if one.position.partition(" ")[0] not in gone)],
    )
    return left, dropped


def note_different(source: Source, dropped: Dropped, *, now: datetime) -> None:
    """Count what was left out once for each record, however often it comes on that day. Called in
    the transaction of its deposit, whose trigger made the rows and holds them."""
    day = now.astimezone(UTC).date()
    for why, digests in sorted(dropped.items()):
        rows = FilteredOut.objects.select_for_update().filter(source=source, day=day, reason=why)
        row = rows.first()
        if row is not None and row.sketch is not None:
            row.sketch = sketch.added(bytes(row.sketch), digests)
            row.save(update_fields=["sketch"])


def _cut(source: Source, parsed: Parsed, reasons: list[str], name: str) -> bytes:
    """The kept bytes without the records that have a reason. Raises NotFound.

    Read once more, because positions are those of what was received.
    """
    asked = Asked(source.name, b"", frozenset(source.realms), keep_content=True)
    reader = known.find(name)
    again = [] if reader is None else reader.parse(parsed.kept, asked).records
    if len(again) != len(reasons):
        raise NotFound("what is kept does not read as it was read")
    gone = {one.position for one, why in zip(again, reasons, strict=True) if why}
    return without(parsed.kept, gone, mark=False)
