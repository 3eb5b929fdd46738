"""The rows behind a number: the list of events, and what it can be narrowed by.

Evidence gives keys within the reader's scope; identities, findings and verdicts come from here.
Owns the filters' words. One event alone is event.py's.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Q

from evidence import custody_pages, looked
from evidence.models import Gap, Source
from evidence.parameters import Known, understood, whole
from evidence.permissions import Reader
from evidence.queries import events, looking
from identities import visible
from identities.findings.rules import family as family_of
from identities.models import Finding, Identity, User
from reviews.pages import judged, lists, rows

VERDICTS = {"unknown": 0, "inside": 1, "outside": 2}
# Keys that are looked at to fill one page when a filter cannot be asked of an index.
MOST_WALKED = 5_000
# Sources that can be chosen by name in a filter.
MOST_SOURCES = 1_000

WORDS = {
    "identity": "Identity",
    "finding": "Finding",
    "actor": "Actor",
    "action": "Action",
    "family": "Resources",
    "verdict": "Authority",
    "link": "Link",
    "source": "Source",
    "deposit": "Deposit",
    "trace": "Trace",
    "request": "Request id",
    "from": "From",
    "to": "Until",
}
OF_IDENTITY = """
SELECT t.at, t.event_id, r.value FROM identities_attribution t
JOIN evidence_event e ON e.at = t.at AND e.id = t.event_id
JOIN evidence_term a ON a.id = e.action_id
LEFT JOIN evidence_term r ON r.id = e.resource_id
WHERE t.identity_no = %(identity)s
  AND t.at <= coalesce(%(before_at)s, 'infinity'::timestamptz)
  AND (%(before_at)s::timestamptz IS NULL OR (t.at, t.event_id) < (%(before_at)s, %(before_id)s))
  AND t.at >= coalesce(%(begins)s, '-infinity'::timestamptz)
  AND t.at < coalesce(%(ends)s, 'infinity'::timestamptz)
  AND (%(verdict)s::int IS NULL OR t.verdict = %(verdict)s)
  AND (%(action)s = '' OR a.value = %(action)s)
  AND (%(source)s::int IS NULL OR e.source_id = %(source)s)
"""
NEWEST = "ORDER BY t.at DESC, t.event_id DESC LIMIT %(limit)s"
# What leads to few events by an index of its own, the surest first.
SUREST = ("trace", "request", "actor", "q")
LINK_WORDS = {
    "exact": "exact",
    "key": "key",
    "inferred": "inferred",
    "claimed": "claimed",
    "none": "none shown",
}


class _Page(NamedTuple):
    """One page of event rows and where the next begins."""

    rows: list[dict[str, Any]]
    before: events.Key | None
    missing: str = ""
    looked_to: datetime | None = None


def listing(asked: Mapping[str, str], user: User, by: Reader, *, now: datetime) -> dict[str, Any]:
    """The rows behind any number, by what its address says."""
    asked, left_out = understood(asked, known(asked))
    found = _found(asked, user, by, now=now)
    said = {key: asked[key] for key in (*WORDS, "q") if asked.get(key)}
    before = found.before
    names = looked.names("event", [row["ref"] for row in found.rows])
    for row in found.rows:
        row["looked_by"] = ", ".join(names.get(row["ref"], []))
        if by.scope is not None:
            # A body holds everybody's records: only who sees all may open it.
            row["deposit_url"] = ""
    return {
        "section": "events",
        "left_out": left_out,
        "left_out_below": True,  # beside the rows, which a filter of the page asks for alone
        "heading": "Events",
        "lead": "Each row is one thing that a source said, with the bytes it came in.",
        "filters": [
            {
                "name": key,
                "words": WORDS[key],
                "value": said[key],
                "clear_url": _url({other: said[other] for other in said if other != key}),
            }
            for key in WORDS
            if key in said
        ],
        "q": asked.get("q", ""),
        "controls": None if asked.get("finding") else _controls(said),
        "rows": found.rows,
        "page": {
            "prev_url": _url(said) if asked.get("before") else "",
            "prev_words": "Newest",
            "next_url": _url({**said, "before": events.ref_of(before)}) if before else "",
            "next_words": "Look further back" if found.looked_to else "Older",
        },
        "looked_to": found.looked_to,
        "looked_from": events.key_in(asked.get("before", "")),
        "missing": found.missing
        or "; ".join(filter(None, [_missing(asked, found.rows, now=now), _gone(asked, found)])),
        "export_url": "",
        "freeze": {"asked": [{"name": key, "value": value} for key, value in said.items()]}
        if found.rows
        else None,
    }


def known(asked: Mapping[str, str]) -> Known:
    """What the list is narrowed by, beside what else is asked: a finding has its events, an
    identity's are attributed, and of what leads to a few events the surest is followed alone."""
    every: Known = {"before": lambda ref: events.key_in(ref) is not None}
    if asked.get("finding"):
        return {"finding": (), **every}
    moment = lambda text: events.parse_moment(text) is not None  # noqa: E731 - twice below
    every = {
        "source": (), "action": (), "link": tuple(LINK_WORDS), "from": moment, "to": moment, **every
    }  # fmt: skip
    if asked.get("identity"):
        return {"identity": (), "family": (), "verdict": tuple(VERDICTS), **every}
    surest = next((name for name in SUREST if asked.get(name)), "q")
    return {surest: (), "deposit": (), **every}


