"""Campaigns: the dry run says what the launch does; a launch is killed, repeated and shared."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.models import Identity, Person, User
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.actions import policy_versions
from reviews.campaigns import launching, preview, progress, rows, steering
from reviews.models import Campaign, CampaignIdentity, Case, Item, Notice, Seat

from . import crowd
from .conftest import DAY, HOUR, NOW, make_user, party, person_of, tell_story

pytestmark = pytest.mark.django_db


@pytest.fixture
def rita(db: None) -> User:
    return make_user("rita", "reviewer")


def prepared(by: User, **more: Any) -> Campaign:
    said: dict[str, Any] = {"name": "Yearly", "scope": {}, "reason": "once a year", "now": NOW}
    return steering.make(policy=policy_versions.in_force(now=NOW), by=by, **(said | more))


def gather(count: int = 6, **more: Any) -> list[Identity]:
    owners = crowd.people(3)
    return crowd.identities(count, owners=owners, of=crowd.services(2, owners), **more)


def launched(by: User, *, now: Any = NOW, **more: Any) -> Campaign:
    campaign = launching.launch(campaign=prepared(by, **more), by=by, now=now, reason="go")
    drain(now=now)
    campaign.refresh_from_db()
    return campaign


def drain(*, now: Any = NOW) -> int:
    steps = 0
    while launching.launch_next(now=now):
        steps += 1
    return steps


def test_launch_does_what_the_dry_run_said(rita: User) -> None:
    gather(7)
    Identity.objects.create(name="empty", kind="agent", created_at=NOW)
    campaign = prepared(rita)
    dry = preview.look(campaign.policy, {}, now=NOW)
    launching.launch(campaign=campaign, by=rita, now=NOW, reason="go")
    assert Notice.objects.count() == 0
    drain()
    cases = Case.objects.filter(campaign=campaign)
    assert (dry.identities, dry.opened, dry.items) == (8, 8, 36)
    assert (cases.count(), Item.objects.filter(case__in=cases).count()) == (8, 36)
    told = {row.person_id for row in Notice.objects.filter(campaign=campaign.pk)}
    assert told == {one.person.pk for one in dry.asked}
    assert Notice.objects.count() == len(dry.asked)
    assert not CampaignIdentity.objects.filter(case=None).exists()
    campaign.refresh_from_db()
    assert (campaign.state, campaign.asked_at) == ("running", NOW)


def test_dry_run_counts_reviews_and_items_of_each_person(rita: User) -> None:
    owners = crowd.people(2)
    crowd.identities(4, owners=owners, of=crowd.services(2, owners))
    dry = preview.look(policy_versions.in_force(now=NOW), {}, now=NOW)
    # The AI system's owner is the second one; its identities are those of the first.
    assert {one.person.name: (one.reviews, one.items) for one in dry.asked} == {
        "owner 0000": (2, 10),
        "owner 0001": (4, 20),
    }


def test_dry_run_names_who_has_nobody_and_what_silence_does(rita: User) -> None:
    crowd.identities(3, owners=[], of=[])
    Identity.objects.filter(name="crowd-00000").update(mode="observe")
    dry = preview.look(policy_versions.in_force(now=NOW), {}, now=NOW)
    assert [(one.seat, one.many, len(one.identities)) for one in dry.vacant] == [
        ("identity owner", 3, 3)
    ]
    assert dry.silence == [
        ("it goes to the backups and the tie-breaker", 2),
        ("it is only noted: it is in observe mode", 1),
    ]


def test_dry_run_says_what_silence_does_by_tier_and_who_is_missing_in_open_reviews(
    rita: User,
) -> None:
    crowd.identities(3, owners=[], of=[])
    Identity.objects.update(mode="enforce")
    Identity.objects.filter(name="crowd-00000").update(criticality="low")
    Identity.objects.filter(name="crowd-00001").update(criticality="critical")
    policy = policy_versions.in_force(now=NOW)
    low = [{"after_hours": policy.decide_within_hours, "does": "narrow"}]
    policy.document = policy.document | {"ladder": {"low": low}}
    policy.silence = "suspend"
    dry = preview.look(policy, {}, now=NOW)
    assert sorted(many for _, many in dry.silence) == [1, 1, 1]
    later = policy.decide_within_hours + 20
    low += [{"after_hours": later, "does": "suspend"}, {"after_hours": later + 9, "does": "revoke"}]
    critical = [{"after_hours": later, "does": "replace"}]
    policy.document = policy.document | {"ladder": {"low": low, "critical": critical}}
    assert dict(preview.look(policy, {}, now=NOW).silence) == {
        "what was not seen in evidence is narrowed away; if still nobody decides, it is held, as a"
        " draft is, then what not every seat answered is revoked": 1,
        "it goes to the backups and the tie-breaker": 1,
        "it is held: it is a draft, and what never was active is not suspended": 1,
    }
    actions.open_review(
        identity=Identity.objects.get(name="crowd-00002"), by=rita, now=NOW, reason="now"
    )
    dry = preview.look(policy, {}, now=NOW)
    assert (dry.joined, [(one.seat, one.many) for one in dry.vacant]) == (
        1,
        [("identity owner", 3)],
    )


def test_dry_run_leaves_out_who_has_left_and_the_subject(rita: User) -> None:
    [gone, subject] = crowd.people(2)
    crowd.identities(1, owners=[gone], of=[])
    Person.objects.filter(party=gone).update(left_at=NOW - DAY)
    human = Identity.objects.create(
        name="owner1@example.org", kind="human", owner=subject, created_at=NOW
    )
    crowd._delegations([human], NOW)
    dry = preview.look(policy_versions.in_force(now=NOW), {}, now=NOW)
    assert (dry.asked, [(one.seat, one.many) for one in dry.vacant]) == (
        [],
        [("identity owner", 2)],
    )


@pytest.mark.parametrize(
    ("scope", "count"),
    [
        ({}, 5),
        ({"kinds": ["workload"]}, 0),
        ({"modes": ["ask"]}, 5),
        ({"services": ["service-0"]}, 3),
        ({"orphaned": True}, 0),
        ({"criticality": ["critical"]}, 1),
    ],
)
def test_scope_narrows_the_policy(rita: User, scope: dict[str, Any], count: int) -> None:
    gather(5)
    Identity.objects.filter(name="crowd-00003").update(criticality="critical")
    assert preview.look(policy_versions.in_force(now=NOW), scope, now=NOW).identities == count


def test_scope_that_cannot_be_read_is_refused(rita: User) -> None:
    with pytest.raises(NotPossible, match=r"scope\.kind"):
        prepared(rita, scope={"kind": ["agent"]})
    assert not Campaign.objects.exists()


def test_launch_in_a_scope_with_nobody_is_refused(rita: User) -> None:
    with pytest.raises(NotPossible, match="No identity is in this scope"):
        launching.launch(campaign=prepared(rita), by=rita, now=NOW, reason="go")


def test_open_review_joins_and_is_not_asked_twice() -> None:
    story = tell_story()
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
    told = Notice.objects.count()
    campaign = launched(story.rita, now=NOW + HOUR)
    assert [one.pk for one in campaign.cases.all()] == [case.pk]
    assert CampaignIdentity.objects.get().joined is True
    assert Notice.objects.count() == told


def test_proposed_review_is_sent_out_with_the_campaign() -> None:
    story = tell_story(mode="observe")
    from .test_opening import finding

    finding(story.identity, "left_task")
    assert actions.open_from_findings_next(now=NOW)
    campaign = launched(story.rita, now=NOW + HOUR)
    case = Case.objects.get()
    assert (case.state, case.campaign, case.opened_at) == ("open", campaign, NOW + HOUR)
    assert {row.person for row in Notice.objects.all()} == {
        person_of(story.ines),
        person_of(story.samuel),
    }


def test_review_of_another_running_campaign_stays_with_it(rita: User) -> None:
    gather(2)
    first, second = launched(rita), launched(rita, name="Again")
    assert (first.cases.count(), second.cases.count()) == (2, 0)
    assert {row.left_out for row in second.identities.all()} == {
        "it is being reviewed already, outside this campaign"
    }


def test_review_of_a_closed_campaign_joins_the_next(rita: User) -> None:
    gather(2)
    first = launched(rita)
    steering.close(campaign=first, by=rita, now=NOW, reason="done")
    second = launched(rita, name="Again")
    assert (first.cases.count(), second.cases.count()) == (0, 2)


def test_launch_killed_in_the_middle_goes_on_where_it_was(
    rita: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "BATCH", 4)
    gather(10)
    campaign = launching.launch(campaign=prepared(rita), by=rita, now=NOW, reason="go")
    assert launching.launch_next(now=NOW)
    with monkeypatch.context() as killed:
        # Dies after the cases of the batch are written and before it is committed.
        killed.setattr(CampaignIdentity.objects, "bulk_update", _die)
        with pytest.raises(KeyboardInterrupt):
            launching.launch_next(now=NOW)
    assert Case.objects.count() == 4
    drain(now=NOW + HOUR)
    assert Counter(Case.objects.values_list("identity", flat=True)).most_common(1)[0][1] == 1
    assert (campaign.cases.count(), Item.objects.count()) == (10, 50)
    assert LedgerEntry.objects.filter(act="campaign.asked").count() == 1


def _die(*args: Any, **kwargs: Any) -> None:
    raise KeyboardInterrupt


def test_launched_twice_is_refused_and_changes_nothing(rita: User) -> None:
    gather(3)
    campaign = launched(rita)
    told = Notice.objects.count()
    with pytest.raises(NotAllowed, match="is running: it cannot be launched"):
        launching.launch(campaign=campaign, by=rita, now=NOW, reason="go")
    assert drain(now=NOW + HOUR) == 0
    assert (Case.objects.count(), Notice.objects.count()) == (3, told)


@pytest.mark.django_db(transaction=True)
def test_two_workers_open_each_review_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "BATCH", 3)
    rita = make_user("rita", "reviewer")
    gather(20)
    campaign = launching.launch(campaign=prepared(rita), by=rita, now=NOW, reason="go")

    def work() -> int:
        try:
            return drain()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        steps = [one.result(timeout=60) for one in [pool.submit(work) for _ in range(2)]]
    drain()
    campaign.refresh_from_db()
    assert sum(steps) >= 7
    assert (Case.objects.count(), campaign.asked_at) == (20, NOW)
    assert LedgerEntry.objects.filter(act="case.opened").count() == 20
    assert LedgerEntry.objects.filter(act="campaign.asked").count() == 1


def test_batch_asks_the_same_of_the_database_for_few_and_many(rita: User) -> None:
    def queries(count: int) -> int:
        launching.launch(
            campaign=prepared(rita, name=str(count), scope={"criticality": [level[count]]}),
            by=rita,
            now=NOW,
            reason="go",
        )
        with CaptureQueriesContext(connection) as asked:
            assert launching.launch_next(now=NOW)
        return len(asked)

    level = {2: "low", 30: "high"}
    gather(32)
    # One of an AI system and one of none among them.
    few = Identity.objects.filter(name__in=["crowd-00000", "crowd-00001"])
    few.update(criticality="low")
    Identity.objects.exclude(criticality="low").update(criticality="high")
    assert queries(2) == queries(30)


def test_identity_that_retires_meanwhile_is_left_out(rita: User) -> None:
    [one] = gather(1)
    launching.launch(campaign=prepared(rita), by=rita, now=NOW, reason="go")
    Identity.objects.filter(pk=one.pk).update(state="retired")
    drain()
    assert (Case.objects.count(), CampaignIdentity.objects.get().left_out) == (0, launching.RETIRED)


def test_granting_owner_gets_a_second_approver_in_a_campaign_too(rita: User) -> None:
    owner = party(make_user("olga", "owner"))
    [one] = crowd.identities(1, owners=[owner], of=[])
    one.delegations.update(grantor=owner)
    launched(rita)
    assert Seat.objects.filter(kind="second").count() == 1


@pytest.mark.parametrize(
    ("group", "why"),
    [
        ("reviewer", None),
        ("administrator", None),
        ("responder", "Only a reviewer or an administrator may run a campaign."),
        ("owner", "Only a reviewer or an administrator may run a campaign."),
        ("auditor", "You are an auditor: auditors read everything and change nothing."),
    ],
)
def test_why_not_run_by_group(db: None, group: str, why: str | None) -> None:
    assert rows.why_not_run(make_user("someone", group)) == why


@pytest.mark.parametrize(
    ("group", "sees"),
    [("reviewer", True), ("responder", True), ("auditor", True), ("owner", False)],
)
def test_why_not_see_by_group(db: None, group: str, sees: bool) -> None:
    assert (rows.why_not_see(make_user("someone", group)) is None) is sees


GRID = {
    "why_not_launch": {"draft"},
    "why_not_pause": {"running"},
    "why_not_resume": {"paused"},
    "why_not_extend": {"running", "paused"},
    "why_not_reiterate": {"running"},
    "why_not_close": {"draft", "running", "paused"},
}


@pytest.mark.parametrize("state", ["draft", "running", "paused", "closed"])
@pytest.mark.parametrize("verb", GRID)
def test_why_not_by_state(rita: User, verb: str, state: str) -> None:
    campaign = prepared(rita)
    campaign.state, campaign.asked_at = state, NOW
    why = getattr(rows, verb)(rita, campaign)
    assert (why is None) is (state in GRID[verb])
    assert why is None or f"is {state}" in why


def test_progress_counts_by_seat_party_and_person(db: None, sign: Any) -> None:
    story = tell_story()
    campaign = launched(story.rita)
    case = Case.objects.get()
    sign(case, "credential", story.ines, "keep")
    done = progress.count(campaign, now=NOW)
    assert [(one.seat, one.answered, one.items) for one in done.seats] == [
        ("identity_owner", 1, 2),
        ("ai_owner", 0, 2),
    ]
    parties, persons = progress.names(done.parts)
    assert {
        (one.seat, parties[one.party], one.person and persons[one.person], one.answered)
        for one in done.parts
        if one.party is not None
    } == {("identity_owner", "Ines", "Ines", 1), ("ai_owner", "Samuel", "Samuel", 0)}
    sign(case, "credential", story.samuel, "keep", seat="ai_owner")
    assert (progress.count(campaign, now=NOW).decided, done.decided) == (1, 0)


def test_progress_is_counted_when_its_time_comes(rita: User) -> None:
    gather(2)
    campaign = launched(rita)
    assert progress.count_next(now=NOW)
    assert not progress.count_next(now=NOW)
    campaign.refresh_from_db()
    found = progress.read(campaign)
    assert (found.at, found.identities, found.opened, found.items) == (NOW, 2, 2, 10)
    assert progress.count_next(now=NOW + HOUR)


def test_progress_has_one_line_for_a_person_whether_they_have_begun_or_not(
    db: None, sign: Any
) -> None:
    story = tell_story()
    crowd.identities(1, owners=[party(story.ines)], of=[])
    campaign = launched(story.rita)
    sign(Case.objects.get(identity=story.identity), "credential", story.ines, "keep")
    lines = [one for one in progress.count(campaign, now=NOW).parts if one.seat == "identity_owner"]
    assert [(one.reviews, one.answered) for one in lines] == [(2, 1)]
