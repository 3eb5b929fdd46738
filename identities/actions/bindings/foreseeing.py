"""What links change, before anybody makes them or takes them back.

Owns the facts that are shown and their digest. They are made and judged in a savepoint that is
rolled back, so that they say what judging will say, and for two seconds: what was not reached, or
waits to be judged, is said, and counts as unknown. What later evidence brings nobody knows yet.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Q

from evidence.vocabulary import EXACT, PLANE_AI, PLANE_IDENTITY, STRENGTHS, mixed_strengths
from evidence.words import counted
from identities import visible
from identities.acting import By, acting
from identities.judging import trying
from identities.judging.found import LIVE
from identities.models import DelegationVersion, Entitlement, Finding, Identity, User

from . import links as carrying
from . import shared
from .facts import Changes, Fact
from .links import Link

MOST_SECONDS = 2
MOST_FINDINGS, MOST_NAMED, MOST_CALLS, MOST_LINKS = 2_000, 20, 1_000, 200
MOST_IDENTITIES = 5
LATELY = timedelta(days=7)
CHANGED = "What it changes has changed since you looked"
SLOW = (
    f"Looking took longer than {MOST_SECONDS} seconds: what it changes is not known in full. It"
    " needs a reason."
)

WAITING = (
    "Evidence in which it appears waits to be judged: what it changes is not known in full. Look"
    " again once it is judged; until then it needs a reason."
)

CALLS = """
SELECT count(*), count(*) FILTER (WHERE c.at > %(lately)s) FROM (
    (SELECT at, id FROM evidence_event WHERE principal_id = ANY(%(actors)s) AND plane = %(api)s
     ORDER BY at DESC LIMIT %(most)s)
    UNION
    (SELECT at, id FROM evidence_event WHERE credential_id = ANY(%(actors)s) AND plane = %(api)s
     ORDER BY at DESC LIMIT %(most)s)) c
"""
# The links of their newest calls, and of their agents' newest spans.
EXACT_LINKS = """
WITH k AS MATERIALIZED (
    SELECT l.effect_at, l.effect_id, l.cause_at, l.cause_id FROM (
        (SELECT at, id FROM evidence_event WHERE principal_id = ANY(%(actors)s) AND plane = %(api)s
         ORDER BY at DESC LIMIT %(most)s)
        UNION
        (SELECT at, id FROM evidence_event WHERE credential_id = ANY(%(actors)s)
         AND plane = %(api)s ORDER BY at DESC LIMIT %(most)s)) e
    JOIN evidence_link l ON l.effect_at = e.at AND l.effect_id = e.id
    UNION
    SELECT l.effect_at, l.effect_id, l.cause_at, l.cause_id FROM (
        (SELECT s.at, s.id FROM evidence_run r
         JOIN evidence_event s ON s.trace = r.trace AND s.source_id = r.source_id
         WHERE r.agent_id = ANY(%(actors)s) AND s.plane = %(ai)s
         ORDER BY r.first_at DESC LIMIT %(most)s)
        UNION
        (SELECT at, id FROM evidence_agentabove WHERE agent_id = ANY(%(actors)s)
         ORDER BY at DESC LIMIT %(most)s)
        UNION
        (SELECT at, id FROM evidence_event WHERE principal_id = ANY(%(actors)s) AND plane = %(ai)s
         ORDER BY at DESC LIMIT %(most)s)) s
    JOIN evidence_link l ON l.cause_at = s.at AND l.cause_id = s.id)
SELECT count(DISTINCT (v.effect_at, v.effect_id))
FROM (SELECT DISTINCT effect_at, effect_id FROM k) e
JOIN evidence_shownlink v ON v.effect_at = e.effect_at AND v.effect_id = e.effect_id
    AND v.strength = %(exact)s
