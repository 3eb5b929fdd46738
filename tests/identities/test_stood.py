"""The authority at a moment, against a model that replays what people did: a thousand random grants,
a hundred random moments, as it was and as was known."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from identities import stood
from identities.actions import stretches
from identities.models import (
    Credential,
    Delegation,
    DelegationVersion,
    Entitlement,
    Identity,
    Revocation,
)
from tests.reviews.conftest import tell_story

pytestmark = pytest.mark.django_db
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 300
IDENTITIES, GRANTS, MOMENTS = 20, 1_000, 100


class Did(NamedTuple):
    """What somebody did to one delegation, and when that was written down."""

    what: str  # granted, narrowed, revoked, ended
    recorded: datetime
    content: str = ""
    since: datetime | None = None
    until: datetime | None = None


class Point(NamedTuple):
    """A state that an identity is in from a moment on, and when that was written down."""

    at: datetime
    state: str
    recorded: datetime


def some(dice: random.Random) -> datetime:
    return BEGINNING + timedelta(minutes=dice.randrange(DAYS * 1440))


def history(dice: random.Random, number: int) -> list[Did]:
    """One grant and what became of it, in the order in which it was written down."""
    recorded = some(dice)
    since = recorded + timedelta(minutes=dice.randrange(-40 * 1440, 20 * 1440))
    until = since + timedelta(days=dice.randrange(1, 200)) if dice.random() < 0.7 else None
    done = [Did("granted", recorded, f"{number}:0", since, until)]
    for step in range(1, dice.randrange(4) + 1):
        recorded += timedelta(minutes=dice.randrange(1, 60 * 1440))
        what = dice.choice(["narrowed", "narrowed", "revoked", "ended"])
        until = recorded + timedelta(days=dice.randrange(1, 60)) if what == "ended" else None
        done.append(Did(what, recorded, f"{number}:{step}", None, until))
        if what == "revoked":
            break
    return done


def says(done: list[Did], at: datetime, known_at: datetime) -> str | None:
    """What a delegation allows at a moment, by replaying what was written down by another."""
    content = None
    for one in done:
        if one.recorded > known_at:
            break
        if one.what == "granted":
            assert one.since is not None
            if not one.since <= at or (one.until is not None and at >= one.until):
                return None
            content = one.content
        elif one.what == "narrowed" and at >= one.recorded:
            content = one.content
        elif (one.what == "revoked" and at >= one.recorded) or (
            one.what == "ended" and one.until is not None and at >= one.until
        ):
            return None
    return content


def rows_of(delegation: Delegation, done: list[Did]) -> list[DelegationVersion]:
    """The version rows that these acts leave, written as the actions write them: the stretch before
    stays as it was, the new one begins at the act, and nothing is overwritten."""
    rows: list[DelegationVersion] = []

    def add(content: str, during: Any, at: datetime, **said: Any) -> None:
        rows.append(
            DelegationVersion(
                delegation=delegation, version=len(rows) + 1, state="in_force", imported=True,
                actions=[content], resources=["*"], during=during, recorded_at=at, by="test", **said,
            )
        )  # fmt: skip

    for one in done:
        now = one.recorded
        if one.what == "granted":
            add(one.content, (one.since, one.until), now)
            continue
        standing = [
            row for row in rows
            if row.superseded_at is None and row.revoked_at is None
            and (row.during[1] is None or row.during[1] > now)
        ]  # fmt: skip
        if not standing:
            continue
        row = min(standing, key=lambda row: row.during[0])
        lower, upper = row.during
        row.superseded_at = now
        begun = lower < now
        if one.what == "revoked":
            add(row.actions[0], (lower, now if begun else upper), now, revoked_at=now)
            continue
        if begun:
            add(row.actions[0], (lower, now), now)
        begins = now if begun else lower
        ends = upper
        if one.what == "ended":
            ends = one.until if upper is None else min(upper, one.until or upper)
            if ends is None or ends <= begins:
                continue
        add(one.content if one.what == "narrowed" else row.actions[0], (begins, ends), now)
    return rows


def state_of(points: list[Point], at: datetime, known_at: datetime) -> str:
    """The newest change by then that was known by then."""
    found = [one for one in points if one.recorded <= known_at and one.at <= at]
    return max(found, key=lambda one: (one.at, one.recorded)).state if found else ""


def told(dice: random.Random) -> tuple[list[Identity], dict[UUID, Any], dict[UUID, list[Point]]]:
    people = Identity.objects.bulk_create(
        Identity(name=f"agent-{number}", kind="agent", number=9_000 + number, created_at=BEGINNING)
        for number in range(IDENTITIES)
    )
    granted = Delegation.objects.bulk_create(
        Delegation(grantee=people[number % IDENTITIES], number=9_000 + number, created_at=BEGINNING)
        for number in range(GRANTS)
    )
    done = {one.pk: history(dice, number) for number, one in enumerate(granted)}
    rows = [row for one in granted for row in rows_of(one, done[one.pk])]
    # The constraint that forbids two stretches at once looks at each row as it comes.
    rows.sort(key=lambda row: row.superseded_at is None)
    DelegationVersion.objects.bulk_create(rows, batch_size=1_000)
    points: dict[UUID, list[Point]] = {}
    for one in people:
        recorded = some(dice)
        for _ in range(6):
            at = recorded - timedelta(minutes=dice.randrange(3 * 1440))
            made = Point(at, dice.choice(["active", "held", "suspended"]), recorded)
            points.setdefault(one.pk, []).append(made)
            stretches.of_identity(one, state=made.state, at=made.at, now=made.recorded, by="test")
            recorded += timedelta(minutes=dice.randrange(1, 40 * 1440))
    return people, done, points


def test_authority_at_any_moment_is_what_replaying_says() -> None:
    dice = random.Random(7)
    people, done, points = told(dice)
    late = BEGINNING + timedelta(days=9 * DAYS)
    in_force = 0
    for _ in range(MOMENTS):
        at = some(dice)
        for known_at in (late, at, some(dice)):
            rows = stood.delegations([one.pk for one in people], at=at, known_at=known_at)
            found = sorted((pk, said[0]) for pk, said in rows.values_list("delegation", "actions"))
            expected = sorted(
                (pk, content)
                for pk, acts in done.items()
                if (content := says(acts, at, known_at)) is not None
            )
            assert found == expected
            in_force += len(expected)
        one, known_at = dice.choice(people), dice.choice((late, at))
        whole = stood.of(one, at=at, known_at=known_at)
        mine = [(row.delegation_id, row.actions[0]) for row in whole.delegations]
        allowed = {row.pk: says(done[row.pk], at, known_at) for row in one.delegations.all()}
        assert sorted(mine) == sorted((pk, said) for pk, said in allowed.items() if said)
        assert whole.state == state_of(points[one.pk], at, known_at)
    # The model and the rows agree on something, not on nothing.
    assert in_force > MOMENTS * 100


def test_by_all_that_is_known_a_later_word_counts_and_then_it_did_not() -> None:
    told_story = tell_story()
    version = told_story.delegation.versions.get()
    before = version.recorded_at - timedelta(days=10)  # it is true since long before it was written
    one = told_story.identity
    assert [
        row.pk for row in stood.of(one, at=before, known_at=version.recorded_at).delegations
    ] == [version.pk]
    assert stood.of(one, at=before, known_at=before).delegations == []


def test_entitlements_holds_and_stops_are_those_of_the_moment() -> None:
    told_story = tell_story()
    one, key = told_story.identity, told_story.credential
    noon = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    hour = timedelta(hours=1)
    reading = Entitlement.objects.create(
        identity=one, system="aws", principal="arn:x", during=(noon, None), read_at=noon,
        digest="x", possible=[], recorded_at=noon,
    )  # fmt: skip
    stretches.of_credential(key, state="held", at=noon, now=noon + hour, because="leaked")
    stop = Revocation.objects.create(
        identity=one, credential=key, step="hold", system="aws", target={}, words="Hold it",
        requested_at=noon, requested_by="test", not_before=noon, sent_at=noon + hour,
    )  # fmt: skip
    then = stood.of(one, at=noon - hour, known_at=noon - hour)
    assert (then.entitlements, then.held, then.stops) == ([], [], [])
    known_then = stood.of(one, at=noon, known_at=noon)
    assert (known_then.entitlements, known_then.held) == ([reading], [])
    assert [(row.revocation, row.step) for row in known_then.stops] == [(stop, "requested")]
    now = stood.of(one, at=noon, known_at=noon + hour)
    assert [(row.credential, row.because) for row in now.held] == [(key, "leaked")]
    later = stood.of(one, at=noon + hour, known_at=noon + hour)
    assert [row.step for row in later.stops] == ["sent"]
    assert later.credentials == {True: Credential.objects.filter(identity=one).count()}
