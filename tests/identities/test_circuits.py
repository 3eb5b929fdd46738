"""An account that does not answer is left alone and tried by one row; nothing waits for it in vain."""

from datetime import UTC, datetime, timedelta

import pytest

from identities import checks
from identities.actions import revocations
from identities.actions.revocations import carrying, circuits
from identities.models import Circuit, Revocation
from tests.identities.enforcers.oauth_lab import SECRET, Lab, answering, oauth_lab
from tests.identities.revoking import ask, work, work_at_once
from tests.identities.token_rows import Issue, issued, set_up

__all__ = ["issued", "oauth_lab", "set_up"]

# Committed rows: the worker and its rivals use connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)

MANY = 9
SECOND = timedelta(seconds=1)


@pytest.fixture
def asked(oauth_lab: Lab, issued: Issue) -> tuple[datetime, list[str]]:
    """When the tokens of one identity were asked to be revoked, and those tokens."""
    now, tokens = datetime.now(UTC), []
    identity = None
    for number in range(MANY):
        identity, key, answer = issued(f"jti-{number}", identity=identity)
        ask(identity, "revoke", now=now, credential=key)
        tokens.append(answer["access_token"])
    return now, tokens


def _opened(lab: Lab, now: datetime) -> Circuit:
    """The circuit after so many failures that it opens."""
    lab.fail("/revoke", *[answering(503)] * circuits.MOST_FAILURES)
    work(now)
    return Circuit.objects.get()


def test_after_some_failures_nobody_asks_and_then_one_tries_until_it_answers(
    oauth_lab: Lab, asked: tuple[datetime, list[str]]
) -> None:
    now, tokens = asked
    opened = _opened(oauth_lab, now)
    assert (opened.system, opened.account, opened.failures) == ("oauth", oauth_lab.issuer, 5)
    assert oauth_lab.made("/revoke") == circuits.MOST_FAILURES
    assert opened.open_until is not None
    # Also those that nobody has tried yet.
    assert work(opened.open_until - SECOND) == []

    oauth_lab.fail("/revoke", answering(503))
    work(opened.open_until)
    assert oauth_lab.made("/revoke") == circuits.MOST_FAILURES + 1
    longer = Circuit.objects.get()
    assert longer.open_until is not None
    assert longer.open_until - opened.open_until >= 2 * circuits.FIRST_PAUSE - SECOND

    work(longer.open_until + timedelta(minutes=2))
    assert not Circuit.objects.exists()
    assert set(Revocation.objects.values_list("state", flat=True)) == {"effective"}
    # Each that failed went out once more, and none twice.
    assert oauth_lab.made("/revoke") == circuits.MOST_FAILURES + 1 + MANY
    assert {oauth_lab.uses(token) for token in tokens} == {401}


def test_of_two_workers_one_tries(oauth_lab: Lab, asked: tuple[datetime, list[str]]) -> None:
    now, _ = asked
    opened = _opened(oauth_lab, now)
    assert opened.open_until is not None
    oauth_lab.fail("/revoke", *[answering(503)] * MANY)
    work_at_once(4, opened.open_until)
    assert oauth_lab.made("/revoke") == circuits.MOST_FAILURES + 1


def test_a_worker_that_dies_while_it_tries_holds_the_others_up_for_a_while_only(
    oauth_lab: Lab, asked: tuple[datetime, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, _ = asked
    opened = _opened(oauth_lab, now)
    assert opened.open_until is not None

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(carrying, "_sent", dies)
        dying.setattr(carrying, "_confirmed", dies)
        with pytest.raises(KeyboardInterrupt):
            revocations.enforce_next(now=opened.open_until)
    assert work(opened.open_until + SECOND) == []
    work(opened.open_until + circuits.TRIAL)
    states = list(Revocation.objects.values_list("state", flat=True))
    assert states.count("effective") == MANY - 1
    work(opened.open_until + timedelta(minutes=10))
    assert set(Revocation.objects.values_list("state", flat=True)) == {"effective"}


def test_a_refusal_is_no_silence_and_another_account_is_not_this_one(
    oauth_lab: Lab, asked: tuple[datetime, list[str]]
) -> None:
    now, _ = asked
    Circuit.objects.create(
        system="oauth",
        account="https://elsewhere.example.com",
        failures=9,
        since=now,
        why="no answer.",
        open_until=now + timedelta(minutes=5),
    )
    oauth_lab.fail("/revoke", *[answering(503)] * (circuits.MOST_FAILURES - 1), answering(403))
    work(now)
    assert Circuit.objects.filter(account=oauth_lab.issuer).count() == 0
    assert Revocation.objects.filter(state="failed").count() == 1
    assert Revocation.objects.filter(state="effective").count() == MANY - circuits.MOST_FAILURES


def test_what_waits_says_for_what(oauth_lab: Lab, asked: tuple[datetime, list[str]]) -> None:
    now, _ = asked
    _opened(oauth_lab, now)
    said = revocations.not_answering()["oauth", oauth_lab.issuer]
    assert f"oauth {oauth_lab.issuer} did not answer 5 times one after the other" in said
    assert f"{oauth_lab.issuer}/revoke answered 503." in said
    assert SECRET not in said
    assert (f"enforcer oauth {oauth_lab.issuer}", said) in [
        (name, message) for name, well, message, _ in checks.doctor() if not well
    ]
