"""A sealed credential in use: from evidence alone, once, told at once, also when it comes late."""

from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from evidence import consumers
from evidence.models import LedgerEntry, Progress
from identities.models import Credential
from reviews import checks
from reviews.models import Case, Notice, SealedCredential, SealedEvent, SealedUse
from reviews.sealed import declaring, looking, recognising
from tests.reviews.conftest import ACCOUNT, DAY, HOUR, NOW, Told, person_of, record

from .conftest import ARN, KEY, MINUTE, Sealed, arrives, call, declared, of_case, read_of, work

pytestmark = pytest.mark.django_db
NAME = "sealed credentials"
TEMPORARY = "ASIASEALEDQP7D000001"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/all"
ASSUMED = f"arn:aws:sts::{ACCOUNT}:assumed-role/all/night"


def told(case: Case, occasion: str) -> list[str]:
    rows = Notice.objects.filter(occasion=f"{case.key} {occasion}").select_related("person")
    return sorted(one.person.name if one.person else f"{one.channel} {one.address}" for one in rows)


def test_its_use_opens_one_case_and_everybody_hears_of_it(sealed: Sealed, settings: Any) -> None:
    settings.ALERT_EMAIL, settings.WEBHOOK_URL = "alarm@example.org", "https://hook.example.org/"
    arrives(call(1, NOW - 2 * MINUTE), call(2, NOW - MINUTE))
    case = Case.objects.get()
    use = of_case(case)
    assert (case.door, case.state, use.calls, use.first_at, use.last_at) == (
        "break_glass",
        "in_review",
        2,
        NOW - 2 * MINUTE,
        NOW - MINUTE,
    )
    assert use.review_due_at == NOW + 24 * HOUR
    sinks = ["mail alarm@example.org", "webhook https://hook.example.org/"]
    assert told(case, "used") == ["Rex", "Ria", "Root", *sinks]
    subjects = set(Notice.objects.values_list("subject", flat=True))
    assert subjects == {f"{case.key}: ALARM: sealed credential aws-key is in use"}
    entry = LedgerEntry.objects.get(act="sealed_credential.used")
    assert (entry.at, "2 calls" in entry.words) == (NOW - 2 * MINUTE, True)


def test_further_use_joins_the_open_case_and_what_comes_twice_is_nothing_new(
    sealed: Sealed,
) -> None:
    arrives(call(1, NOW))
    arrives(call(2, NOW + MINUTE), call(1, NOW), now=NOW + HOUR)
    # The same bytes again, and the same deposit again.
    arrives(call(2, NOW + MINUTE), call(1, NOW), now=NOW + 2 * HOUR)
    consumers.put_back([row.deposit_id for row in Progress.objects.filter(consumer="sealed")])
    assert work(NOW + 3 * HOUR) > 0
    use = SealedUse.objects.get()
    assert (use.calls, SealedEvent.objects.count(), Case.objects.count()) == (2, 2, 1)
    # It was loud once; what came later stands in the ledger.
    assert Notice.objects.values("occasion").distinct().count() == 1
    assert LedgerEntry.objects.filter(act="sealed_credential.used").count() == 2


def test_what_comes_late_because_we_were_down_is_found(sealed: Sealed) -> None:
    arrives(call(1, NOW), now=NOW + 3 * DAY)
    use = SealedUse.objects.get()
    assert (use.first_at, use.review_due_at) == (NOW, NOW + 4 * DAY)


@pytest.mark.parametrize(
    "other",
    [
        call(1, NOW - DAY - MINUTE),  # before it was declared
        call(1, NOW, key="AKIAOTHERQP7D0000001"),
        record(1, "GetObject", "vault/1.pdf", NOW),
    ],
    ids=["before", "another_key", "another_user"],
)
def test_what_is_not_its_use_opens_nothing(sealed: Sealed, other: dict[str, Any]) -> None:
    arrives(other)
    assert not Case.objects.exists()


def test_an_account_is_recognised_by_each_of_its_keys_and_once(sealed: Sealed) -> None:
    declared(sealed.rita, sealed.root, slug="user", named=ARN)
    arrives(call(1, NOW), call(2, NOW, key="AKIAOTHERQP7D0000001"))
    assert {(one.slug, one.calls) for one in SealedUse.objects.all()} == {
        ("aws-key", 1),
        ("user", 2),
    }


def test_late_evidence_is_held_to_what_was_declared_at_its_time(sealed: Sealed) -> None:
    declared(sealed.rita, sealed.root, NOW, watched=False)
    arrives(call(1, NOW + MINUTE), now=NOW + HOUR)
    assert not Case.objects.exists()
    arrives(call(2, NOW - MINUTE), now=NOW + HOUR)
    assert SealedUse.objects.get().credential == sealed.row


def test_a_busy_credential_is_bounded(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognising, "MOST", 3)
    arrives(*(call(n, NOW + n * MINUTE) for n in range(5)), now=NOW + HOUR)
    arrives(call(9, NOW + 9 * MINUTE), now=NOW + HOUR)
    use = SealedUse.objects.get()
    assert (use.calls, use.more, use.last_at) == (3, True, NOW + 9 * MINUTE)
    consumers.put_back([row.deposit_id for row in Progress.objects.filter(consumer="sealed")])
    entries = LedgerEntry.objects.count()
    work(NOW + 2 * HOUR)
    assert (Case.objects.count(), LedgerEntry.objects.count()) == (1, entries)


