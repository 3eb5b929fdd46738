"""Alerts about nobody we know are tried again when what they name is registered, or seen coming."""

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.acting import COMMAND
from identities.actions import changes, registration
from identities.models import Binding, Identity
from identities.register import read
from reviews.incidents import alerts, opening, unmatched
from reviews.models import Alert, Case
from tests.reviews.conftest import DAY, HOUR, NOW, Told, ingest, make_user, record

from .alerted import finding, plain, send, source_of, sweep

pytestmark = pytest.mark.django_db
ROLE = "arn:aws:iam::111122223333:role/night-agent"
SESSION = "arn:aws:sts::111122223333:assumed-role/night-agent/run-7"
STRANGER = "AKIAEXAMPLEQP7D00099"


def known(actor: str, name: str = "night-agent") -> Identity:
    """An inventory that names this actor arrives."""
    said = f"arn: '{actor}'" if actor.startswith("arn:") else f"access_key: {actor}"
    text = f"identities:\n  - name: {name}\n    kind: agent\n    actors: [{{{said}}}]\n"
    registration.register(entries=read("late.yaml", text), by=COMMAND, now=NOW + HOUR)
    return Identity.objects.get(name=name)


def again() -> list[Alert]:
    """What a sweep finds; the alerts there are then."""
    while unmatched.try_next(now=NOW + HOUR):
        pass
    return list(Alert.objects.order_by("number"))


@pytest.mark.parametrize(
    ("actor", "body"),
    [
        (ROLE, plain(names=[ROLE])),
        (STRANGER, plain(names=[STRANGER])),
        # Through what it came from: the role of a session.
        (ROLE, plain(names=[SESSION])),
        (ROLE, finding(evidences=[{"actor": {"user": {"uid": ROLE, "name": "x", "type_id": 4}}}])),
    ],
    ids=["role", "key", "session", "ocsf"],
)
def test_alert_before_its_inventory_opens_once_it_is_registered(
    db: None, actor: str, body: dict[str, Any]
) -> None:
    send(source_of(), body)
    (row,) = sweep()
    assert (row.state, row.why) == ("unmatched", alerts.UNMATCHED)
    assert [(one.state, one.tried) for one in again()] == [("unmatched", [])]
    identity = known(actor)
    (row,) = again()
    assert (row.state, row.identity, row.state_at) == ("opened", identity, NOW + HOUR)
    assert row.case is not None
    assert (row.case.opened_at, row.case.room.detected_at) == (NOW + HOUR, NOW)
    assert LedgerEntry.objects.get(subject=row.case.key, act="case.opened").by == "source:siem"
    # Once: nothing more follows from the same, however often it is asked.
    assert not unmatched.try_next(now=NOW + HOUR)
    assert Case.objects.filter(door="incident").count() == 1


def test_key_is_known_once_evidence_shows_whom_it_was_issued_to(story: Told) -> None:
    send(source_of(), plain(names=[STRANGER]))
    sweep()
    assert [one.state for one in again()] == ["unmatched"]
    made = record(
        *(50, "CreateAccessKey", "", NOW - DAY),
        eventSource="iam.amazonaws.com",
        requestParameters={"userName": "svc-report"},
        responseElements={"accessKey": {"accessKeyId": STRANGER, "userName": "svc-report"}},
    )
    ingest([made], now=NOW + HOUR)
    (row,) = again()
    assert (row.state, row.identity) == ("opened", story.identity)


def test_what_stays_unclear_is_tried_once_for_each_set_of_bindings(story: Told) -> None:
    """Over before the alert, then of two identities, then of one."""
    send(source_of(), plain(names=[STRANGER]))
    sweep()
    first = known(STRANGER)
    Binding.objects.filter(identity=first).update(during=(NOW - 9 * DAY, NOW - 2 * DAY))
    (row,) = again()
    assert (row.state, row.why, len(row.tried)) == ("unmatched", alerts.UNMATCHED, 1)
    bound = Binding.objects.get(identity=first)
    for identity in (first, story.identity):
        Binding.objects.create(
            identity=identity,
            actor=bound.actor,
            basis="declared",
            state="confirmed",
            shared=True,
            during=(NOW - DAY, None),
            recorded_at=NOW,
            by="command",
        )
    (row,) = again()
    assert row.why == "Its names are of several identities: svc-report, night-agent."
    assert not unmatched.try_next(now=NOW + HOUR)
    Binding.objects.filter(identity=first).update(superseded_at=NOW)
    (row,) = again()
    assert (row.state, row.identity) == ("opened", story.identity)


def test_what_follows_is_as_its_source_and_its_sender_say(db: None) -> None:
    link = source_of(opens="high")
    send(link, plain("low", severity="low", names=[ROLE]), plain("nobody", names=[]))
    send(link, finding("over", activity_id=3, evidences=[{"actor": {"user": {"uid": ROLE}}}]))
    send(link, plain("gone", names=[ROLE]), plain("old", names=[ROLE]))
    sweep()
    rows = Alert.objects
    change = alerts.dismiss(
        alert=rows.get(uid="gone"), reason="a test", by=make_user("rita", "reviewer"), now=NOW
    )
    changes.sign(change=change, by=make_user("rob", "reviewer"), now=NOW)
    rows.filter(uid="old").update(received_at=NOW - 15 * DAY)
    known(ROLE)
    assert {one.uid: one.state for one in again()} == {
        "low": "noted",
        "nobody": "unmatched",
        "over": "noted",
        "gone": "dismissed",
        "old": "unmatched",
    }
    assert Case.objects.count() == 0


def test_many_become_known_at_once_with_a_constant_number_of_queries(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unmatched, "AT_ONCE", 4)
    link = source_of(opens="never")
    send(link, [plain(f"a-{number}", names=[ROLE, STRANGER]) for number in range(10)])
    sweep()
    known(ROLE)
    asked = []
    for _ in range(4):
        with CaptureQueriesContext(connection) as seen:
            news = unmatched._news(now=NOW + HOUR)
        asked.append(len(seen))
        assert len(news) == min(4, Alert.objects.filter(state="unmatched").count())
        unmatched.try_next(now=NOW + HOUR)
    assert {one.state for one in again()} == {"noted"}
    assert len(set(asked[:3])) == 1


def test_who_dies_half_way_has_changed_nothing_and_who_comes_second_does_nothing(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(source_of(), plain(names=[ROLE]))
    sweep()
    known(ROLE)
    (mine,) = unmatched._news(now=NOW + HOUR)

    def dies(**_: Any) -> Any:
        raise RuntimeError("killed")

    monkeypatch.setattr(opening, "open_or_join", dies)
    with pytest.raises(RuntimeError), transaction.atomic():
        unmatched.try_next(now=NOW + HOUR)
    (row,) = Alert.objects.all()
    assert (row.state, row.tried, Case.objects.count()) == ("unmatched", [], 0)
    monkeypatch.undo()
    assert again()[0].state == "opened"
    assert not unmatched._try(mine, now=NOW + 2 * HOUR)
    assert Case.objects.count() == 1