WHERE (v.effect_at, v.effect_id, v.cause_at, v.cause_id) IN (SELECT * FROM k)
"""


class State(NamedTuple):
    """What is found, whether that is all of it, and how many calls have an exact link."""

    findings: dict[UUID, Finding]
    whole: bool
    exact: int


def look(links: Sequence[Link], *, by: By, now: datetime, shown_to: User | None = None) -> Changes:
    """The dry run of these links. Raises NotAllowed or NotPossible where a single one cannot be.
    `shown_to`: who reads it, where it is somebody else than who does it."""
    ends = monotonic() + MOST_SECONDS
    quarter = MOST_SECONDS / 4
    others = _others(links, by, now)
    own = {one.pk for one in others} <= {one.identity.pk for one in links}
    reader = shown_to or acting(by).user
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            _within(cursor, ends)
            trying.lock()
            those = trying.concerned({one.actor.pk for one in links})
            ids = those.identities() | {one.identity.pk for one in links}
            # Rolled back, so that what is so without them is looked at in the same way.
            with transaction.atomic():
                carried = carrying.carry(links, by=by, now=now, reason="tried out", signed=True)
                if len(links) == 1 and isinstance(carried[0], Exception):
                    raise carried[0]
                looked = trying.look_at_credentials(
                    those.credentials, now=now, enough=_until(cursor, ends - 3 * quarter, ends)
                )
                left = len(those.credentials) - len(looked) + trying.judge_deposits(
                    those, now=now, enough=_until(cursor, ends - quarter, ends)
                )  # fmt: skip
                after = _state(those, ids)
                transaction.set_rollback(True)
            with transaction.atomic():
                trying.look_at_credentials(looked, now=now, enough=_until(cursor, None, ends))
                before = _state(those, ids)
                transaction.set_rollback(True)
            _within(cursor, ends)
            left += not (before.whole and after.whole)
            facts = [
                *_refused(links, carried),
                *_findings(before, after, reader, now),
                *_authority(links, now),
                *_exact(before, after),
            ]
            cursor.execute("SET LOCAL statement_timeout = 0")
            waiting = those.waiting
    except OperationalError:
        facts, left, waiting = [], 1, 0
    facts = [*facts, *_signatures(links, others), *_undo(links)]
    if left or waiting:
        return Changes(facts, "", SLOW if left else WAITING, others, own)
    # Whatever is said of them: other links are something else than was shown.
    about = [[one.identity.pk, one.actor.pk, one.ends, one.shared] for one in links]
    same = [json.dumps(one, default=str) for one in [*about, *(one.same for one in facts)]]
    said = json.dumps(sorted(same))
    return Changes(facts, hashlib.sha256(said.encode()).hexdigest()[:32], "", others, own)


def _within(cursor: Any, ends: float) -> None:
    """What comes takes no longer than what is left until then, and is given a moment at least."""
    left = max(0.1, ends - monotonic())
    cursor.execute(f"SET LOCAL statement_timeout = {int(left * 1000)}")


def _until(cursor: Any, until: float | None, ends: float) -> Callable[[], bool]:
    """Whether it is that late; what comes next is given the time that is left."""

    def enough() -> bool:
        _within(cursor, ends)
        return until is not None and monotonic() > until

    return enough


def _others(links: Sequence[Link], by: By, now: datetime) -> tuple[Identity, ...]:
    pairs = [(one.identity.pk, one.actor.pk) for one in links if not one.ends]
    found = shared.to_sign(pairs, by=by, now=now)
    rows = {row.pk: row for those in found.values() for row in those}
    return tuple(sorted(rows.values(), key=lambda row: row.name))


def _state(those: trying.Concerned, ids: set[UUID]) -> State:
    rows = Finding.objects.filter(
        Q(identity__in=ids) | Q(actor_id__in=[*those.near, *those.actors]), state__in=LIVE
    )
    rows = rows.select_related("identity").order_by("pk")
    found = {row.pk: row for row in rows[: MOST_FINDINGS + 1]}
    with connection.cursor() as cursor:
        cursor.execute(
            EXACT_LINKS,
            {
                "actors": those.actors,
                "api": PLANE_IDENTITY,
                "ai": PLANE_AI,
                "exact": EXACT,
                "most": MOST_LINKS,
            },
        )
        row = cursor.fetchone()
    return State(found, len(found) <= MOST_FINDINGS, row[0] if row else 0)


def _refused(links: Sequence[Link], carried: Sequence[object]) -> list[Fact]:
    """Of several, those that cannot be."""
    return [
        Fact("refused", one.actor.pk, "waits", f"{one.actor.value[:120]}: {why}", "", str(why))
        for one, why in zip(links, carried, strict=True)
        if isinstance(why, Exception)
    ][:MOST_NAMED]


def _findings(before: State, after: State, user: User | None, now: datetime) -> list[Fact]:
    """Findings that would be withdrawn, stand under another identity, change or open."""
    was, then = before.findings, after.findings
    opened: dict[tuple[str, str, int | None], list[Finding]] = {}
    for pk, row in then.items():
        if pk not in was:
            opened.setdefault((row.rule, row.family, row.actor_id), []).append(row)
    facts: list[tuple[Finding, Fact]] = []
    for pk, row in was.items():
        same = opened.get((row.rule, row.family, row.actor_id))
        if pk not in then:
            facts.append((row, _gone(row, same.pop() if same else None)))
        elif (found := _changed(row, then[pk])) is not None:
            facts.append((row, found))
    facts += [(row, _opens(row)) for those in opened.values() for row in those]
    seen = _seen([row for row, _ in facts], user, now)
    told = [fact for row, fact in facts if row.identity_id in seen]
    hidden = [fact for row, fact in facts if row.identity_id not in seen]
    told.sort(key=lambda one: (not one.weakens, one.about, one.words))
    if len(told) > MOST_NAMED:
        told = [*told[:MOST_NAMED], _more("more_findings", told[MOST_NAMED:], "more")]
    if hidden:
        told.append(_more("hidden_findings", hidden, "of identities that you may not see"))
    return told


def _seen(rows: list[Finding], user: User | None, now: datetime) -> set[UUID | None]:
    """The identities whose findings this user may see; None stands for nobody's."""
    ids = {row.identity_id for row in rows}
    if user is None or visible.sees_all(user):
        return ids
    mine = visible.identities(user, now=now).filter(pk__in=[pk for pk in ids if pk is not None])
    return set(mine.values_list("pk", flat=True))


