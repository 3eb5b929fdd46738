"""What alerts say: each shape, whom it names, and what is said of what is none."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from evidence.formats.record import ActorName, Asked
from reviews.incidents import alert_shapes
from reviews.incidents.alert_shapes import Read
from tests.reviews.conftest import ACCOUNT, ARN, KEY

from .alerted import finding, plain, sigma

ASKED = Asked(source="siem", digest_key=b"k" * 32, realms=frozenset(), keep_content=False)
BY_KEY = ActorName("aws", "access_key", KEY, None)
BY_ARN = ActorName(f"aws:{ACCOUNT}", "arn", ARN, None)
OKTA = {"realm": "okta:acme", "kind": "app", "value": "0oa1"}


def read(body: Any) -> Read:
    return alert_shapes.read(body if isinstance(body, bytes) else json.dumps(body).encode(), ASKED)


def test_small_shape_says_everything() -> None:
    (one,) = read(plain(names=[KEY, ARN, OKTA])).alerts
    assert one == alert_shapes.Alerted(
        0,
        "a-1",
        "plain",
        "unknown-network",
        "Key used from an unknown network",
        "high",
        datetime(2026, 11, 24, 11, 30, tzinfo=UTC),
        (BY_KEY, BY_ARN, ActorName("okta:acme", "app", "0oa1", None)),
    )


def test_sigma_hit_names_whom_the_matched_record_names() -> None:
    (one,) = read(sigma()).alerts
    assert (one.uid, one.shape, one.title, one.severity) == (
        "hit-1",
        "sigma",
        "S3 data read at night",
        "high",
    )
    assert one.rule == "8a63cdd4-6207-414a-85bc-7e032bd3c1a2"
    assert set(one.names) == {BY_KEY, BY_ARN}
    flat = {name: said for name, said in sigma().items() if name not in ("rule", "id")}
    (one,) = read(flat | {"rule_id": "r", "rule_title": "T", "level": "informational"}).alerts
    assert (one.rule, one.title, one.severity) == ("r", "T", "low")
    assert one.uid == "r 00000000-0000-4000-8000-000000000009"


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (finding(), [BY_ARN]),
        (finding(number=2008, evidences=[], user={"uid": ARN, "type_id": 4}), [BY_ARN]),
        (finding(evidences=[], actor={"user": {"credential_uid": KEY}}), [BY_KEY]),
        (finding(evidences=[], resources=[{"uid": ARN}, {"uid": "arn:aws:s3:::x"}]), [BY_ARN]),
        # A SIEM's own word for somebody is a name of the SIEM's realm, and of nobody else's.
        (
            finding(
                evidences=[{"actor": {"user": {"name": "svc-report"}}}],
                metadata={"version": "1.6.0", "product": {"name": "ES", "vendor_name": "Splunk"}},
                cloud={},
            ),
            [ActorName("splunk", "user", "svc-report", None)],
        ),
        (finding(evidences=[]), []),
    ],
    ids=["evidence", "user", "key", "resource", "siem", "nobody"],
)
def test_finding_of_ocsf_names_its_actors(made: dict[str, Any], names: list[ActorName]) -> None:
    (one,) = read(made).alerts
    assert [name._replace(parent=None) for name in one.names] == names
    assert (one.uid, one.title, one.severity, one.rule) == (
        "f-1",
        "Anomalous read",
        "high",
        "Exfiltration",
    )


def test_incident_of_ocsf_is_known_by_its_own_number_and_a_closed_one_is_over() -> None:
    made = finding(number=2005, activity_id=3)
    made["finding_info_list"] = [made.pop("finding_info")]
    made["metadata"] = made["metadata"] | {"uid": "inc-7"}
    (one,) = read(made).alerts
    assert (one.uid, one.title, one.over) == ("inc-7", "Anomalous read", True)


def test_bodies_of_several_are_read_however_they_are_put_together() -> None:
    several = [plain("a"), sigma("b"), finding("c")]
    lines = b"\n".join(json.dumps(one).encode() for one in several)
    for body in (several, {"alerts": several}, {"records": several}, lines):
        assert [one.uid for one in read(body).alerts] == ["a", "b", "c"]


def test_what_attackers_wrote_is_one_line_of_visible_text_and_cut() -> None:
    said = "a\x00b\r\n<script>\u202e" + "x" * 5_000
    (one,) = read(plain(title=said, alert_id=said)).alerts
    assert one.title.startswith("a b <script>")
    assert (len(one.title), len(one.uid)) == (300, 300)
    assert one.title.isprintable()


WRONG: dict[str, tuple[Any, str]] = {
    "empty": (b" ", "body: it is empty"),
    "no json": (b"{", "body: line 1 is no JSON"),
    "text": ("hello", "[0]: is no JSON object"),
    "something": ({"a": 1}, "[0]: is no alert: it has neither class_uid"),
    "no title": (plain(title=""), "[0]: title is missing"),
    "severity": (plain(severity="awful"), "[0]: severity is none of unknown, low"),
    "level": (sigma(rule={"id": "x", "title": "T"}), "[0]: rule.level is none of"),
    "time": (plain(time="soon"), "[0]: time is no time"),
    "no time": ({k: v for k, v in plain().items() if k != "time"}, "[0]: time is no time"),
    "names": (plain(names="x"), "[0]: names is no list of at most 20"),
    "name": (plain(names=[KEY, "svc-report"]), "[0]: names[1] is neither an access key"),
    "part": (plain(names=[OKTA | {"realm": 3}]), "[0]: names[0] is neither"),
    "no uid": (plain(alert_id=""), "[0]: alert_id is missing"),
    "no hit": (sigma(id=None, event={}), "[0]: id is missing"),
    "no finding": (finding(uid=""), "[0]: finding_info.uid is missing"),
    "second": ([plain(), 7], "[1]: is no JSON object"),
    "nested": (b"[" * 2_000 + b"]" * 2_000, "body: line 1 is no JSON"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_alert_is_said_with_its_place_and_loses_nothing_beside(name: str) -> None:
    body, words = WRONG[name]
    found = read(body)
    assert len(found.alerts) == (1 if name == "second" else 0)
    (wrong,) = found.wrong
    assert f"{wrong.place}: {wrong.what}".startswith(words)


def test_events_among_them_are_no_alerts_and_more_than_may_be_is_said() -> None:
    found = read([finding(number=6003), plain()])
    assert (len(found.alerts), found.others, found.wrong) == (1, 1, [])
    found = read([plain(str(n)) for n in range(alert_shapes.MOST + 1)])
    assert (len(found.alerts), len(found.wrong)) == (alert_shapes.MOST, 1)
