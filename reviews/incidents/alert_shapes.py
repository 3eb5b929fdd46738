"""What an alert says: read from OCSF findings, hits of Sigma rules, our own small shape and signals.

Owns the members of each shape, what is wrong with one, and how grave it is in our words. Names come
from the formats of evidence, so that an alert and a log that name the same actor mean the same. Pure:
bytes in, alerts and the places of what is none out. Source: ocsf/ocsf-schema, classes 2001, 2004,
2005 and 2008; docs/alerts.md says the others.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from evidence.formats import FORMATS, recognise
from evidence.formats import alerts as small
from evidence.formats import signals as sets
from evidence.formats.record import ActorName, Asked
from evidence.formats.times import moment
from evidence.intake.admitting import EPOCH

MOST = 200  # alerts of one body
LONGEST_TITLE, LONGEST_UID = 300, 300
MOST_PARTS = 50  # evidences and resources of one finding
FINDINGS = (2001, 2004, 2005, 2008)
OCSF_SEVERITIES = {1: "low", 2: "low", 3: "medium", 4: "high", 5: "critical", 6: "critical"}
CLOSED = 3  # activity of a finding
# Members in which senders put several.
LISTS = ("alerts", "records", "Records", "value")
# Signals that may mean an incident, and how grave each is.
SIGNALS = {
    "caep:session-revoked": "medium",
    "risc:sessions-revoked": "medium",
    "risc:account-disabled": "medium",
    "risc:credential-compromise": "high",
    "caep:credential-change": "medium",
    "caep:risk-level-change": "high",
}


class Alerted(NamedTuple):
    """One alert as it was read. `over`: its sender says that it is closed."""

    position: int
    uid: str
    shape: str
    rule: str
    title: str
    severity: str
    at: datetime
    names: tuple[ActorName, ...]
    over: bool = False


class Wrong(NamedTuple):
    """What is no alert: where, and what to do."""

    place: str
    what: str


class Read(NamedTuple):
    """What one body holds. `others`: records that are no alerts, such as events of a log."""

    alerts: list[Alerted]
    wrong: list[Wrong]
    others: int = 0


class Unclear(Exception):
    """Why it cannot be read, with the member."""


def read(body: bytes, asked: Asked, *, format: str = "") -> Read:  # noqa: A002 - what deposits call it
    """The alerts of a body: one, an array, one a line, or a member that lists them."""
    if format == sets.NAME:
        return _signals(body, asked)
    try:
        records = list(_records(body))
    except Unclear as problem:
        return Read([], [Wrong("body", str(problem))])
    found: list[Alerted] = []
    wrong: list[Wrong] = []
    others = 0
    for number, record in enumerate(records):
        try:
            one = _one(number, record, asked)
        except Unclear as problem:
            wrong.append(Wrong(f"[{number}]", str(problem)))
            continue
        if one is None:
            others += 1
        elif len(found) == MOST:
            wrong.append(Wrong(f"[{number}]", f"more than {MOST} alerts: send it in several"))
            break
        else:
            found.append(one)
    return Read(found, wrong, others)


def _records(body: bytes) -> Iterator[Any]:
    text = body.strip()
    if not text:
        raise Unclear("it is empty: send one alert as a JSON object")
    try:
        whole = orjson.loads(text)
    except ValueError:
        yield from _lines(text)
        return
    if type(whole) is dict:
        for name in LISTS:
            if type(whole.get(name)) is list and "class_uid" not in whole:
                whole = whole[name]
                break
    yield from whole if type(whole) is list else [whole]


def _lines(text: bytes) -> Iterator[Any]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield orjson.loads(line)
            except ValueError:
                raise Unclear(f"line {number} is no JSON, nor is all of it") from None


def _one(number: int, record: Any, asked: Asked) -> Alerted | None:
    if type(record) is not dict:
        raise Unclear("is no JSON object")
    if "class_uid" in record:
        return _finding(number, record, asked)
    if "alert_id" in record or "rule" in record or "rule_id" in record:
        return _small(number, record, asked)
    raise Unclear(
        "is no alert: it has neither class_uid (OCSF), nor rule (Sigma), nor alert_id (docs/alerts.md)"
    )


# --- OCSF ----------------------------------------------------------------------------------------


def _finding(number: int, record: Mapping[str, Any], asked: Asked) -> Alerted | None:
    if record.get("class_uid") not in FINDINGS:
        return None
    info = _row(record.get("finding_info")) or _row(record.get("finding"))
    several = record.get("finding_info_list")
    listed = [_row(one) for one in several][:MOST_PARTS] if type(several) is list else []
    first = info or (listed[0] if listed else {})
    metadata = _row(record.get("metadata"))
    uid = _text(info.get("uid")) or _text(metadata.get("uid")) or _text(first.get("uid"))
    if not uid:
        raise Unclear("finding_info.uid is missing: without it, it would be new each time it comes")
    title = _text(first.get("title")) or _text(record.get("message")) or _text(first.get("desc"))
    types = first.get("types")
    analytic = _row(first.get("analytic"))
    rule = _text(analytic.get("uid")) or _text(analytic.get("name"))
    if not rule and type(types) is list and types:
        rule = _text(types[0])
    severity = record.get("severity_id")
    return Alerted(
        number,
        uid[:LONGEST_UID],
        "ocsf",
        rule[:LONGEST_UID],
        _plain(title or uid)[:LONGEST_TITLE],
        OCSF_SEVERITIES.get(severity, "unknown") if type(severity) is int else "unknown",
        _moment(record.get("time"), "time"),
        tuple(_names_of_finding(record, asked)),
        over=record.get("activity_id") == CLOSED,
    )


def _names_of_finding(record: Mapping[str, Any], asked: Asked) -> Iterable[ActorName]:
    """Whom it names: its user and actor, those of its evidences, and resources that are names."""
    parts = [record, *_rows(record.get("evidences"))]
    found: list[ActorName] = []
    for part in parts:
        actor = _row(part.get("actor"))
        if not actor and _row(part.get("user")):
            actor = {"user": part["user"]}
        if actor:
            # Read as the call of an API by this actor, which the format knows how to name.
            call = {
                **{name: record[name] for name in ("metadata", "cloud", "time") if name in record},
                "class_uid": 6003,
                "category_uid": 6,
                "activity_id": 1,
                "type_uid": 600301,
                "api": {"operation": "alert"},
                "actor": actor,
            }
            found += _read_as("ocsf", call, asked)
    for thing in (*_rows(record.get("resources")), _row(record.get("resource"))):
        name = small.name_of(thing.get("uid"))
        found += [name] if name is not None else []
    return dict.fromkeys(found)


# --- Sigma, and the small shape ------------------------------------------------------------------


def _small(number: int, record: dict[str, Any], asked: Asked) -> Alerted:
    rule, sigma = small.rule_of(record), small.is_sigma(record)
    event = _row(record.get("event"))
    title = _text(rule.get("title")) if sigma else _text(record.get("title"))
    if not title:
        raise Unclear(f"{'rule.title' if sigma else 'title'} is missing: say what was seen")
    said = rule.get("level") if sigma else record.get("severity", "unknown")
    severity = small.LEVELS.get(said.lower(), "") if type(said) is str else ""
    if not severity:
        words = ", ".join(small.SEVERITIES)
        raise Unclear(f"{'rule.level' if sigma else 'severity'} is none of {words}")
    if "names" in record:
        _check_names(record["names"])
    times = [record.get("time"), record.get("timestamp"), event.get("eventTime")]
    at = _moment(next((one for one in times if one is not None), None), "time")
    named = _text(rule.get("id")) or _text(rule.get("title"))
    uid = _text(record.get("id") if sigma else record.get("alert_id"))
    if not uid:
        its = _text(event.get("eventID")) or _text(event.get("id"))
        if not (sigma and named and its):
            raise Unclear(
                f"{'id' if sigma else 'alert_id'} is missing: without it, it would be new each time"
                " it comes"
            )
        uid = f"{named} {its}"
    names = small.names_of(record)
    if event:
        names += _of_event(event, asked)
    return Alerted(
        number,
        uid[:LONGEST_UID],
        "sigma" if sigma else "plain",
        named[:LONGEST_UID],
        _plain(title)[:LONGEST_TITLE],
        severity,
        at,
        tuple(dict.fromkeys(names)),
    )


def _check_names(said: Any) -> None:
    if type(said) is not list or len(said) > small.MOST_NAMES:
        raise Unclear(f"names is no list of at most {small.MOST_NAMES}")
    for number, one in enumerate(said):
        if small.name_of(one) is None:
            raise Unclear(
                f"names[{number}] is neither an access key or ARN of AWS, nor an object of realm,"
                " kind and value"
            )


def _of_event(event: dict[str, Any], asked: Asked) -> list[ActorName]:
    """Whom the record names that a rule matched, where a format knows it."""
    known = recognise(orjson.dumps(event))
    return [] if known is None or known == small.NAME else _read_as(known, event, asked)


# --- signals -------------------------------------------------------------------------------------


def _signals(body: bytes, asked: Asked) -> Read:
    found: list[Alerted] = []
    others = 0
    parsed = FORMATS[sets.NAME].parse(body, asked)
    for number, record in enumerate(parsed.records):
        severity, what = SIGNALS.get(record.action, ""), record.resource or ""
        if (
            not severity
            or (record.action == "caep:credential-change" and not _is_end(what))
            or (record.action == "caep:risk-level-change" and not what.startswith("HIGH"))
            or record.vendor_id is None
        ):
            others += 1
            continue
        named = [one for one in (record.principal, record.credential) if one is not None]
        title = f"{record.action} {what}".strip()
        found.append(
            Alerted(
                number,
                record.vendor_id[:LONGEST_UID],
                "signal",
                record.action,
                _plain(title)[:LONGEST_TITLE],
                severity,
                EPOCH + timedelta(microseconds=record.at or 0),
                tuple(named),
            )
        )
    return Read(found[:MOST], [], others)


def _is_end(what: str) -> bool:
    return what.startswith(("revoke", "delete"))


# --- members -------------------------------------------------------------------------------------


def _read_as(format_: str, record: Mapping[str, Any], asked: Asked) -> list[ActorName]:
    parsed = FORMATS[format_].parse(orjson.dumps(record), asked)
    return [
        name
        for one in parsed.records[:1]
        for name in (one.principal, one.credential, one.agent)
        if name is not None
    ]


def _row(value: Any) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _rows(value: Any) -> list[dict[str, Any]]:
    return [_row(one) for one in value[:MOST_PARTS]] if type(value) is list else []


def _text(value: Any) -> str:
    if type(value) is str:
        return _plain(value)
    return str(value) if type(value) is int else ""


def _plain(text: str) -> str:
    """What an attacker may have written, on one line and without what turns or hides text."""
    kept = "".join(one if one.isprintable() else " " for one in text[:4_000])
    return " ".join(kept.split())


def _moment(value: Any, name: str) -> datetime:
    at = moment(value)
    if at is None:
        raise Unclear(f"{name} is no time (RFC 3339, or seconds or milliseconds since 1970)")
    return EPOCH + timedelta(microseconds=at)
