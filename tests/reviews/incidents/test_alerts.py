"""Alerts that open incidents: read once, matched exactly or by key, joined, kept and never dropped."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from evidence.models import LedgerEntry
from evidence.stores import bodies
from identities import judging
from identities.actions import changes
from identities.models import Binding, Identity, ProposedChange, User
from identities.permissions import NotAllowed, NotPossible
from reviews.incidents import alert_rights, alerts, opening, reading
from reviews.models import Alert, AlertDeposit, Case, CaseMember, Trigger
from reviews.triggers import signals as signal_questions
from tests import once
from tests.reviews.conftest import ARN, DAY, HOUR, KEY, NOW, Told, make_user, person_of

from .alerted import finding, plain, send, sigma, source_of, sweep
from .timelines import asked, drawn, responder

pytestmark = pytest.mark.django_db
STRANGER = "AKIAEXAMPLEQP7D00099"


@pytest.fixture
@once.told
def rex(story: Told) -> User:
    return responder()


def test_alert_about_a_known_key_opens_an_incident_that_its_room_shows(story: Told) -> None:
    link = source_of()
    deposit = send(link, plain())
    (row,) = sweep()
    case = row.case
    assert case is not None
    assert (row.state, row.identity, row.deposit_id) == ("opened", story.identity, deposit)
    assert (case.title, case.door) == ("Incident: Key used from an unknown network", "incident")
    assert (case.room.severity, case.room.detected_at) == ("high", NOW)
    opened = LedgerEntry.objects.get(subject=case.key, act="case.opened")
    assert (opened.by, opened.by_name) == ("source:siem", "siem")
    assert "alert a-1 of siem: Key used" in opened.words
    shown = drawn(case, list(reading.every(case, asked(case))))
    (mine,) = [one for one in shown if one["kind"] == "alert"]
    assert (mine["words"], mine["url"]) == (row.title, f"/alerts/{row.key}/")
    assert mine["by"] == "alert of siem, high"


@pytest.mark.parametrize(
    "body",
    [plain(names=[ARN]), sigma(), finding(), finding(number=2008, evidences=[], user={"uid": ARN})],
    ids=["arn", "sigma", "2004", "2008"],
)
def test_every_shape_finds_the_identity(story: Told, body: dict[str, Any]) -> None:
    send(source_of(), body)
    (row,) = sweep()
    assert (row.state, row.identity) == ("opened", story.identity)


def test_second_alert_joins_the_open_incident_and_the_same_one_again_is_counted(
    story: Told,
) -> None:
    link = source_of()
    send(link, plain("a"), plain("b", severity="critical"))
    send(link, plain("a", description="told again"))
    one, two = sweep()
    assert (one.state, two.state, one.case) == ("opened", "joined", two.case)
    assert (one.repeats, two.repeats) == (1, 0)
    assert one.case is not None
    assert one.case.room.severity == "critical"
    assert Case.objects.filter(door="incident").count() == 1
    acts = LedgerEntry.objects.filter(subject=one.case.key, act="incident.joined")
    assert acts.count() == 1
    # The same number of another sender is another alert.
    send(source_of("other"), plain("a"))
    assert [row.state for row in sweep()] == ["opened", "joined", "joined"]


@pytest.mark.parametrize(
    ("opens", "severity", "state"),
    [
        ("high", "high", "opened"),
        ("high", "medium", "noted"),
        ("high", "unknown", "noted"),
        ("low", "unknown", "noted"),
        ("unknown", "unknown", "opened"),
        ("never", "critical", "noted"),
        ("", "critical", "noted"),
    ],
)
def test_setting_of_its_source_says_which_alerts_open(
    story: Told, opens: str, severity: str, state: str
) -> None:
    send(source_of(opens=opens), plain(severity=severity))
    (row,) = sweep()
    assert (row.state, row.identity) == (state, story.identity)
    assert ("open" in row.why.removeprefix("It opened")) == (state == "noted")


def test_alert_that_comes_again_graver_opens_then(story: Told) -> None:
    link = source_of()
    send(link, plain(severity="low"), plain(severity="medium"), plain(severity="critical"))
    (row,) = sweep()
    assert (row.state, row.severity, row.repeats) == ("opened", "critical", 2)


def test_alert_that_its_sender_closed_is_noted(story: Told) -> None:
    send(source_of(), finding(activity_id=3))
    (row,) = sweep()
    assert (row.state, row.why) == ("noted", "Its sender says that it is closed.")


def test_name_that_is_nobodys_or_several_waits_for_a_person(story: Told) -> None:
    other = Identity.objects.create(name="other", kind="agent", state="draft", created_at=NOW)
    (bound,) = Binding.objects.filter(actor__value=ARN)
    Binding.objects.create(
        identity=other,
        actor=bound.actor,
        basis="declared",
        state="confirmed",
        shared=True,
        during=(NOW - DAY, None),
        recorded_at=NOW,
        by="command",
    )
    link = source_of()
    send(link, plain("a", names=[STRANGER]), plain("b", names=[ARN]), plain("c", names=[]))
    # A binding that is over says nothing of an alert of today.
    Binding.objects.filter(actor__value=KEY).update(during=(NOW - 9 * DAY, NOW - 2 * DAY))
    send(link, plain("d", names=[KEY]))
    rows = sweep()
    assert {row.state for row in rows} == {"unmatched"}
    assert [row.why for row in rows[:3]] == [
        alerts.UNMATCHED,
        "Its names are of several identities: svc-report, other.",
        alerts.NOTHING_NAMED,
    ]
    assert Case.objects.count() == 0


def test_deposit_is_read_once_and_one_that_died_half_way_is_read_again(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = source_of()
    send(link, [plain("a"), plain("b")])
    taking = alerts._take

    def dies(one: Any, *said: Any, **more: Any) -> None:
        if one.uid == "b":
            raise RuntimeError("killed")
        taking(one, *said, **more)

    monkeypatch.setattr(alerts, "_take", dies)
    with pytest.raises(RuntimeError), transaction.atomic():
        alerts.read_next(now=NOW)
    assert (Alert.objects.count(), AlertDeposit.objects.count(), Case.objects.count()) == (0, 0, 0)
    monkeypatch.undo()
    assert [row.uid for row in sweep()] == ["a", "b"]
    assert not alerts.read_next(now=NOW)
    assert AlertDeposit.objects.get().alerts == 2


def test_file_by_hand_goes_the_same_way_and_what_is_wrong_in_it_is_kept_beside(
    story: Told,
) -> None:
    link = source_of()
    deposit = send(link, [finding("x"), finding("", evidences=[]), finding(number=6003)])
    (row,) = sweep()
    assert (row.uid, row.state) == ("x", "opened")
    read = AlertDeposit.objects.get(deposit_id=deposit)
    assert [place for place, _ in read.wrong] == ["[1]"]


def test_bytes_that_are_gone_are_said_and_stop_nobody(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = source_of()
    gone = send(link, plain("a"))
    send(link, plain("b"))
    unpack = bodies.unpack

    def missing(deposit: Any) -> bytes:
        if deposit.pk == gone:
            raise FileNotFoundError("no such body")
        return unpack(deposit)

    monkeypatch.setattr(bodies, "unpack", missing)
    assert [row.uid for row in sweep()] == ["b"]
    assert AlertDeposit.objects.get(deposit_id=gone).wrong[0][0] == "body"


def test_old_deposits_and_other_sources_are_not_read(story: Told) -> None:
    link = source_of()
    send(link, plain(), now=NOW - 15 * DAY)
    assert sweep() == []
    # CloudTrail's deposits of the story are nobody's alerts.
    assert AlertDeposit.objects.count() == 0


def sets(action: str, said: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "header": {"alg": "RS256"},
        "set": {
            "jti": f"jti-{number}",
            "iss": "https://idp.example.com",
            "aud": "us",
            "iat": 1_795_519_800,
            "sub_id": {"format": "uri", "uri": ARN},
            "events": {f"https://schemas.openid.net/secevent/caep/event-type/{action}": said},
        },
    }


SIGNALS = {
    "revoked": ("session-revoked", {}, "medium"),
    "key": ("credential-change", {"change_type": "revoke", "credential_type": "api-key"}, "medium"),
    "risk": ("risk-level-change", {"current_level": "HIGH"}, "high"),
    "calm": ("risk-level-change", {"current_level": "LOW"}, ""),
    "made": ("credential-change", {"change_type": "create", "credential_type": "api-key"}, ""),
    "presented": ("session-presented", {}, ""),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_signal_opens_one_where_its_source_says_so(story: Told, name: str) -> None:
    action, said, severity = SIGNALS[name]
    link = source_of("idp", opens="medium", connector="signals")
    send(link, sets(action, said, 1), format="signals")
    rows = sweep()
    assert [(row.state, row.severity, row.shape) for row in rows] == (
        [("opened", severity, "signal")] if severity else []
    )


def test_signals_of_a_source_that_does_not_say_so_are_not_read(story: Told) -> None:
    for opens in ("", "never"):
        link = source_of(f"idp-{opens}", opens=opens, connector="signals")
        send(link, sets("risk-level-change", {"current_level": "HIGH"}, 1), format="signals")
    assert sweep() == []
    assert AlertDeposit.objects.count() == 0


def test_alert_is_no_signal_to_ask_about(story: Told) -> None:
    """It lies on the plane of signals, and asks no micro-review of its own."""
    send(source_of(opens="never"), plain())
    judging.judge_all(now=NOW)
    asked: list[Trigger] = signal_questions.asks(None, NOW)  # type: ignore[arg-type]  # it asks nothing of it
    assert asked == []


def test_person_matches_what_nobody_could_and_dismisses_what_is_nothing(
    story: Told, rex: User
) -> None:
    link = source_of()
    send(link, plain("a", names=[STRANGER]), plain("b", names=[STRANGER]), plain("c", names=[]))
    one, two, three = sweep()
    case = alerts.match(alert=one, identity=story.identity, reason="its old key", by=rex, now=NOW)
    again = alerts.match(alert=two, identity=story.identity, reason="the same", by=rex, now=NOW)
    assert case == again
    change = alerts.dismiss(alert=three, reason="a test of the tool", by=story.rita, now=NOW)
    three.refresh_from_db()
    assert three.state == "unmatched"
    with pytest.raises(NotAllowed, match="You proposed it"):
        changes.sign(change=change, by=story.rita, now=NOW)
    changes.sign(change=change, by=rex, now=NOW)
    one, two, three = Alert.objects.order_by("number")
    assert [(row.state, row.state_by_name) for row in (one, two, three)] == [
        ("opened", "Rex"),
        ("joined", "Rex"),
        ("dismissed", "Rita and Rex"),
    ]
    acts = LedgerEntry.objects.filter(act__startswith="alert.").order_by("pk")
    assert [entry.subject for entry in acts] == [case.key, case.key, "source:siem"]
    assert [entry.words for entry in acts] == [
        f"Rex said that {one.key} is about svc-report: its old key",
        f"Rex said that {two.key} is about svc-report: the same",
        f"Rita and Rex said that {three.key} leads to nothing: a test of the tool",
    ]
    for row, words in ((one, "in an incident already"), (three, "was dismissed by Rita and Rex")):
        with pytest.raises(NotPossible, match=words):
            alerts.match(alert=row, identity=story.identity, reason="x", by=rex, now=NOW)
        with pytest.raises(NotPossible, match=words):
            alerts.dismiss(alert=row, reason="x", by=rex, now=NOW)


def test_alert_is_matched_by_two_with_whom_its_names_are_not_of(story: Told, rex: User) -> None:
    send(source_of(opens="never"), plain("a"), plain("b"))
    other, owner = (
        Identity.objects.create(name="decoy", kind="agent", created_at=NOW),
        story.identity,
    )
    one, two = sweep()
    assert (one.identity, one.state) == (owner, "noted")
    assert isinstance(
        alerts.match(alert=one, identity=owner, reason="it is", by=rex, now=NOW), Case
    )
    change = alerts.match(alert=two, identity=other, reason="its old key", by=rex, now=NOW)
    assert isinstance(change, ProposedChange)
    two.refresh_from_db()
    assert (two.state, change.lines[0][1].endswith("noted → in an incident of decoy")) == (
        "noted",
        True,
    )
    changes.sign(change=change, by=make_user("rob", "responder"), now=NOW)
    two.refresh_from_db()
    assert (two.state, two.identity) == ("opened", other)


def test_who_may_not_open_an_incident_matches_nothing(story: Told) -> None:
    send(source_of(), plain(names=[STRANGER]))
    (row,) = sweep()
    for user in (story.otto, story.ines, story.rita, make_user("gus", "owner")):
        with pytest.raises(NotAllowed):
            alerts.match(alert=row, identity=story.identity, reason="x", by=user, now=NOW)
    with pytest.raises(NotAllowed):
        alerts.dismiss(alert=row, reason="x", by=story.otto, now=NOW)
    assert sweep() == [row]
    assert Case.objects.count() == LedgerEntry.objects.filter(act__startswith="alert.").count() == 0


def test_alert_of_a_sealed_case_is_absent_for_everybody_else(story: Told, rex: User) -> None:
    send(source_of(), plain("a"), plain("b", names=[STRANGER]))
    first, second = sweep()
    assert first.case is not None
    Case.objects.filter(pk=first.case.pk).update(sealed=True)
    CaseMember.objects.create(case=first.case, person=person_of(rex), since=NOW)
    seen = {
        user.username: [row.uid for row in alert_rights.alerts(user, now=NOW).order_by("number")]
        for user in (rex, story.otto, story.rita, story.ines, make_user("gus", "owner"))
    }
    assert seen == {"rex": ["a", "b"], "otto": ["b"], "rita": ["b"], "ines": [], "gus": []}
    assert second.case is None
    # What comes later about the identity opens another, and does not tell that there is this one.
    send(source_of("later"), plain("z"))
    assert sweep()[-1].state == "opened"


class TestAtOnce:
    """Two workers at the same deposit, and a person beside them."""

    pytestmark = pytest.mark.django_db(transaction=True)

    def test_two_readers_of_one_deposit_make_one_incident(self, story: Told) -> None:
        link = source_of()
        assert story.identity.state == "active"
        send(link, [plain("a"), plain("b")])
        send(link, plain("a"))

        def work(_: int) -> None:
            try:
                while alerts.read_next(now=NOW):
                    pass
            finally:
                connection.close()

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, range(3)))
        rows = list(Alert.objects.order_by("uid"))
        assert [row.uid for row in rows] == ["a", "b"]
        assert sorted(row.state for row in rows) == ["joined", "opened"]
        assert rows[0].repeats == 1
        assert Case.objects.filter(door="incident").count() == 1
        assert AlertDeposit.objects.count() == 2


def test_opening_that_is_not_possible_is_noted_with_why(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(**_: Any) -> Any:
        raise NotPossible("not now")

    monkeypatch.setattr(opening, "open_or_join", refuses)
    send(source_of(), plain())
    (row,) = sweep(now=NOW + HOUR)
    assert (row.state, row.why, row.identity) == ("noted", "not now", story.identity)
    assert row.state_at == NOW + timedelta(hours=1)