def _controls(said: Mapping[str, str]) -> dict[str, Any]:
    """The filters that can be set here; whatever else is asked for goes along unseen."""
    names = list(Source.objects.order_by("name").values_list("name", flat=True)[:MOST_SOURCES])
    chosen = said.get("source", "")
    if chosen and chosen not in names:
        names = [*names, chosen]
    times = {key: events.parse_moment(said.get(key, "")) for key in ("from", "to")}
    return {
        "choices": [
            lists.choice("source", "Source", {name: name for name in names}, chosen),
            lists.choice("link", "Link", LINK_WORDS, said.get("link", "")),
        ],
        "times": [
            {
                "name": key,
                "words": WORDS[key],
                "value": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}" if at else "",
            }
            for key, at in times.items()
        ],
        "hidden": [
            {"name": key, "value": value}
            for key, value in said.items()
            if key not in ("q", "source", "link", "from", "to")
        ],
    }


def _url(said: Mapping[str, str]) -> str:
    return f"/events/?{urlencode(said)}" if said else "/events/"


class Chosen(NamedTuple):
    """The newest events that an address chooses, where the next begin, and how they are shown."""

    keys: list[events.Key]
    before: events.Key | None = None
    missing: str = ""
    looked_to: datetime | None = None
    number: int | None = None  # of the identity whose verdicts stand on them
    of_all: bool = False  # nobody was asked for by name


def chosen(
    asked: Mapping[str, str],
    user: User,
    by: Reader,
    *,
    now: datetime,
    before: events.Key | None,
    limit: int = events.PAGE,
) -> Chosen:
    """Keys alone, of what this user may see."""
    number = _numbered(asked.get("finding", ""), "F-")
    if asked.get("finding"):
        finding = (
            visible.findings(user, now=now).filter(number=number).first()
            if number is not None
            else None
        )
        return _of_finding(finding, before, limit)
    number = _numbered(asked.get("identity", ""), "NHI-")
    if asked.get("identity"):
        identity = (
            visible.identities(user, now=now).filter(number=number).first()
            if number is not None
            else None
        )
        return Chosen([]) if identity is None else _of_identity(identity, asked, before, limit)
    wanted = _filter(asked)
    if wanted is None:
        return Chosen([])
    found = events.page(wanted, scope=by.scope, before=before, limit=limit)
    said = events.SLOW if found.slow else ""
    return Chosen(found.keys, found.before, said, found.looked_to, of_all=True)


def _found(asked: Mapping[str, str], user: User, by: Reader, *, now: datetime) -> _Page:
    before = events.key_in(asked.get("before", ""))
    found = chosen(asked, user, by, now=now, before=before)
    shown = judged_rows(found.keys) if found.of_all else rows.of_keys(found.keys, found.number)
    return _Page(shown, found.before, found.missing, found.looked_to)


def judged_rows(keys: list[events.Key]) -> list[dict[str, Any]]:
    """Rows with the gravest verdict on each, whoever's it is: nobody was asked for by name."""
    said = judged.verdicts(keys)
    found = rows.of_keys(keys)
    for row in found:
        verdict = said.get(events.key_in(row["ref"]) or keys[0], "")
        # Spans are nobody's use of authority; what is not known about them is not said.
        if not row["verdict"] and (verdict != "unknown" or row["plane"] != "ai"):
            row["verdict"] = verdict
    return found


