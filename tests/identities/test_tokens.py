"""Tokens: printed once and kept as a digest, for what and for how long, and for whom."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from identities.acting import COMMAND
from identities.actions import tokens
from identities.models import ApiToken
from identities.permissions import NotAllowed, NotPossible
from tests.identities.conftest import DAY, NOW

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]


def test_token_command_prints_once_and_keeps_a_digest(user: Make) -> None:
    user("gateway")
    out, err = StringIO(), StringIO()
    call_command(
        "token",
        "create",
        "--user",
        "gateway",
        "--scope",
        "decide",
        "--days",
        "7",
        stdout=out,
        stderr=err,
    )
    secret = out.getvalue().strip()
    row = ApiToken.objects.get()
    assert (bytes(row.digest), row.scopes) == (tokens.digest_of(secret), ["decide"])
    assert row.expires_at - row.created_at == timedelta(days=7)
    listed = StringIO()
    call_command("token", "list", stdout=listed)
    assert (secret in listed.getvalue(), str(row.pk) in listed.getvalue()) == (False, True)
    call_command("token", "revoke", str(row.pk), stdout=StringIO())
    row.refresh_from_db()
    assert row.revoked_at is not None
    with pytest.raises(CommandError, match="revoked before"):
        call_command("token", "revoke", str(row.pk), stdout=StringIO())
    with pytest.raises(CommandError, match="is no token id"):
        call_command("token", "revoke", "nonsense", stdout=StringIO())


@pytest.mark.parametrize(
    ("scopes", "days", "sentence"),
    [
        (["own"], 1, "own is no scope; choose from decide, read, act, declare, signals."),
        ([], 1, "A token needs a scope; choose from decide, read, act, declare, signals."),
        (["read"], 0, "A token lasts between 1 and 366 days."),
        (["read"], 400, "A token lasts between 1 and 366 days."),
    ],
)
def test_token_that_cannot_be(user: Make, scopes: list[str], days: int, sentence: str) -> None:
    with pytest.raises(NotPossible) as refused:
        tokens.create(
            user=user("u"), name="t", scopes=scopes, lasts=timedelta(days=days), by=COMMAND, now=NOW
        )
    assert str(refused.value) == sentence


def test_token_for_somebody_else_takes_an_administrator(user: Make) -> None:
    ann, bob = user("ann", "reviewer"), user("bob")
    with pytest.raises(NotAllowed):
        tokens.create(user=bob, name="t", scopes=["read"], lasts=DAY, by=ann, now=NOW)
    tokens.create(user=ann, name="t", scopes=["read"], lasts=DAY, by=ann, now=NOW)
    assert ApiToken.objects.get().user == ann
