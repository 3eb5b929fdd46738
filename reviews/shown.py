"""Which evidence an item rests on: shown beside it, and frozen when somebody signs.

One function for both, so that a capsule holds what the page showed. Reads attributions and
events only through their indexes, with a bound on each part.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q

from evidence.models import Gap
from identities.models import (
    Binding,
    Credential,
    Delegation,
    DelegationVersion,
    Finding,
    FindingEvent,
    Identity,
)
from reviews.models import Item

# What is pinned and what is under a finding comes first, then the newest.
MOST_OF_EACH = 50
# States of a finding in which it stands.
LIVE = ("open", "confirmed")

type Ref = tuple[datetime, int]
type Used = tuple[str, tuple[datetime, datetime]]

OF_CREDENTIAL = """
SELECT e.at, e.id FROM evidence_event e WHERE e.credential_id = ANY(%s)
ORDER BY e.at DESC, e.id DESC LIMIT %s
"""
OF_ACTOR = """
SELECT at, id FROM (
  (SELECT at, id FROM evidence_event WHERE principal_id = %(a)s ORDER BY at DESC LIMIT %(n)s)
  UNION (SELECT at, id FROM evidence_event WHERE credential_id = %(a)s ORDER BY at DESC LIMIT %(n)s)
  UNION (SELECT at, id FROM evidence_event WHERE agent_id = %(a)s ORDER BY at DESC LIMIT %(n)s)
  UNION (SELECT at, id FROM evidence_agentabove WHERE agent_id = %(a)s
         ORDER BY at DESC LIMIT %(n)s)
) u ORDER BY at DESC, id DESC LIMIT %(n)s
"""
OF_IDENTITY = """
SELECT t.at, t.event_id FROM identities_attribution t WHERE t.identity_no = %s
ORDER BY t.at DESC, t.event_id DESC LIMIT %s
"""
# Only days on which the actions were used are looked into: the roll-up says which.
OF_ACTIONS = """
SELECT t.at, t.event_id FROM identities_attribution t
JOIN evidence_event e ON e.at = t.at AND e.id = t.event_id
WHERE t.identity_no = %s AND t.at >= %s AND t.at < %s AND e.action_id = ANY(%s)
ORDER BY t.at DESC, t.event_id DESC LIMIT %s
"""
OF_USE = """
SELECT t.at, t.event_id FROM identities_attribution t
JOIN evidence_event e ON e.at = t.at AND e.id = t.event_id
LEFT JOIN evidence_term r ON r.id = e.resource_id
WHERE t.identity_no = %s AND t.at >= %s AND e.action_id = %s AND coalesce(r.value, '') LIKE %s
ORDER BY t.at DESC, t.event_id DESC LIMIT %s
"""
USED_BY = """
SELECT n.number, u.action_id, u.value, u.first, u.last
FROM unnest(%s::int[]) AS n(number) CROSS JOIN LATERAL (
  SELECT d.action_id, t.value, min(d.first_at) AS first, max(d.last_at) AS last
  FROM identities_usageday d JOIN evidence_term t ON t.id = d.action_id
  WHERE d.identity_no = n.number GROUP BY 1, 2 ORDER BY 4 DESC LIMIT 2000
) u ORDER BY n.number, u.last DESC
"""


class Shown(NamedTuple):
    """The events beside an item, newest first, and what could not be seen."""

    refs: list[Ref]
    missing: list[str]


def of_item(item: Item, identity: Identity | None) -> Shown:
    """Pinned events, events under open findings of the item, then the newest of it."""
    pinned = list(
        item.case.pinned.filter(item__isnull=True).values_list("at", "event_id")[:MOST_OF_EACH]
    ) + list(item.pinned.values_list("at", "event_id")[:MOST_OF_EACH])
    newest = _newest(item, identity)
    found = _found(item, identity, newest)
    refs = sorted({*pinned, *found, *newest}, reverse=True)
    return Shown(refs, gaps(refs))


def _newest(item: Item, identity: Identity | None) -> list[Ref]:
    if item.kind == "credential":
        refs = [] if item.ref is None else [item.ref]
        actors = list(Credential.objects.filter(pk__in=refs).values_list("actor_id", flat=True))
        return _refs(OF_CREDENTIAL, [actors, MOST_OF_EACH])
    if item.kind == "binding" and item.ref is None and "binding" in item.proposal:
        actor = (
            Binding.objects.filter(pk=item.proposal["binding"])
            .values_list("actor_id", flat=True)
            .first()
        )
        return [] if actor is None else _refs(OF_ACTOR, {"a": actor, "n": MOST_OF_EACH})
    if identity is None:
        return []
    if item.kind in ("delegation", "grant"):
        return _of_actions(item, identity)
    if item.kind == "use" and "first_at" in item.snapshot:
        return _of_use(item, identity)
    return _refs(OF_IDENTITY, [identity.number, MOST_OF_EACH])


def _of_actions(item: Item, identity: Identity) -> list[Ref]:
    patterns = item.proposal.get("actions") if item.kind == "grant" else None
    if patterns is None:
        patterns = actions_of(item)
    used = used_actions(identity)
    wanted = {number: days for number, (name, days) in used.items() if covers(patterns, name)}
    if not wanted:
        return []
    first = min(first for first, _ in wanted.values())
    last = max(last for _, last in wanted.values())
    return _refs(
        OF_ACTIONS,
        [identity.number, first, last + timedelta(microseconds=1), list(wanted), MOST_OF_EACH],
    )


def actions_of(item: Item) -> list[str]:
    """What a delegation allows: the version in force, or what an item without one says itself."""
    if item.ref is None:
        return stated(item).actions
    rows = DelegationVersion.objects.filter(
        delegation=item.ref, superseded_at__isnull=True, state="in_force"
    )
    return rows.order_by("-version").values_list("actions", flat=True).first() or []


def stated(item: Item) -> DelegationVersion:
    """The delegation that an item describes without there being one; never saved."""
    number = int(item.title.rpartition("-")[2])
    return DelegationVersion(
        delegation=Delegation(pk=None, number=number),
        version=1,
        state="in_force",
        actions=[*item.proposal.get("actions", []), *item.snapshot.get("unseen", [])],
        resources=[*item.proposal.get("resources", [])],
        during=DateTimeTZRange(None, None),
    )


def _of_use(item: Item, identity: Identity) -> list[Ref]:
    """The newest events of the tool, or of the call on its family of resources."""
    said = item.snapshot
    head = "%" if said["tool"] else _literal(str(said["family"]).removesuffix("*"))
    if not said["tool"] and str(said["family"]).endswith("*"):
        head += "%"
    first = datetime.fromisoformat(said["first_at"])
    return _refs(OF_USE, [identity.number, first, said["action"], head, MOST_OF_EACH])


def _literal(text: str) -> str:
    """The text in LIKE's language, in which nothing of it is a wildcard."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def used_actions(identity: Identity) -> dict[int, Used]:
    """The actions the roll-up knows of an identity: term id -> (name, (first, last))."""
    return used_by([identity]).get(identity.number, {})


