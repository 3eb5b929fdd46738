"""What a batch of judged evidence shows for the first time: tools, and calls beside a manifest.

Owns the rows of NewUse: tools and releases of all, calls of some. Whether anybody is asked about one is decided above. A tool counts under
the release that its run states; a call only where an exact link proves the run behind it, and
only of identities with a signed manifest. Evidence that comes late, twice or in another order
makes the same rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from django.db import connection

from evidence.models import Term
from evidence.vocabulary import PLANE_AI, PLANE_IDENTITY, TOOL_CALL
from identities import authority
from identities.findings import family, needs_authority
from identities.models import Manifest
from identities.models.behaviour import ONE_OF

from .rows import Row
from .scope import Scope

# In place of an action: that the release ran.
NOTHING = 0
NOTE = """
INSERT INTO identities_newuse (identity_no, tool, action_id, family, release_id, strength,
    first_at, event_id, noted_at)
SELECT n.*, %s FROM unnest(%s::int[], %s::boolean[], %s::bigint[], %s::text[], %s::bigint[],
    %s::smallint[], %s::timestamptz[], %s::bigint[]) AS n
ON CONFLICT (identity_no, tool, action_id, family, release_id) DO UPDATE
SET first_at = excluded.first_at, event_id = excluded.event_id
WHERE excluded.first_at < identities_newuse.first_at
"""


class Declared(NamedTuple):
    """The calls that one signed manifest declares; none of them: it says nothing of calls."""

    version: str
    model: str
    calls: authority.Slice | None

    def covers(self, action: str, resource: str, at: datetime) -> bool:
        """By the judge of delegations, which knows the names of one thing."""
        if self.calls is None:
            return True
        asked = authority.Request(action=action, resource=resource, at=at)
        return authority.judge(self.calls, asked, now=at).allowed


class _Key(NamedTuple):
    identity: int
    tool: bool
    action: int
    family: str
    release: int


def note(seen_here: Scope, given: Sequence[Row], *, now: datetime) -> None:
    """Remember what these attributions show for the first time."""
    events = {(one.at, one.id): one for one in seen_here.events}
    spans = [row for row in given if row.plane == PLANE_AI and row.strength > ONE_OF]
    calls = [
        row
        for row in given
        if row.plane == PLANE_IDENTITY
        and row.strength > ONE_OF
        and seen_here.causes.get((row.at, row.event_id))
    ]
    declared = of_identities({row.identity_no for row in calls})
    calls = [row for row in calls if row.identity_no in declared]
    if not spans and not calls:
        return
    releases = _releases(
        [events[row.at, row.event_id].trace for row in spans]
        + [one.trace for row in calls for one in seen_here.causes[row.at, row.event_id]]
    )
    found: dict[_Key, Row] = {}
    for row in spans:
        seen = events[row.at, row.event_id]
        release = releases.get(seen.trace, 0)
        if seen.activity == TOOL_CALL:
            _earliest(found, _Key(row.identity_no, True, seen.action, "", release), row)
        if release:
            _earliest(found, _Key(row.identity_no, False, NOTHING, "", release), row)
    if calls:
        for key, row in _beside(seen_here, calls, declared, releases):
            _earliest(found, key, row)
    if not found:
        return
    rows = [(*key, row.strength, row.at, row.event_id) for key, row in sorted(found.items())]
    with connection.cursor() as cursor:
        cursor.execute(NOTE, [now, *(list(column) for column in zip(*rows, strict=True))])


def _earliest(found: dict[_Key, Row], key: _Key, row: Row) -> None:
    if key not in found or row.at < found[key].at:
        found[key] = row


def of_identities(numbers: Iterable[int]) -> dict[int, list[Declared]]:
    """What each of these identities has signed, newest first; who has none is left out."""
    wanted = set(numbers)
    found: dict[int, list[Declared]] = {}
    if not wanted:
        return found
    for number, version, model, permissions in (
        Manifest.objects.filter(identity__number__in=wanted, state="signed")
        .order_by("-settled_at", "-number")
        .values_list("identity__number", "version", "model", "permissions")
    ):
        calls = authority.compile_slice("manifest", _grants(permissions)) if permissions else None
        found.setdefault(number, []).append(Declared(version, model, calls))
    return found


def _grants(permissions: Sequence[Mapping[str, Sequence[str]]]) -> list[authority.Grant]:
    return [
        authority.Grant(f"calls {number}", 1, tuple(one["actions"]), tuple(one["resources"]))
        for number, one in enumerate(permissions, start=1)
    ]


class Versioned(Protocol):
    """What stands for a version of an agent."""

    @property
    def version(self) -> str: ...

    @property
    def model(self) -> str: ...


def of_release[T: Versioned](all_: Sequence[T], release: str) -> list[T]:
    """Those that stand for a run, newest first as given; none: nobody declared what it is.

    Evidence states a release as its version, its model, or the version, a space and the model
    (evidence/formats/otlp). A run that states neither is held against all of them, one that
    states its model alone against those of this model.
    """
    if not release:
        return list(all_)
    of_version = [one for one in all_ if f"{release} ".startswith(f"{one.version} ")]
    if not of_version:
        return [one for one in all_ if one.model == release]
    # "2.0 beta" is not version 2.0 with a model called beta, where both are declared.
    newest = max(of_version, key=lambda one: len(one.version))
    model = release[len(newest.version) :].strip()
    return [newest] if not model or newest.model in ("", model) else []


def _beside(
    seen_here: Scope,
    calls: Sequence[Row],
    declared: Mapping[int, list[Declared]],
    releases: Mapping[UUID | None, int],
) -> Iterable[tuple[_Key, Row]]:
    """The calls that the manifest of their release leaves out.

    A release that no manifest declares is asked about as a whole, by its tools.
    """
    events = {(one.at, one.id): one for one in seen_here.events}
    wanted = {release for release in releases.values() if release}
    for row in calls:
        seen = events[row.at, row.event_id]
        wanted |= {term for term in (seen.action, seen.resource) if term is not None}
    words = dict(Term.objects.filter(pk__in=wanted).values_list("pk", "value"))
    for row in calls:
        seen = events[row.at, row.event_id]
        action, resource = words[seen.action], words.get(seen.resource or 0, "")
        if not needs_authority(action):
            continue
        for cause in seen_here.causes[row.at, row.event_id]:
            release = releases.get(cause.trace, 0)
            stand = of_release(declared[row.identity_no], words.get(release, ""))
            if stand and not any(one.covers(action, resource, row.at) for one in stand):
                yield (
                    _Key(row.identity_no, False, seen.action, family(resource)[:2000], release),
                    row,
                )


def _releases(traces: Iterable[UUID | None]) -> dict[UUID | None, int]:
    """The release that each run states."""
    wanted = [one for one in set(traces) if one is not None]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT trace, min(release_id) FROM evidence_run"
            " WHERE trace = ANY(%s) AND release_id IS NOT NULL GROUP BY trace",
            [wanted],
        )
        return dict(cursor.fetchall())
