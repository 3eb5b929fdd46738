"""What another system signals about an identity is a question for its owners, and cuts nothing."""

from datetime import datetime
from typing import Any

import pytest

from evidence import intake, links
from evidence.models import Event, Source
from evidence.sources.set_checks import Checked, record
from identities import judging
from identities.models import Attribution, Finding, Identity, Revocation, UsageDay
from reviews.models import Case, Item, Rung, Trigger
from reviews.triggers import facts, opening
from tests.evidence.sources.transmitter import CAEP, SSF
from tests.identities.signalling import bound

from .conftest import DAY, HOUR, NOW, Told
from .test_micro_reviews import LATER, micro, reviewed, sweep
from .test_policy_versions import put_in_force

pytestmark = pytest.mark.django_db
ISSUER = "https://example.okta.com"


def signalled(
    uri: str, event: dict[str, Any] | None = None, *, at: datetime = NOW + HOUR, **said: Any
) -> None:
    """A SET that was checked, through the real intake, judged."""
    source, _ = Source.objects.get_or_create(
        name="idp", defaults={"created_at": NOW, "created_by": "command", "format": "signals"}
    )
    claims = {
        "iss": ISSUER,
        "aud": "us",
        "jti": f"{uri} {at} {event}",
        "iat": int(at.timestamp()),
        "sub_id": {"format": "iss_sub", "iss": ISSUER, "sub": "0oaREPORT"},
        "events": {uri: event or {}},
    } | said
    intake.take(
        source=source, body=record(Checked(claims)), by="source:idp", now=LATER, format="signals"
    )
    while links.link_next(now=LATER):
        pass
    judging.judge_all(now=LATER)


@pytest.fixture
def identity(story: Told) -> Identity:
    bound(story.identity, "okta:example", "app", "0oaREPORT")
    return story.identity


def test_session_that_another_system_ended_is_asked_about_once(identity: Identity) -> None:
    for minute in range(3):
        signalled(f"{CAEP}session-revoked", at=NOW + HOUR + minute * HOUR / 60)
    sweep()
    sweep()
    case = micro("received_signal")
    item = Item.objects.get(case=case)
    assert (item.kind, item.ref, case.title) == (
        "identity",
        identity.pk,
        "Signal received: svc-report",
    )
    assert case.reason == (
        "Another system signals caep:session-revoked about svc-report: 3 signals on 24 Nov 2026,"
        " the last at 13:02 UTC. Nothing was changed here: say whether it goes on."
    )
    assert case.deadline_at == LATER + 24 * HOUR
    (row,) = Trigger.objects.filter(name="received_signal")
    assert row.links[0]["url"].startswith(f"/events/?identity={identity.key}&action=caep%3Asession")
    # Asked, and nothing else: no finding, nothing that goes out, no rung that cuts.
    assert (Finding.objects.count(), Revocation.objects.count()) == (0, 0)
    assert set(Rung.objects.filter(case=case).values_list("does", flat=True)).isdisjoint(
        {"narrow", "suspend", "revoke"}
    )
    identity.refresh_from_db()
    assert identity.state == "active"


def test_signal_is_no_act_of_the_identity(identity: Identity) -> None:
    signalled(f"{CAEP}session-revoked")
    event = Event.objects.get(source_id=Source.objects.get(name="idp").pk)
    assert event.plane == 3
    row = Attribution.objects.get(at=event.at, event_id=event.id)
    assert (row.identity_no, row.verdict) == (identity.number, 0)
    assert UsageDay.objects.filter(plane=3).count() == 1


def test_signals_end_no_silence(story: Told, identity: Identity) -> None:
    """Only what it does itself wakes an identity."""
    signalled(f"{CAEP}session-revoked")
    UsageDay.objects.exclude(plane=3).delete()
    UsageDay.objects.create(
        identity_no=identity.number, day=(NOW - 90 * DAY).date(), action_id=1, family="", plane=1,
        count=1, first_at=NOW - 90 * DAY, last_at=NOW - 90 * DAY,
    )  # fmt: skip
    sweep()
    assert not Trigger.objects.filter(name="dormant").exists()


@pytest.mark.parametrize(
    ("uri", "event", "asks"),
    [
        (f"{CAEP}credential-change", {"change_type": "revoke", "credential_type": "pin"}, True),
        (f"{CAEP}credential-change", {"change_type": "delete", "credential_type": "pin"}, True),
        (f"{CAEP}credential-change", {"change_type": "create", "credential_type": "pin"}, False),
        (f"{CAEP}risk-level-change", {"current_level": "HIGH", "principal": "USER"}, True),
        (f"{CAEP}risk-level-change", {"current_level": "LOW", "principal": "USER"}, False),
        (f"{CAEP}session-established", {}, False),
        (f"{SSF}verification", {}, False),
        ("https://schemas.openid.net/secevent/risc/event-type/account-disabled", {}, True),
        ("https://vendor.example.com/an-event-of-its-own", {}, True),
    ],
)
def test_which_signals_ask(identity: Identity, uri: str, event: dict[str, Any], asks: bool) -> None:
    signalled(uri, event)
    sweep()
    assert Trigger.objects.filter(name="received_signal").count() == int(asks)


def test_signal_about_nobody_we_know_and_of_a_retired_identity_asks_nobody(
    identity: Identity,
) -> None:
    signalled(f"{CAEP}session-revoked", sub_id={"format": "email", "email": "x@example.org"})
    Identity.objects.filter(pk=identity.pk).update(state="retired")
    signalled(f"{CAEP}session-revoked", at=NOW + 2 * HOUR)
    sweep()
    assert Trigger.objects.filter(name="received_signal").count() == 0


def test_policy_that_does_not_name_it_is_not_asked(story: Told, identity: Identity) -> None:
    put_in_force(story, micro_reviews={"dormant": {}})
    signalled(f"{CAEP}session-revoked")
    assert not facts.find_of("received_signal", now=LATER)
    assert opening.open_next(now=LATER) is False
    assert not Case.objects.filter(trigger="received_signal").exists()


def test_what_was_answered_is_not_asked_again_and_the_next_day_is(identity: Identity) -> None:
    signalled(f"{CAEP}session-revoked")
    sweep()
    first = micro("received_signal")
    Case.objects.filter(pk=first.pk).update(state="closed", decided_at=LATER, closed_at=LATER)
    Trigger.objects.update(state="over")
    sweep()
    assert Trigger.objects.filter(name="received_signal").count() == 1
    signalled(f"{CAEP}session-revoked", at=NOW + 20 * HOUR)
    sweep()
    assert Trigger.objects.filter(name="received_signal").count() == 2


def test_review_of_all_there_is_takes_it_in(story: Told, identity: Identity) -> None:
    reviewed(story)
    signalled(f"{CAEP}session-revoked")
    sweep()
    assert micro("received_signal").trigger == "received_signal"