def used_by(identities: Sequence[Identity]) -> dict[int, dict[int, Used]]:
    """The same of many identities at once, by Identity.number; who used nothing is left out."""
    found: dict[int, dict[int, Used]] = {}
    with connection.cursor() as cursor:
        cursor.execute(USED_BY, [[one.number for one in identities]])
        for number, action, name, first, last in cursor.fetchall():
            found.setdefault(number, {})[action] = (name, (first, last))
    return found


def covers(patterns: Sequence[str], action: str) -> bool:
    """Whether an action pattern (`s3:Get*`, `*` the only wildcard) names this action."""
    return any(matches(pattern, action) for pattern in patterns)


def matches(pattern: str, text: str) -> bool:
    """Case-insensitive match with `*` as the only wildcard, in linear time for each part."""
    head, *rest = pattern.lower().split("*")
    text = text.lower()
    if not rest:
        return text == head
    if not text.startswith(head):
        return False
    place = len(head)
    *middle, tail = rest
    for part in middle:
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return len(text) - place >= len(tail) and text.endswith(tail)


def _found(item: Item, identity: Identity | None, newest: list[Ref]) -> list[Ref]:
    """The newest events under the identity's open findings that concern this item.

    For a credential only its own events; for everything else those of the identity.
    """
    if identity is None:
        return []
    rows = list(
        FindingEvent.objects.filter(finding__identity=identity, finding__state__in=LIVE)
        .order_by("-at", "-event_id")
        .values_list("at", "event_id")[: MOST_OF_EACH * 4]
    )
    if item.kind == "credential":
        rows = _of_this_credential(item, rows)
    elif item.kind in ("delegation", "grant", "binding"):
        seen = set(newest)
        rows = [row for row in rows if row in seen]
    return rows[:MOST_OF_EACH]


def findings_of(item: Item, refs: Sequence[Ref], identity: Identity | None) -> list[Finding]:
    """The open findings that an item shows: those of these events, and those it names."""
    if identity is None:
        return []
    wanted = set(refs)
    rows = FindingEvent.objects.filter(
        finding__identity=identity,
        finding__state__in=LIVE,
        event_id__in=[number for _, number in refs],
    ).values_list("at", "event_id", "finding")
    under = {row[2] for row in rows if row[:2] in wanted}
    named = [int(key.removeprefix("F-")) for key in item.snapshot.get("findings", [])]
    return list(
        Finding.objects.filter(Q(pk__in=under) | Q(number__in=named, state__in=LIVE)).order_by(
            "number"
        )
    )


def _of_this_credential(item: Item, rows: list[Ref]) -> list[Ref]:
    if not rows:
        return []
    return _refs(
        "SELECT e.at, e.id FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)"
        " JOIN evidence_event e ON e.at = k.at AND e.id = k.id"
        " JOIN identities_credential c ON c.actor_id = e.credential_id WHERE c.id = %s"
        " ORDER BY e.at DESC, e.id DESC",
        [[at for at, _ in rows], [number for _, number in rows], item.ref],
    )


def gaps(refs: Sequence[Ref]) -> list[str]:
    """Known silences of the events' sources inside their time: nothing may be said about them."""
    if not refs:
        return []
    first, last = min(refs)[0], max(refs)[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT e.source_id FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)"
            " JOIN evidence_event e ON e.at = k.at AND e.id = k.id",
            [[at for at, _ in refs], [number for _, number in refs]],
        )
        sources = [row[0] for row in cursor.fetchall()]
    return [
        f"{gap.source.title or gap.source.name} was silent"
        f" {_span(gap.during.lower, gap.during.upper)}: {gap.reason}"
        for gap in Gap.objects.filter(
            source__in=sources, during__overlap=(first, last + timedelta(microseconds=1))
        )
        .select_related("source")
        .order_by("during")[:20]
    ]


def _span(since: datetime | None, until: datetime | None) -> str:
    start = "from the beginning" if since is None else f"{since:%Y-%m-%d %H:%M}"
    end = "until now" if until is None else f"to {until:%Y-%m-%d %H:%M} UTC"
    return f"{start} {end}"


def _refs(statement: str, parameters: object) -> list[Ref]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)  # type: ignore[arg-type]  # a list or a mapping
        return [(row[0], row[1]) for row in cursor.fetchall()]
