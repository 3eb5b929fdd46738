"""Who was seen and is nobody's: what a claim takes off the list, and its pages."""

import json

import pytest

from evidence.models import Source
from identities.acting import COMMAND
from identities.actions import bindings, registration
from identities.models import Binding, Identity
from identities.register import read
from tests.identities.conftest import DAY, NOW
from tests.identities.test_following import ACCOUNT, USER, issued, record, source, take, used

__all__ = ["source"]

pytestmark = pytest.mark.django_db


def test_unclaimed_lists_who_was_seen_and_is_nobodys(source: Source) -> None:
    take(source, issued(NOW - 9 * DAY), used(NOW - 8 * DAY), used(NOW - 7 * DAY))
    rows = {row.actor.value: row for row in bindings.unclaimed(now=NOW)}
    # Keys that records name one user with are asked about with that user.
    assert sorted(rows) == [f"arn:aws:iam::{ACCOUNT}:user/admin", USER]
    seen = rows[USER]
    assert (seen.first_at, seen.last_at, seen.count, seen.more) == (
        NOW - 8 * DAY,
        NOW - 7 * DAY,
        2,
        False,
    )
    registration.register(
        entries=read(
            "x.json",
            json.dumps(
                {"delegations": {USER: [{"actions": ["s3:GetObject"], "resources": ["*"]}]}}
            ),
        ),
        by=COMMAND,
        now=NOW,
    )
    assert [row.actor.value for row in bindings.unclaimed(now=NOW)] == [
        f"arn:aws:iam::{ACCOUNT}:user/admin"
    ]
    assert [row.actor.value for row in bindings.unclaimed(now=NOW, search="user/adm")] == [
        f"arn:aws:iam::{ACCOUNT}:user/admin"
    ]


def test_unclaimed_pages_by_cursor(source: Source) -> None:
    take(
        source,
        *(
            record("ListUsers", NOW - DAY, user=f"u{n}", key=f"AKIAEXAMPLE{n:09d}")
            for n in range(14)
        ),
    )
    seen, before = [], None
    while rows := bindings.unclaimed(now=NOW, before=before, most=4):
        seen += [row.actor.value for row in rows]
        before = rows[-1].actor.pk
    assert (len(seen), len(set(seen))) == (14, 14)


def test_unclaimed_are_narrowed_by_who_they_are_proposed_to_be(source: Source) -> None:
    take(
        source, used(NOW - 8 * DAY), record("ListUsers", NOW - DAY, user="u1", key="AKIAEXAMPLEU1")
    )
    [one, other] = [row.actor for row in bindings.unclaimed(now=NOW)]
    mine, theirs = (
        Identity.objects.create(name=name, kind="agent", created_at=NOW) for name in ("a", "b")
    )
    for identity, actor in ((mine, one), (theirs, other)):
        Binding.objects.create(
            identity=identity,
            actor=actor,
            state="proposed",
            basis="observed",
            during=(NOW, None),
            recorded_at=NOW,
        )
    assert [row.actor for row in bindings.unclaimed(now=NOW, identity=mine)] == [one]
    assert [row.actor for row in bindings.unclaimed(now=NOW, identity=theirs)] == [other]
    assert len(bindings.unclaimed(now=NOW)) == 2
