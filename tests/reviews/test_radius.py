"""The blast radius: what it says, what it does not claim, to whom, and in how much room."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from evidence.keys import key_of
from evidence.models import Actor, Event, Gap, Issuance, Source
from identities import radius
from identities.models import (
    Binding,
    Credential,
    Delegation,
    DelegationVersion,
    Identity,
    Revocation,
    User,
)
from identities.radius import Radius, rows, starting, touched
from reviews import actions
from reviews.incidents import opening
from reviews.pages import radius as radius_page
from reviews.pages import radius_drawing
from reviews.pages.radius_drawing import MOST, Node

from .conftest import DAY, HOUR, NOW, Told, ingest, make_user, record

pytestmark = pytest.mark.django_db


def of_key(told: Told, user: User | None = None, *, at: datetime = NOW) -> Radius:
    start = starting.of_credential(told.credential, at=at)
    return radius.of(start, user or told.rita, now=NOW, live=at == NOW)


def of_identity(told: Told, user: User | None = None, *, at: datetime = NOW) -> Radius:
    start = starting.of_identity(told.identity, at=at)
    return radius.of(start, user or told.rita, now=NOW, live=at == NOW)


def named(found: Radius, relation: str) -> list[str]:
    return sorted(row.name for row in found.rows[relation])


def minted(told: Told, value: str, by: Actor, *, identity: Identity | None = None,
           standing: bool = True, at: datetime = NOW - HOUR / 2, ends: datetime | None = None,
           to: Actor | None = None) -> Credential:  # fmt: skip
    """A credential that was issued with another, as evidence states it."""
    actor = Actor.objects.create(
        key=key_of("aws", "access_key", value), realm="aws", kind="access_key", value=value, created_at=at
    )  # fmt: skip
    Issuance.objects.create(
        at=at, event_id=actor.pk, credential=actor, by_credential=by, issued_to=to,
        standing=standing, expires_at=ends, deposit_id=1,
    )  # fmt: skip
    one = Credential.objects.create(
        actor=actor, identity=identity or told.identity, kind="access_key", standing=standing,
        issued_at=at, expires_at=ends, state_at=at,
    )  # fmt: skip
    one.refresh_from_db()
    return one


def other(told: Told, name: str, **said: Any) -> Identity:
    """Another identity, which Ines does not answer for."""
    one = Identity.objects.create(
        **{"name": name, "kind": "agent", "created_at": NOW - DAY, **said}
    )
    one.refresh_from_db()
    return one


def passed_on(told: Told, to: Identity) -> Delegation:
    """Part of the story's delegation, held by somebody else."""
    row = Delegation.objects.create(grantee=to, parent=told.delegation, created_at=NOW)
    row.refresh_from_db()
    DelegationVersion.objects.create(
        delegation=row, version=1, state="in_force", imported=True, actions=["s3:GetObject"],
        resources=["invoices/*"], during=(NOW - DAY, None), recorded_at=NOW - DAY, by="test",
    )  # fmt: skip
    return row


@pytest.mark.parametrize(
    ("state", "ends", "effective", "expected"),
    [
        ("active", None, None, ("lives", "still works")),
        ("active", NOW + HOUR, None, ("lives", "works until 24 Nov 13:00")),
        ("active", NOW, None, ("dead", "over by its own end")),
        ("revoked", None, None, ("lives", "revoked, not shown to be dead")),
        ("revoked", None, NOW + HOUR, ("lives", "revoked, not shown to be dead")),
        ("revoked", None, NOW, ("dead", "proved dead")),
        ("held", None, None, ("lives", "held, not revoked")),
    ],
)
def test_dead_is_what_was_proved_by_then(
    state: str, ends: datetime | None, effective: datetime | None, expected: tuple[str, str]
) -> None:
    assert rows.life(state, expires_at=ends, effective_at=effective, at=NOW) == expected


