"""Who may ask for a revocation, and what stands in its way."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from identities.actions import revocations
from identities.models import (
    Credential,
    User,
)
from identities.permissions import NotAllowed, NotPossible
from tests.awslab.lab import Lab
from tests.identities.conftest import NOW
from tests.identities.revoking import (
    actor,
    ask,
    held_by,
    pointed_at_the_account,
    work,
)

__all__ = ["held_by", "pointed_at_the_account"]

# Committed rows: the worker and its rivals use connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("group", "steps"),
    [
        # What is suspended works again by its seats alone.
        ("responder", {"hold", "release"}),
        ("the owner", {"hold", "release"}),
        ("reviewer", set()),
        ("administrator", set()),
        ("auditor", set()),
    ],
)
def test_who_may_ask_without_a_case(
    lab: Lab, held_by: Make, user: Callable[..., User], group: str, steps: set[str]
) -> None:
    identity, _ = held_by(lab.user())
    who = (
        User.objects.get(username=f"owner-of-{identity.name}")
        if group == "the owner"
        else user("who", group)
    )
    may = set()
    for step in ("hold", "release", "suspend", "resume", "revoke"):
        try:
            revocations.request(identity=identity, step=step, by=who, now=NOW, because="x")
            may.add(step)
        except NotAllowed:
            pass
    assert may == steps


def test_credential_of_nobody_known_says_what_is_missing(active: Make) -> None:
    identity = active()
    key = Credential.objects.create(
        actor=actor("AKIAIOSFODNN7EXAMPLE"),
        identity=identity,
        kind="access_key",
        standing=True,
        state_at=NOW,
    )
    with pytest.raises(NotPossible, match="Whose key AKIA…MPLE is cannot be told"):
        ask(identity, "hold", now=NOW, credential=key)


def test_missing_right_waits_for_whoever_can_grant_it(
    lab: Lab, held_by: Make, settings: Any, tmp_path: Path
) -> None:
    person, poor = lab.user(), lab.user()
    identity, key = held_by(person)
    (tmp_path / "poor.json").write_text(
        json.dumps(
            {
                "access_key_id": poor.credentials.access_key_id,
                "secret_access_key": poor.credentials.secret_access_key,
            }
        )
    )
    settings.AWS_CREDENTIALS = f"file:{tmp_path / 'poor.json'}"
    now = datetime.now(UTC)
    row = ask(identity, "hold", now=now, credential=key)
    work(now)
    row.refresh_from_db()
    assert (row.state, "iam:" in row.failed_why, row.who_must_act != "") == ("failed", True, True)


def test_open_request_constraint_holds_in_sql(held_by: Make, lab: Lab) -> None:
    identity, key = held_by(lab.user())
    ask(identity, "hold", now=NOW, credential=key)
    with pytest.raises(Exception, match="revocation_open_once"), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO identities_revocation (id, number, identity_id, credential_id, step,"
            " system, target, words, state, requested_at, requested_by, requested_by_name,"
            " because, case_key, residual, attempts, not_before, failed_why, who_must_act,"
            " reopened) SELECT gen_random_uuid(), nextval('revocation_number'), identity_id,"
            " credential_id, step, system, target, words, state, requested_at, requested_by, '',"
            " '', '', '[]', 0, not_before, '', '', '{}' FROM identities_revocation LIMIT 1"
        )
