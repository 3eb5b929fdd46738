"""The whole life of a token's revocation at a real OAuth server, and what goes wrong on the way."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities import checks
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.actions.revocations import carrying, claiming, leasing, reach
from identities.models import Credential, Revocation, RevocationTry
from identities.permissions import NotPossible
from tests.evidence.killing import dooming
from tests.identities.conftest import NOW
from tests.identities.enforcers.oauth_lab import (
    LIFE,
    SECRET,
    Lab,
    answering,
    oauth_lab,
)
from tests.identities.revoking import ask, work, work_at_once
from tests.identities.token_rows import REALM, Issue, SetUp, issued, set_up

__all__ = ["issued", "oauth_lab", "set_up"]

# Committed rows: the worker and its rivals use connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)

MANY, KILLS = 24, 4
LEASED = claiming.LEASE + timedelta(seconds=1)


def _tries(row: Revocation) -> list[tuple[str, str]]:
    rows = RevocationTry.objects.filter(revocation=row).order_by("id")
    return list(rows.values_list("did", "result"))


def test_requested_sent_confirmed_effective_with_a_real_use_before_and_after(
    oauth_lab: Lab, issued: Issue
) -> None:
    identity, key, answer = issued()
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    assert (row.system, row.words, row.state) == ("oauth", "Revoke token jti-1", "requested")
    assert row.target["extra"] == {"client": "agent"}
    assert oauth_lab.uses(answer["access_token"]) == 200
    assert work(now) == ["confirmed", "effective"]
    assert oauth_lab.uses(answer["access_token"]) == 401
    key.refresh_from_db()
    assert key.state == "revoked"
    assert _tries(row) == [("send", "ok"), ("verify", "gone")]
    entries = LedgerEntry.objects.filter(words__startswith=f"{row.key}:").order_by("id")
    assert list(entries.values_list("act", flat=True)) == [
        f"revocation.{state}" for state in ("requested", "sent", "confirmed", "effective")
    ]
    everything = json.dumps([*entries.values_list("words", "data")]) + str(
        [*RevocationTry.objects.values_list("detail", flat=True)]
    )
    assert answer["access_token"] not in everything


def test_a_token_that_says_its_own_end_is_effective_only_then(
    oauth_lab: Lab, issued: Issue
) -> None:
    oauth_lab.self_contained = True
    identity, key, _ = issued()
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    assert work(now) == ["confirmed", "confirmed"]
    row.refresh_from_db()
    assert [one["what"] for one in row.residual] == [
        "the access token, wherever it is taken without asking its server"
    ]
    assert row.residual_until is not None
    assert abs((row.residual_until - now).total_seconds() - LIFE) < 30
    assert work(row.residual_until - timedelta(seconds=1)) == []
    assert work(row.residual_until) == ["effective"]


def test_a_server_that_says_ok_and_does_nothing_waits_for_a_person(
    oauth_lab: Lab, issued: Issue
) -> None:
    oauth_lab.lies = True
    identity, key, answer = issued()
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    for minute in range(20):
        work(now + timedelta(minutes=minute))
    row.refresh_from_db()
    assert (row.state, row.who_must_act) == ("failed", reach.ADMINISTRATOR)
    assert row.failed_why == (
        "The target took the change but does not show it: "
        "The access token of jti-1 is active by introspection."
    )
    assert oauth_lab.uses(answer["access_token"]) == 200
    oauth_lab.lies = False
    later = now + timedelta(hours=1)
    revocations.retry(revocation=row, by=COUNTERSIGN, now=later)
    assert work(later) == ["confirmed", "effective"]


def test_what_something_before_the_server_said_ok_to_goes_out_once_more(
    oauth_lab: Lab, issued: Issue
) -> None:
    oauth_lab.fail("/revoke", answering(200, "<html>signed out</html>"))
    identity, key, answer = issued()
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    for minute in range(6):
        work(now + timedelta(minutes=minute))
    row.refresh_from_db()
    assert (row.state, oauth_lab.uses(answer["access_token"])) == ("effective", 401)
    assert ("again", "active") in _tries(row)
    assert oauth_lab.made("/revoke") == 2


@pytest.mark.parametrize(
    ("path", "status"), [("/revoke", 429), ("/revoke", 500), ("/introspect", 503)]
)
def test_a_server_that_cannot_now_delays_and_loses_nothing(
    oauth_lab: Lab, issued: Issue, path: str, status: int
) -> None:
    identity, key, answer = issued()
    oauth_lab.fail(path, answering(status, Retry_After="90"))
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    work(now)
    row.refresh_from_db()
    assert row.failed_why == f"{oauth_lab.issuer}{path} answered {status}."
    assert row.not_before >= now + timedelta(seconds=90)
    assert work(now + timedelta(seconds=89)) == []
    assert work(now + timedelta(seconds=140))[-2:] == ["confirmed", "effective"]
    assert oauth_lab.uses(answer["access_token"]) == 401
    assert row.pk == Revocation.objects.get().pk


def test_our_own_refused_credentials_wait_for_whoever_renews_them(
    oauth_lab: Lab, issued: Issue, tmp_path: Path
) -> None:
    identity, key, answer = issued()
    (tmp_path / "secret").write_text("an-old-one-that-was-renewed")
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    work(now)
    row.refresh_from_db()
    assert (row.state, row.who_must_act) == ("failed", "the administrator of Countersign")
    assert "an-old-one-that-was-renewed" not in row.failed_why
    (tmp_path / "secret").write_text(SECRET)
    revocations.retry(revocation=row, by=COUNTERSIGN, now=now)
    assert work(now) == ["confirmed", "effective"]
    assert oauth_lab.uses(answer["access_token"]) == 401


@pytest.mark.parametrize(("taken", "requests"), [(True, 1), (False, 3)])
def test_two_crashes_between_send_and_record_end_it_once(
    oauth_lab: Lab, issued: Issue, monkeypatch: pytest.MonkeyPatch, taken: bool, requests: int
) -> None:
    """`taken`: whether the server did what it was asked before we died."""
    identity, key, answer = issued()
    oauth_lab.lies = not taken
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as crashing:
        crashing.setattr(carrying, "_sent", dies)
        crashing.setattr(carrying, "_confirmed", dies)
        for at in (now, now + LEASED):
            with pytest.raises(KeyboardInterrupt):
                revocations.enforce_next(now=at)
            row.refresh_from_db()
            assert row.state == "sending"
            assert not revocations.enforce_next(now=at + timedelta(seconds=1))
    oauth_lab.lies = False
    assert work(now + 2 * LEASED) == ["confirmed", "effective"]
    assert oauth_lab.made("/revoke") == requests
    assert oauth_lab.uses(answer["access_token"]) == 401
    acts = (
        LedgerEntry.objects.filter(words__startswith=f"{row.key}:")
        .order_by("pk")
        .values_list("act", flat=True)
    )
    assert sorted(acts) == sorted(
        f"revocation.{state}" for state in ("requested", "sent", "confirmed", "effective")
    )


def test_two_workers_show_each_token_once(oauth_lab: Lab, issued: Issue) -> None:
    identity, key, answer = issued("jti-0")
    tokens, now = [answer["access_token"]], datetime.now(UTC)
    ask(identity, "revoke", now=now, credential=key)
    for number in range(1, 5):
        _, key, answer = issued(f"jti-{number}", identity=identity)
        tokens.append(answer["access_token"])
        ask(identity, "revoke", now=now, credential=key)
    work_at_once(2, now)
    assert set(Revocation.objects.values_list("state", flat=True)) == {"effective"}
    assert oauth_lab.made("/revoke") == 5
    assert {oauth_lab.uses(token) for token in tokens} == {401}


def test_a_worker_killed_at_random_points_ends_each_token_once(
    oauth_lab: Lab, issued: Issue, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity, first, answer = issued("jti-0")
    keys, tokens = [first], [answer["access_token"]]
    for number in range(1, MANY):
        _, key, answer = issued(f"jti-{number}", identity=identity)
        keys.append(key)
        tokens.append(answer["access_token"])
    asks = [revocations.Ask(identity, "revoke", "test", credential=key) for key in keys]
    revocations.request_all(asks, by=COUNTERSIGN, now=datetime.now(UTC))

    def seen_to_be_dead() -> None:
        sent = Revocation.objects.filter(state__in=["sent", "confirmed", "effective"])
        names = {str(row.target["name"]).removeprefix("jti-") for row in sent}
        assert {oauth_lab.uses(tokens[int(number)]) for number in names} <= {401}
        leasing.give_back()  # doubts
        leasing.give_back()
        assert not Revocation.objects.filter(leased_until__isnull=False).exists()

    monkeypatch.setattr(leasing, "GONE", 0.0)
    monkeypatch.setenv("COUNTERSIGN_ENFORCERS", settings.ENFORCERS)
    with dooming() as doomed:
        doomed.run(
            "identities.tasks.enforce",
            kills=KILLS,
            progress=RevocationTry.objects.count,
            stride=2 * MANY // KILLS - 4,
            between=seen_to_be_dead,
        )
    assert set(Revocation.objects.values_list("state", flat=True)) == {"effective"}
    assert {oauth_lab.uses(token) for token in tokens} == {401}
    # One that was not seen to have gone out goes out again.
    assert MANY <= oauth_lab.made("/revoke") <= MANY + KILLS
    acts = (
        LedgerEntry.objects.filter(act__startswith="revocation.")
        .order_by("pk")
        .values_list("act", flat=True)
    )
    assert Counter(acts) == {
        f"revocation.{state}": MANY for state in ("requested", "sent", "confirmed", "effective")
    }


def test_of_several_clients_the_one_it_was_issued_to_revokes_it(
    oauth_lab: Lab, issued: Issue, set_up: SetUp
) -> None:
    set_up("agent", "other")
    identity, key, answer = issued(to="other")
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    assert row.target["extra"] == {"client": "other"}
    assert work(now) == ["confirmed", "effective"]
    assert oauth_lab.uses(answer["access_token"]) == 401
    _, unknown, _ = issued("jti-2", identity=identity)
    Credential.objects.filter(pk=unknown.pk).update(issued_to=None)
    with pytest.raises(NotPossible, match=r"To which client .* was issued cannot be told"):
        ask(identity, "revoke", now=now, credential=unknown)


def test_what_cannot_be_asked_for_is_said_when_it_is_asked_for(
    issued: Issue, set_up: SetUp, settings: Any, tmp_path: Path
) -> None:
    identity, key, _ = issued()
    with pytest.raises(NotPossible, match="OAuth has no hold for a token: revoke the token"):
        ask(identity, "hold", now=NOW, credential=key)
    set_up("agent", realms=["okta:elsewhere"])
    with pytest.raises(NotPossible, match=f"No enforcer changes a token of {REALM}"):
        ask(identity, "revoke", now=NOW, credential=key)
    (tmp_path / "enforcers.yaml").write_text("oauth: [")
    with pytest.raises(NotPossible, match=r"enforcers\.yaml, line 1 is no YAML"):
        ask(identity, "revoke", now=NOW, credential=key)
    settings.ENFORCERS = str(tmp_path / "none.yaml")
    with pytest.raises(NotPossible, match="cannot be read \\(FileNotFoundError\\)"):
        ask(identity, "revoke", now=NOW, credential=key)
    assert Revocation.objects.count() == 0


def test_doctor_says_which_tokens_could_not_be_stopped_today(
    oauth_lab: Lab, issued: Issue, tmp_path: Path
) -> None:
    identity, _, _ = issued()
    name = f"enforcer oauth {oauth_lab.issuer}"
    assert (name, True, "may do everything it needs", "") in checks.doctor()
    issued("jti-2", identity=identity)
    (tmp_path / "jti-2.token").unlink()
    ((_, well, said, fix),) = [one for one in checks.doctor() if one[0] == name]
    assert (well, said) == (False, "may not revoke what is not held")
    assert fix.startswith("The token jti-2 is not held here")
    oauth_lab.fail("/introspect", answering(500))
    ((_, well, said, fix),) = [one for one in checks.doctor() if one[0] == name]
    assert (well, fix) == (False, "ask again in a while")
    (tmp_path / "secret").unlink()
    ((_, well, said, fix),) = [one for one in checks.doctor() if one[0] == name]
    assert (well, fix) == (False, "the administrator of Countersign must act")
    (tmp_path / "enforcers.yaml").write_text("oauth: 7")
    (check,) = [one for one in checks.doctor() if one[0] == "enforcers oauth"]
    assert check[1:] == (
        False,
        f"The enforcers' settings: oauth in {tmp_path}/enforcers.yaml is no list of settings.",
        "the administrator of Countersign must act",
    )


def test_asking_for_many_takes_as_many_queries_as_for_one(issued: Issue) -> None:
    identity, first, _ = issued("jti-0")
    others = [issued(f"jti-{number}", identity=identity)[1] for number in range(1, 12)]
    counts = []
    for keys in ([first], others):
        asks = [revocations.Ask(identity, "revoke", "test", credential=key) for key in keys]
        with CaptureQueriesContext(connection) as counted:
            made = revocations.request_all(asks, by=COUNTERSIGN, now=NOW)
        assert [one.refused for one in made] == [None] * len(keys)
        counts.append(len(counted))
    assert counts[0] == counts[1]