def test_what_was_minted_is_followed_and_a_loop_ends(story: Told) -> None:
    role = Actor.objects.create(
        key=key_of("aws", "arn", "arn:aws:iam::1:role/r"), realm="aws:1", kind="arn",
        value="arn:aws:iam::1:role/r", created_at=NOW,
    )  # fmt: skip
    session = minted(story, "ASIAEXAMPLE000000001", story.credential.actor, standing=False,
                     ends=NOW - HOUR / 4, to=role)  # fmt: skip
    second = minted(story, "AKIAEXAMPLE000000002", session.actor)
    # The second one makes the first key again, as a log of somebody's making may say.
    Issuance.objects.create(at=NOW - HOUR / 3, event_id=7, credential=story.credential.actor,
                            by_credential=second.actor, standing=True, deposit_id=1)  # fmt: skip
    found = of_key(story)
    assert [(row.ref, row.kind, row.life, row.through) for row in found.rows["minted"]] == [
        (session.key, "session", "dead", story.credential.actor_id),
        (second.key, "credential", "lives", session.actor_id),
    ]
    assert [(row.name, row.count) for row in found.rows["assumed"]] == [("role/r", 1)]
    Revocation.objects.create(
        identity=story.identity, credential=second, step="revoke", system="aws", target={},
        words="Delete", state="effective", requested_at=NOW, requested_by="test", not_before=NOW,
        effective_at=NOW - HOUR / 5,
    )  # fmt: skip
    again = {row.ref: row.life for row in of_key(story).rows["minted"]}
    before = {row.ref: row.life for row in of_key(story, at=NOW - HOUR / 4.5).rows["minted"]}
    assert (again[second.key], before[second.key]) == ("dead", "lives")


@pytest.mark.parametrize(
    ("said", "gap", "state", "words"),
    [
        ({}, None, "no_evidence", "completeness of cloudtrail is not known"),
        ({"completeness": "declared"}, None, "no_evidence", "not known"),
        ({"completeness": "declared", "watermark": NOW}, None, "reachable", "not touched"),
        ({"completeness": "declared", "watermark": NOW - HOUR}, None, "no_evidence", "only up to"),
        ({"completeness": "declared", "watermark": NOW, "sampling": 0.5}, None, "no_evidence", "50%"),
        (
            {"completeness": "declared", "watermark": NOW},
            (NOW - HOUR / 2, NOW - HOUR / 3),
            "no_evidence",
            "cloudtrail was silent from 24 Nov 11:30",
        ),
    ],
)  # fmt: skip
def test_not_touched_is_said_only_where_evidence_is_complete(
    story: Told, said: dict[str, Any], gap: tuple[datetime, datetime] | None, state: str, words: str
) -> None:
    Source.objects.update(**({"completeness": "", "watermark": None} | said))
    if gap is not None:
        Gap.objects.create(source=Source.objects.get(), during=gap, reason="x", recorded_at=NOW)
    found = of_key(story)
    (reports,) = [row for row in found.rows["reachable"] if row.kind == "delegation"]
    assert (reports.name, reports.state) == ("reports/*", state)
    assert words in reports.note
    # What was touched under a pattern is not said to be out of reach of evidence.
    assert named(found, "touched") == ["invoices/*"]


def test_others_of_a_shared_key_are_counted_for_whom_may_not_see_them(story: Told) -> None:
    sibling = other(story, "sibling", service=story.service)
    thief = other(story, "thief")
    Binding.objects.filter(actor=story.credential.actor).update(shared=True)
    Binding.objects.create(
        identity=thief, actor=story.credential.actor, basis="declared", state="confirmed", shared=True,
        during=(NOW - DAY, None), recorded_at=NOW, by="test",
    )  # fmt: skip
    grant = passed_on(story, thief)
    all_ = of_key(story)
    assert (named(all_, "shares"), all_.others) == (["thief"], 0)
    assert [row.strength for row in all_.rows["shares"]] == ["one of"]
    assert named(all_, "same_system") == [sibling.name]
    assert named(all_, "passed_on") == [f"{grant.key} to thief"]
    assert named(all_, "depends") == ["Quarterly reporting", "thief", "thief"]
    mine = of_key(story, story.ines)
    assert (named(mine, "shares"), mine.others) == ([], 1)
    assert named(mine, "same_system") == named(mine, "passed_on") == []
    assert named(mine, "depends") == ["Quarterly reporting"]