def _more(about: str, facts: list[Fact], words: str) -> Fact:
    weaker = sum(one.weakens for one in facts)
    also = f", {weaker:,} of them withdrawn or weakened" if weaker else ""
    said = f"{counted(len(facts), 'finding')} {words} would change{also}."
    kind = "outside" if weaker else "info"
    return Fact(about, len(facts), kind, said, "", [one.same for one in facts], weaker > 0)


def _gone(row: Finding, under: Finding | None) -> Fact:
    url, was = f"/findings/{row.key}/", f"{row.key} ({row.state}): {row.words}"
    if under is None:
        said = f"It withdraws {was[:300]}."
        return Fact("withdraws", row.key, "outside", said, url, ["withdraws", row.key], True)
    less = _is_less(under, row)
    said = f"{row.key} would stand under {_whose(under)}: {under.words[:300]}."
    same = ["moves", row.key, str(under.identity_id), less]
    return Fact("moves", row.key, "outside" if less else "info", said, url, same, less)


def _changed(row: Finding, then: Finding) -> Fact | None:
    if _at_least(row) == _at_least(then):
        return None
    less = _is_less(then, row)
    how = "weakens" if less else "adds to"
    said = (
        f"It {how} {row.key}: {counted(row.count, 'event')}, {_strengths(row)}, become"
        f" {counted(then.count, 'event')}, {_strengths(then)}."
    )
    same = [how, row.key, *_at_least(then)]
    return Fact(
        how.split(maxsplit=1)[0], row.key, "outside" if less else "info", said, f"/findings/{row.key}/", same, less
    )  # fmt: skip


def _at_least(row: Finding) -> list[int]:
    """How many of its events are at least as sure as each strength, the surest first."""
    many = row.strengths or {STRENGTHS[row.strength]: row.count}
    return list(accumulate(many.get(STRENGTHS[one], 0) for one in sorted(STRENGTHS, reverse=True)))


def _is_less(then: Finding, row: Finding) -> bool:
    return any(now < before for now, before in zip(_at_least(then), _at_least(row), strict=True))


def _strengths(row: Finding) -> str:
    return mixed_strengths(row.strengths) or STRENGTHS[row.strength]