def _filter(asked: Mapping[str, str]) -> events.Filter | None:
    """What evidence is asked; None when a part of it can be nothing."""
    numbers: dict[str, int | None] = {}
    for name in ("deposit", "actor"):
        text = asked.get(name, "")
        numbers[name] = whole(text)
        if text and numbers[name] is None:
            return None
    trace = None
    if asked.get("trace"):
        try:
            trace = UUID(asked["trace"])
        except ValueError:
            return None
    return events.Filter(
        q=asked.get("q", "").strip(),
        source=asked.get("source", ""),
        deposit=numbers["deposit"],
        actor=numbers["actor"],
        action=asked.get("action", ""),
        trace=trace,
        request=asked.get("request", ""),
        begins=events.parse_moment(asked.get("from", "")),
        ends=events.parse_moment(asked.get("to", "")),
        link=asked.get("link", ""),
    )


def _numbered(key: str, prefix: str) -> int | None:
    text = key.removeprefix(prefix)
    return whole(text, longest=15)


def _of_finding(finding: Finding | None, before: events.Key | None, limit: int) -> Chosen:
    if finding is None:
        return Chosen([])
    keys = finding.events.order_by("-at", "-event_id")
    if before is not None:
        keys = keys.filter(Q(at__lt=before[0]) | Q(at=before[0], event_id__lt=before[1]))
    page = list(keys.values_list("at", "event_id")[: limit + 1])
    shown = page[:limit]
    number = finding.identity.number if finding.identity is not None else None
    return Chosen(shown, shown[-1] if len(page) > limit else None, number=number)


def _of_identity(
    identity: Identity, asked: Mapping[str, str], before: events.Key | None, limit: int
) -> Chosen:
    """By attribution, never by actors: a shared credential stays honest event by event."""
    name, wanted, link = (asked.get(key, "") for key in ("source", "family", "link"))
    source = Source.objects.filter(name=name).values_list("pk", flat=True).first() if name else None
    if (name and source is None) or (link and link not in events.LINKS):
        return Chosen([])
    sql = f"{OF_IDENTITY} {f'AND {events.LINKS[link]}' if link else ''} {NEWEST}"
    facts: dict[str, Any] = {
        "identity": identity.number,
        "begins": events.parse_moment(asked.get("from", "")),
        "ends": events.parse_moment(asked.get("to", "")),
        "verdict": VERDICTS.get(asked.get("verdict", "")),
        "action": asked.get("action", ""),
        "source": source,
        "limit": MOST_WALKED if wanted else limit + 1,
        "before_at": before[0] if before else None,
        "before_id": before[1] if before else None,
    }
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{looking.MOST_SECONDS}s'")
            cursor.execute(sql, facts)
            found = cursor.fetchall()
            cursor.execute("SET LOCAL statement_timeout = 0")
    except OperationalError:
        return Chosen([], missing=events.SLOW)
    fits = [
        (at, number)
        for at, number, resource in found
        if not wanted or family_of(resource or "") == wanted
    ]
    keys = fits[:limit]
    more = len(fits) > limit or (bool(wanted) and len(found) == MOST_WALKED)
    last = keys[-1] if len(fits) > limit else (found[-1][:2] if found and more else None)
    return Chosen(keys, last, number=identity.number)


def _missing(asked: Mapping[str, str], shown: list[dict[str, Any]], *, now: datetime) -> str:
    """What could not be seen in the time of these rows: gaps of sources, said once each."""
    if not shown:
        return ""
    first, last = shown[-1]["at"], shown[0]["at"] + timedelta(microseconds=1)
    if asked.get("before") is None and not asked.get("to"):
        last = max(last, now)
    gaps = Gap.objects.filter(during__overlap=(first, last)).select_related("source")
    if asked.get("source"):
        gaps = gaps.filter(source__name=asked["source"])
    return "; ".join(
        f"{one.source.name} silent {one.during.lower:%d %b %H:%M}–{one.during.upper:%d %b %H:%M} UTC"
        for one in gaps.order_by("during")[:5]
    )


def _gone(asked: Mapping[str, str], found: _Page) -> str:
    """Where the list ends: what was dropped by retention, instead of nothing."""
    if found.before is not None:
        return ""
    return custody_pages.gone_note(asked.get("source", ""))