def test_what_a_key_made_for_others_is_named_and_no_more(story: Told) -> None:
    theirs = minted(
        story, "AKIAEXAMPLE000000003", story.credential.actor, identity=other(story, "x")
    )
    (row,) = of_key(story, story.ines).rows["minted"]
    assert (row.name, row.ref, row.life, row.life_note) == (
        "AKIA…0003",
        "",
        "",
        "belongs to others",
    )
    (seen,) = of_key(story).rows["minted"]
    assert (seen.ref, seen.life) == (theirs.key, "lives")


def test_calls_under_findings_never_drop_out_of_a_busy_key(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest([record(90, "GetObject", "hr-records/salaries.csv", NOW - 3 * HOUR)])
    ingest([record(100 + n, "GetObject", f"invoices/x{n}.pdf", NOW - HOUR / 2) for n in range(9)])
    monkeypatch.setattr(touched, "MOST_READ", 4)
    found = of_key(story)
    counts = {row.name: (row.count, row.outside, row.least) for row in found.rows["touched"]}
    assert counts["hr-records/salaries.csv"] == (1, 1, True)
    assert counts["invoices/*"] == (4, 0, True)
    assert "newest 4 calls" in found.notes[0]


@pytest.mark.parametrize("at", [NOW, NOW - HOUR, NOW - 2 * DAY])
def test_identity_is_counted_alike_by_its_roll_up_and_by_its_events(
    story: Told, monkeypatch: pytest.MonkeyPatch, at: datetime
) -> None:
    """Whatever the way, the count is that of the events by then."""
    ingest(
        [record(200 + n, "GetObject", f"invoices/y{n}.pdf", NOW - n * DAY / 2) for n in range(1, 9)]
    )

    def counts() -> dict[tuple[str, str], tuple[int | None, datetime | None]]:
        return {(row.action, row.ref): (row.count, row.last_at)
                for row in of_identity(story, at=at).rows["touched"]}  # fmt: skip

    read = counts()
    assert sum(count or 0 for count, _ in read.values()) == Event.objects.filter(at__lte=at).count()
    monkeypatch.setattr(touched, "MOST_OF_IDENTITY", 1)
    assert counts() == read


def test_sealed_case_adds_nothing(story: Told) -> None:
    before = of_identity(story).all()
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="quietly")
    case.sealed = True
    case.save(update_fields=["sealed"])
    assert of_identity(story).all() == before