def _opens(row: Finding) -> Fact:
    said = f"A finding opens: {_whose(row)} {row.words[:300]}."
    same = ["opens", row.rule, row.family, str(row.identity_id), row.strength]
    value = {"rule": row.rule, "identity": row.identity.key if row.identity else None}
    return Fact("opens", value, "outside", said, "", same)


def _whose(row: Finding) -> str:
    return row.identity.name if row.identity is not None else "nobody known"


def _authority(links: Sequence[Link], now: datetime) -> list[Fact]:
    """What the identities were delegated, and how many calls are judged by it from then on."""
    of: dict[int, list[Link]] = {}
    for link in sorted(links, key=lambda one: one.identity.number):
        of.setdefault(link.identity.number, []).append(link)
    found = []
    for theirs in list(of.values())[:MOST_IDENTITIES]:
        identity, ends = theirs[0].identity, all(one.ends for one in theirs)
        many, lately = _calls({one.actor.pk for one in theirs}, now)
        several = "at least " if many > MOST_CALLS else ""
        held = DelegationVersion.objects.filter(
            delegation__grantee=identity,
            superseded_at__isnull=True,
            state="in_force",
            during__contains=now,
        ).select_related("delegation")
        keys = [row.delegation.key for row in held.order_by("delegation__number")[:MOST_NAMED]]
        systems = sorted(
            set(
                Entitlement.objects.filter(
                    identity=identity, superseded_at__isnull=True, during__contains=now
                ).values_list("system", flat=True)
            )
        )
        what = ", ".join(keys[:5]) if keys else "no delegation"
        also = f" and what {', '.join(systems)} allows it" if systems else ""
        verb = "no longer apply" if ends else "apply"
        calls = f"{several}{counted(min(many, MOST_CALLS), 'call')}"
        words = (
            f"Of {identity.name}, {what}{also} {verb} to {calls} seen so far ({lately:,} in the last"
            " 7 days) and to every one that comes."
        )
        value = {
            "identity": identity.key,
            "delegations": keys,
            "systems": systems,
            "calls": min(many, MOST_CALLS),
            "more": many > MOST_CALLS,
            "calls_of_7_days": lately,
        }
        url = f"/identities/{identity.key}/#authority"
        found.append(Fact("authority", value, "info", words, url, [identity.key, keys, systems]))
    if (more := len(of) - MOST_IDENTITIES) > 0:
        words = f"What {counted(more, 'more identity')} may do is not said here."
        found.append(Fact("more_authority", more, "info", words, "", ["more", more]))
    return found


def _calls(actors: set[int], now: datetime) -> tuple[int, int]:
    """The calls of these and of what is below them, and those of the last days."""
    facts: dict[str, Any] = {
        "actors": trying.under(actors),
        "api": PLANE_IDENTITY,
        "lately": now - LATELY,
        "most": MOST_CALLS + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(CALLS, facts)
        many, lately = cursor.fetchone() or (0, 0)
    return many, lately


def _exact(before: State, after: State) -> list[Fact]:
    more = after.exact - before.exact
    if not more:
        return []
    many = counted(abs(more), "call")
    newest = f"of the newest {MOST_LINKS}"
    if more > 0:
        words = f"{many} {newest} get an exact link to a run: until then it is claimed."
    else:
        words = f"{many} {newest} lose their exact link to a run: it becomes a claim."
    return [Fact("exact_links", more, "info", words, "", ["exact", more > 0])]


def _signatures(links: Sequence[Link], others: Sequence[Identity]) -> list[Fact]:
    found = []
    own = {one.identity.pk for one in links}
    for one in others[:MOST_NAMED]:
        who = f"{one.name} uses it as well: whoever answers for {one.name} signs too."
        if one.pk in own:
            who = f"A second person signs: who answers for {one.name}, or a reviewer."
        words = f"{who} Until then it is proposed, and nothing changes."
        found.append(Fact("signs_too", one.key, "waits", words, "", ["signs", one.key]))
    return found


def _undo(links: Sequence[Link]) -> list[Fact]:
    if not links:
        return []
    if all(one.ends for one in links):
        words = "It can be linked again; what was found then is found again."
        return [Fact("undo", "link", "undo", words)]
    words = "It can be taken back on the page of the identity: then all this is as it was."
    return [Fact("undo", "take back", "undo", words)]
