"""What a start could reach and has not been seen to touch, and whether that can be said at all.

Owns the difference between "not touched" and "no evidence". That something was not touched is
said only where every source that tells of the identity is complete up to the moment; else the row
says why nobody knows (product.md, rule 5). It is never called unused.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import NamedTuple

from django.db import connection

from evidence.models import Gap, Source
from identities import stood
from identities.authority.names import names
from identities.enforcers.patterns import covers, overlaps
from identities.judging.absence import complete_until
from identities.models import DelegationVersion, Entitlement, Identity

from .rows import EXACT, NO_EVIDENCE, REACHABLE, Row

MOST = 500
# One look at the index for each source of each identity.
SOURCES_OF = """
SELECT DISTINCT f.source_id FROM unnest(%s::bigint[]) AS who(number)
CROSS JOIN LATERAL (
    WITH RECURSIVE one AS (
        (SELECT source_id FROM identities_attribution WHERE identity_no = who.number
         ORDER BY source_id LIMIT 1)
        UNION ALL SELECT (SELECT a.source_id FROM identities_attribution a
         WHERE a.identity_no = who.number AND a.source_id > one.source_id
         ORDER BY a.source_id LIMIT 1) FROM one WHERE one.source_id IS NOT NULL)
    SELECT source_id FROM one WHERE source_id IS NOT NULL) f
"""


type Done = Mapping[str, set[str]]


class Evidence(NamedTuple):
    """Whether what was not seen was not done; `why` not, as part of a sentence."""

    complete: bool
    why: str


def evidence(numbers: Iterable[int], *, since: datetime | None, at: datetime) -> Evidence:
    """Of the identity logs that tell of these identities, between their first sight and `at`."""
    with connection.cursor() as cursor:
        cursor.execute(SOURCES_OF, [list(numbers)])
        there = {number for (number,) in cursor.fetchall()}
    sources = set(
        Source.objects.filter(pk__in=there, plane="identity").values_list("pk", flat=True)
    )
    if not sources:
        return Evidence(False, "no identity log tells of it")
    known = complete_until(sources)
    if known.until is None:
        return Evidence(False, known.why_not)
    if known.until < at:
        return Evidence(False, f"complete only up to {known.until:%d %b %H:%M} UTC")
    gap = (
        Gap.objects.filter(source__in=sources, during__overlap=(since, at))
        .select_related("source")
        .order_by("-during")
        .first()
    )
    if gap is not None:
        during = gap.during
        begins = f"{during.lower:%d %b %H:%M}" if during.lower else "the beginning"
        return Evidence(
            False, f"{gap.source.name} was silent from {begins} to {during.upper:%d %b %H:%M} UTC"
        )
    return Evidence(True, "")


def of(identities: Sequence[Identity], touched: Sequence[Row], *, at: datetime) -> list[Row]:
    """What was delegated to these, and what their targets allow, beside what they touched."""
    if not identities:
        return []
    done = _done(touched)
    firsts = [row.first_at for row in touched if row.first_at is not None]
    said = evidence([one.number for one in identities], since=min(firsts, default=None), at=at)
    pks = [one.pk for one in identities]
    granted = (
        stood.delegations(pks, at=at, known_at=None)
        .select_related("delegation__grantee")
        .order_by("delegation__number", "version")[:MOST]
    )
    read = list(
        Entitlement.objects.filter(
            identity__in=pks, superseded_at__isnull=True, during__contains=at
        )
        .select_related("identity")
        .order_by("identity__number", "system", "principal")[:MOST]
    )
    rows = list(
        islice(
            chain(
                (row for one in granted for row in _delegated(one, done, said)),
                (row for one in read for row in _possible(one, done, said)),
            ),
            MOST,
        )
    )
    unread = [one for one in identities if one.pk not in {row.identity_id for row in read}]
    rows += [
        Row(
            "reachable",
            "rights",
            key=f"unread {one.key}",
            name=f"whatever the target allows {one.name}",
            note="possible: not known, never read by then",
            state=NO_EVIDENCE,
            ref=one.key,
        )
        for one in unread
    ]
    return list({row.key: row for row in rows}.values())


def _delegated(one: DelegationVersion, done: Done, said: Evidence) -> Iterator[Row]:
    return (
        _row(
            "delegation",
            f"{one.delegation.key} {resource}",
            resource,
            f"{', '.join(one.actions)[:160]}, delegated by {one.delegation.key}",
            one.during.lower,
            one.delegation.grantee.key,
            said,
            met,
        )
        for resource in one.resources
        if (met := _met(one.actions, [resource], done)) != "all"
    )


def _possible(one: Entitlement, done: Done, said: Evidence) -> Iterator[Row]:
    for place, statement in enumerate(one.possible):
        if not isinstance(statement, dict) or statement.get("effect") != "allow":
            continue
        actions = [str(word) for word in statement.get("actions", ())]
        resources = [str(word) for word in statement.get("resources", ())]
        met = _met(actions, resources, done)
        if not actions or met == "all":
            continue
        where = ", ".join(resources[:3]).replace("*", "any resource", resources[:1] == ["*"])
        more = f" and {len(actions) - 3} more actions" if len(actions) > 3 else ""
        yield (
            _row(
                "rights",
                f"{one.pk} {place}",
                where[:200],
                f"{', '.join(actions[:3])[:160]}{more}, allowed by {one.system}",
                one.during.lower,
                one.identity.key,
                said,
                met,
            )
        )


def _row(
    kind: str,
    key: str,
    name: str,
    note: str,
    first: datetime | None,
    ref: str,
    said: Evidence,
    met: str,
) -> Row:
    unmet = "touched in part" if met else "not touched"
    return Row(
        "reachable",
        kind,
        key=key,
        name=name,
        note=f"{note}; {unmet if said.complete or met else f'no evidence: {said.why}'}",
        state=REACHABLE if said.complete or met else NO_EVIDENCE,
        first_at=first,
        strength=EXACT,
        ref=ref,
    )


def _met(actions: Sequence[str], resources: Sequence[str], done: Done) -> str:
    """Whether what was done is what these patterns name: "all", "some" of it, or "" none."""
    found, left = "", {one.lower() for one in resources}
    for action, told in done.items():
        if not any(overlaps(pattern.lower(), action) for pattern in actions):
            continue
        for pattern in list(left):
            for one in told:
                if covers(one, pattern):
                    found = "some"
                    left.discard(pattern)
                    break
                found = found or ("some" if overlaps(pattern, one) else "")
    return "all" if resources and not left else found


def _done(touched: Iterable[Row]) -> Done:
    """By action, every way in which a policy may write what it was done to."""
    found: dict[str, set[str]] = {}
    for row in touched:
        for resource in {row.name, row.ref}:
            called = names(row.action, resource)
            found.setdefault(row.action.lower(), set()).update(
                one.lower() for one in (resource, called.arn) if one
            )
    return found