def test_pages_walk_every_row_once(story: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radius_page, "PER_PAGE", 4)
    for number in range(11):
        # Two at each time: the key decides between them.
        minted(story, f"AKIAEXAMPLE10000{number:04d}", story.credential.actor,
               at=NOW - HOUR - timedelta(minutes=number // 2))  # fmt: skip
    found = of_key(story)
    walked: list[str] = []
    asked = {"show": "minted"}
    for _ in range(4):
        (table,) = radius_page.context(found, asked, live=True)["tables"]
        walked += [row["name"] for row in table["rows"]]
        if not table["next_url"]:
            break
        after = radius_page._cursor(found.rows["minted"][len(walked) - 1])
        asked = {"show": "minted", "after": after}
    assert walked == [row.name for row in found.rows["minted"]]
    assert len(set(walked)) == 11
    # What is no place begins at the beginning.
    (table,) = radius_page.context(found, {"show": "minted", "after": "x"}, live=True)["tables"]
    assert table["rows"][0]["name"] == walked[0]


def test_column_of_many_folds_by_kind_and_keeps_what_matters() -> None:
    made = [Node(f"r{n}", "resource", "touched", f"file {n}", "", rank=2) for n in range(40)]
    made += [Node("bad", "resource", "outside", "hr", "", rank=0)]
    made += [Node(f"d{n}", "delegation", "reachable", f"DLG-{n}", "", rank=2) for n in range(5)]
    drawn = radius_drawing.layout(Node("start", "credential", "touched", "K", ""), [[], made, []])
    shown = [one for one in drawn["nodes"] if one["id"] != "start"]
    assert len(shown) == len(drawn["edges"]) == MOST
    assert "bad" in {one["id"] for one in shown}
    folded = {one["name"] for one in shown if one["id"].startswith("more-")}
    assert folded == {"31 more resources", "5 more delegations"}
    # No node lies on another, and all of it inside the drawing.
    places = {(one["x"], one["y"]) for one in drawn["nodes"]}
    assert len(places) == MOST + 1
    assert max(one["y"] + one["h"] for one in drawn["nodes"]) <= drawn["height"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("", 200),
        ("credential:CRED-x", 400),
        ("password:1", 400),
        ("credential:CRED-999999", 404),
        ("identity:NHI-9999", 404),
        ("run:RUN-1", 404),
        ("address:203.0.113.99", 404),
        ("address:198.51.100.7", 200),
    ],
)
def test_start_that_is_none_is_said(story: Told, client: Client, asked: str, status: int) -> None:
    client.force_login(story.rita)
    assert client.get("/radius/", {"from": asked} if asked else {}).status_code == status
    expected = 400 if not asked else status
    assert client.get("/api/radius/", {"from": asked}).status_code == expected


def test_radius_of_others_is_absent_in_every_shape(story: Told, client: Client) -> None:
    client.force_login(make_user("gus", "owner"))
    begins = [f"credential:{story.credential.key}", f"identity:{story.identity.key}",
              "address:198.51.100.7"]  # fmt: skip
    for one in begins:
        for path in ("/radius/", "/radius.csv", "/radius.json", "/api/radius/"):
            assert client.get(path, {"from": one}).status_code == 404
    key = story.identity.key
    for path in (f"/identities/{key}/authority/", f"/api/identities/{key}/authority/"):
        assert client.get(path).status_code == 404


def test_authority_is_asked_for_by_two_moments(story: Told, client: Client) -> None:
    client.force_login(story.ines)
    key, recorded = story.identity.key, NOW - DAY
    before = (NOW - 5 * DAY).isoformat()

    def granted(**asked: str) -> list[str]:
        answer = client.get(f"/api/identities/{key}/authority/", asked)
        assert answer.status_code == 200
        return [row["delegation"] for row in answer.json()["delegations"]]

    assert granted(at=before) == [story.delegation.key]
    assert granted(at=before, known_at=before) == []
    assert granted(at=before, known_at=recorded.isoformat()) == [story.delegation.key]
    page = client.get(f"/identities/{key}/authority/", {"at": before, "known_at": before})
    assert "No authority was delegated" in page.content.decode()
    assert (
        story.delegation.key
        in client.get(f"/identities/{key}/authority/", {"at": before}).content.decode()
    )
    wrong = client.get(f"/api/identities/{key}/authority/", {"known_at": "soon"})
    assert wrong.status_code == 400
    assert "known_at: write a moment" in wrong.content.decode()


def test_room_of_an_incident_draws_its_identity_s(story: Told, client: Client) -> None:
    theirs = minted(story, "AKIAEXAMPLE000000009", story.credential.actor)
    case, _ = opening.open_or_join(
        identity=story.identity, title="Leaked", reason="in a log", by=story.ines, now=NOW
    )
    client.force_login(story.ines)
    here, part = f"/cases/{case.key}/room/", {"HX-Request": "true"}
    assert "radius/?from=identity:" in client.get(here).content.decode()
    page = client.get(f"{here}?part=radius", headers=part).content.decode()
    assert f'Blast radius</h2><span class="cs-muted">of {story.identity.name}' in page
    assert f'href="/credentials/{theirs.key}/" aria-label="Became, AKIA…0009' in page
    case.identity = None
    assert radius_page.of_case(case, story.rita, {}, now=NOW) == {"radius": None}