def test_a_worker_that_dies_half_way_leaves_nothing_and_the_next_one_does_it(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any, **__: Any) -> None:
        raise RuntimeError("the worker died")

    with monkeypatch.context() as patched:
        patched.setattr(recognising, "_alarm", dies)
        arrives(call(1, NOW))
    assert not Case.objects.exists()
    assert not Notice.objects.exists()
    assert work(NOW + HOUR) == 1
    assert (Case.objects.count(), Notice.objects.count() > 0) == (1, True)


def test_a_drill_is_a_drill_while_it_stays_within_what_was_announced(sealed: Sealed) -> None:
    declaring.announce(
        slug="aws-key",
        starts_at=NOW,
        ends_at=NOW + HOUR,
        reason="Tom practises",
        by=sealed.rex,
        now=NOW - MINUTE,
    )
    arrives(call(1, NOW + MINUTE), now=NOW + 2 * MINUTE)
    case = Case.objects.get()
    subjects = set(Notice.objects.values_list("subject", flat=True))
    assert subjects == {f"{case.key}: announced drill: aws-key is in use"}
    arrives(call(2, NOW + 2 * HOUR), now=NOW + 2 * HOUR)
    use = of_case(case)
    assert (use.drill is not None, use.beyond_drill) == (True, True)
    assert Notice.objects.filter(occasion=f"{case.key} beyond drill").exists()


def test_whose_it_is_by_the_register_stands_on_the_case(sealed: Sealed, story: Told) -> None:
    Credential.objects.create(
        actor=sealed.row.actor,
        identity=story.identity,
        kind="access_key",
        standing=True,
        state_at=NOW,
    )
    arrives(call(1, NOW))
    case = Case.objects.get(door="break_glass")
    assert case.identity == story.identity
    assert {"Ines", "Leila", "Marek"} <= set(told(case, "used"))


def test_nobody_looked_back_is_said_once_a_day(sealed: Sealed) -> None:
    arrives(call(1, NOW))
    assert not recognising.overdue_next(now=NOW + 23 * HOUR)
    for day in (24, 48):
        assert recognising.overdue_next(now=NOW + day * HOUR)
        assert not recognising.overdue_next(now=NOW + day * HOUR)
    assert (
        Notice.objects.filter(occasion__contains="overdue", person=sealed.rita.person).count() == 2
    )


def test_a_use_after_the_look_back_is_a_new_case(sealed: Sealed) -> None:
    arrives(call(1, NOW))
    case = Case.objects.get()
    looking.look_back(
        case=case,
        kind="misuse",
        words="nobody knows",
        follow_ups=["new key"],
        read=read_of(of_case(case)),
        by=sealed.rita,
        now=NOW + HOUR,
    )
    arrives(call(2, NOW + 2 * HOUR), now=NOW + 2 * HOUR)
    assert [one.calls for one in SealedUse.objects.order_by("case__number")] == [1, 1]
    assert KEY in Case.objects.order_by("number").last().reason  # type: ignore[union-attr]  # it is there


def session(number: int, at: datetime) -> dict[str, Any]:
    """The sealed key opens a session of a role."""
    return call(number, at) | {
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "requestParameters": {"roleArn": ROLE, "roleSessionName": "night"},
        "responseElements": {
            "credentials": {"accessKeyId": TEMPORARY, "expiration": "Nov 24, 2026 1:00:00 PM"},
            "assumedRoleUser": {"arn": ASSUMED, "assumedRoleId": "AROAX:night"},
        },
    }


def by_session(number: int, at: datetime) -> dict[str, Any]:
    who = {
        "type": "AssumedRole",
        "principalId": "AROAX:night",
        "arn": ASSUMED,
        "accountId": ACCOUNT,
        "accessKeyId": TEMPORARY,
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE, "userName": "all"}},
    }
    return record(600 + number, "GetObject", f"vault/{number}.pdf", at, userIdentity=who)


@pytest.mark.parametrize("late", [False, True])
def test_what_it_does_by_a_session_counts_in_whichever_order_it_arrives(
    sealed: Sealed, late: bool
) -> None:
    deposits = [[session(1, NOW)], [by_session(2, NOW + MINUTE), by_session(3, NOW + HOUR)]]
    for one in reversed(deposits) if late else deposits:
        arrives(*one, now=NOW + 2 * HOUR)
    arrives(by_session(4, NOW + 2 * HOUR), now=NOW + 3 * HOUR)
    use = SealedUse.objects.get()
    assert (use.calls, use.last_at) == (4, NOW + 2 * HOUR)


def test_doctor_says_what_nobody_looked_at_and_what_was_never_practised(sealed: Sealed) -> None:
    def said() -> tuple[bool, str]:
        return next((ok, words) for name, ok, words, _ in checks.doctor() if name == NAME)

    # Signed at the time of these tests, which is long ago or not, as the clock of today says.
    today = timezone.now()
    SealedCredential.objects.update(settled_at=today - DAY)
    assert said() == (True, "1 credential watched for")
    SealedCredential.objects.update(settled_at=today - 91 * DAY)
    assert said() == (False, "aws-key: no use in evidence for 90 days")
    arrives(call(1, today), now=today)
    assert said() == (False, "1 use looked back at by nobody")
    SealedUse.objects.update(
        review="drill", reviewed_at=today, reviewed_person=person_of(sealed.root)
    )
    assert said() == (True, "1 credential watched for")
