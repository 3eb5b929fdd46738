"""What was done beside what was given, from real evidence; and what cuts it off by itself."""

from typing import Any

import pytest

from evidence import capsules
from evidence.models import LedgerEntry, Source
from identities.actions import grants
from identities.models import Finding, Grant, GrantSession
from reviews.break_glass import comparing, reviewing, sweeping
from reviews.models import Case, Notice
from reviews.pages import answers, line, line_data
from reviews.pages.dossier import dossier
from tests.reviews.conftest import NOW, Told, ingest, record

from .conftest import MINUTE, SECOND, Company, at_target, fresh, opened, put_in_force

pytestmark = pytest.mark.django_db


@pytest.fixture
def case(company: Company, story: Told) -> Case:
    """Given to the story's identity, whose evidence there is; deleting is on its deny list."""
    put_in_force(
        "story", company.rita, company.root, holder=story.identity.key, deny=["s3:DeleteObject"]
    )
    case = opened(company, slug="story")
    at_target(case, "usable", NOW)
    return case


def call(number: int, name: str, resource: str, minutes: float) -> dict[str, Any]:
    return record(100 + number, name, resource, NOW + minutes * MINUTE)


def compared(case: Case, now: Any = NOW + 30 * MINUTE) -> comparing.Compared:
    return comparing.compare(fresh(case).break_glass, now=now)


def test_each_call_is_in_scope_out_of_it_or_unexplained(case: Case) -> None:
    ingest(
        [
            call(1, "GetObject", "reports/1.pdf", 1),
            call(2, "GetObject", "secrets/1.pdf", 2),
            call(3, "GetObject", "invoices/9.pdf", 3),
            # Before it opened: not of this use.
            call(4, "GetObject", "secrets/0.pdf", -30),
        ],
        now=NOW + 10 * MINUTE,
    )
    found = compared(case)
    said = [(one.action, one.resource, one.scope, one.why) for one in found.calls]
    assert [(one[1].rpartition("::")[2], one[2]) for one in said] == [
        ("invoices/9.pdf", "in_scope"),
        ("secrets/1.pdf", "out_of_scope"),
        ("reports/1.pdf", "in_scope"),
    ]
    assert said[0][3] == "by authority that it has anyway"
    assert found.counts() == {"in_scope": 2, "out_of_scope": 1, "unexplained": 0}


def test_calls_count_under_the_grant_on_the_page_of_the_identity(case: Case, story: Told) -> None:
    ingest(
        [
            call(1, "GetObject", "reports/1.pdf", 1),
            call(2, "GetObject", "secrets/1.pdf", 2),
            # It may read invoices anyway.
            call(3, "GetObject", "invoices/9.pdf", 3),
        ],
        now=NOW + 10 * MINUTE,
    )
    key = fresh(case).break_glass.delegation.key
    for minutes, over in ((20, False), (120, True)):
        now = NOW + minutes * MINUTE
        d = dossier(story.identity, now=now)
        (given,) = d.emergency
        assert (given.words, given.over) == ("1 call under it, 1 call beside it", over)
        assert given.done == {("s3:GetObject", "reports/*"): 1}
        (fact,) = [one for one in answers.authority(d)["facts"] if one["label"] == "Break-glass"]
        assert "1 call under it, 1 call beside it" in fact["words"]
        assert ("ended" in fact["words"]) == over
        shown = line.context(story.identity, story.otto, now=now, at=None)
        (row,) = [one for one in shown["delegations"] if one["key"] == key]
        assert (row["used"], row["case_key"]) == (given.words, case.key)
        data = line_data.as_data(d)["what_authority"]["break_glass"]
        assert [(one["delegation"], one["calls"], one["calls_beside"]) for one in data] == [
            (key, 1, 1)
        ]


def test_no_evidence_is_said_and_is_not_unused(case: Case) -> None:
    assert compared(case).missing == "no evidence of it has come: that is not the same as not used"
    ingest([call(1, "GetObject", "reports/1.pdf", 1)], now=NOW + 2 * MINUTE)
    assert "whether evidence of cloudtrail is complete is not known" in compared(case).missing
    Source.objects.update(watermark=NOW + 5 * MINUTE, completeness="declared")
    assert (
        compared(case).missing == "evidence of cloudtrail is known up to 24 Nov 12:05:00 UTC only"
    )
    Source.objects.update(watermark=NOW + 30 * MINUTE)
    assert compared(case).missing == ""


def test_what_a_session_of_it_did_is_its_own_whatever_else_is_allowed(case: Case) -> None:
    ingest([call(1, "GetObject", "invoices/9.pdf", 1)], now=NOW + 2 * MINUTE)
    assert compared(case).calls[0].scope == "in_scope"
    GrantSession.objects.create(
        grant=Grant.objects.get(case=case.pk),
        name="x",
        credential="AKIAEXAMPLEQP7D00001",
        minted_at=NOW,
        minted_by="x",
        lives_until=NOW + 60 * MINUTE,
    )
    (one,) = compared(case).calls
    assert (one.exact, one.scope) == (True, "out_of_scope")


def test_what_the_bundle_denies_is_cut_off_by_itself_once(case: Case) -> None:
    ingest([call(1, "GetObject", "reports/1.pdf", 1)], now=NOW + 2 * MINUTE)
    sweeping.watch(now=NOW + 2 * MINUTE)
    assert Grant.objects.get(case=case.pk).ending_at is None
    ingest([call(2, "DeleteObject", "reports/1.pdf", 3)], now=NOW + 4 * MINUTE)
    for _ in range(2):
        sweeping.watch(now=NOW + 4 * MINUTE)
    grant = Grant.objects.get(case=case.pk)
    assert (grant.ended_by_name, "s3:DeleteObject" in grant.ended_reason) == ("Countersign", True)
    assert LedgerEntry.objects.filter(act="break_glass.cut_off").count() == 1
    told = Notice.objects.filter(occasion=f"{case.key} denied seen", person__isnull=False)
    assert told.count() > 4


def test_a_finding_while_it_is_open_is_on_the_case_and_told_at_once(
    case: Case, company: Company
) -> None:
    ingest([call(1, "GetObject", "secrets/1.pdf", 1)], now=NOW + 2 * MINUTE)
    found = Finding.objects.get(opened_at__gte=NOW)
    for _ in range(2):
        sweeping.watch(now=NOW + 2 * MINUTE)
    assert list(case.findings.all()) == [found]
    told = Notice.objects.filter(occasion=f"{case.key} finding {found.key}")
    assert company.sara.person_id in told.values_list("person", flat=True)


def test_the_first_use_in_evidence_starts_its_clock(company: Company, story: Told) -> None:
    put_in_force(
        "first",
        company.rita,
        company.root,
        holder=story.identity.key,
        clock="first_use",
        use_within_minutes=30,
    )
    case = opened(company, slug="first", minutes=20)
    grant = Grant.objects.get(case=case.pk)
    assert grant.ends_at == NOW + 50 * MINUTE
    at_target(case, "usable", NOW)
    ingest([call(1, "GetObject", "reports/1.pdf", 5)], now=NOW + 6 * MINUTE)
    for _ in range(2):
        sweeping.watch(now=NOW + 6 * MINUTE)
    (seen,) = grants.state_of(case.pk, now=NOW + 6 * MINUTE)
    assert (seen.grant.first_used_at, seen.ends_at) == (NOW + 5 * MINUTE, NOW + 25 * MINUTE)


def test_what_came_after_it_was_read_is_read_before_it_is_closed(
    case: Case, company: Company
) -> None:
    seen = reviewing.digest(compared(case, NOW + 20 * MINUTE))
    at_target(case, "ended", NOW + 10 * MINUTE)
    while sweeping.due_next(now=NOW + 20 * MINUTE):
        pass
    ingest([call(1, "GetObject", "secrets/1.pdf", 5)], now=NOW + 21 * MINUTE)
    with pytest.raises(Exception, match="Evidence has come since you read it"):
        reviewing.close(
            case=case,
            kind="emergency",
            words="matched",
            read=seen,
            by=company.rita,
            now=NOW + 22 * MINUTE,
        )
    seen = reviewing.digest(compared(case, NOW + 22 * MINUTE))
    with pytest.raises(Exception, match="calls lie outside"):
        reviewing.close(
            case=case, kind="drill", words="x", read=seen, by=company.rita, now=NOW + 22 * MINUTE
        )
    reviewing.close(
        case=case,
        kind="misuse",
        words="read a secret",
        follow_ups=["rotate it"],
        read=seen,
        by=company.rita,
        now=NOW + 22 * MINUTE,
    )
    glass = fresh(case).break_glass
    assert (glass.review, glass.comparison["counts"]["out_of_scope"]) == ("misuse", 1)
    # What was read is frozen with it, each call with its answer: what comes later changes nothing.
    ingest([call(2, "GetObject", "secrets/2.pdf", 6)], now=NOW + 23 * MINUTE)
    capsule = glass.capsule
    assert capsule is not None
    assert capsules.intact(capsule)
    assert [one["resource"] for one in capsule.body["events"]] == ["secrets/1.pdf"]
    assert [one["scope"] for one in capsule.body["shown"]["scopes"]] == ["out_of_scope"]
    assert (capsule.subject, capsule.body["shown"]["read"]) == (case.key, seen)
    entry = LedgerEntry.objects.get(act="break_glass.reviewed")
    assert entry.data["capsule_digest"] == bytes(capsule.digest).hex()
    assert Notice.objects.filter(occasion=f"{case.key} misuse").exists()


def test_a_drill_is_asked_for_when_it_is_due_and_counts_when_it_was_open(
    company: Company,
) -> None:
    put_in_force("practised", company.rita, company.root, drill_every_days=30)

    def told(now: Any) -> int:
        sweeping.drills(now=now)
        return Notice.objects.filter(occasion__startswith="drill practised").count()

    day = 24 * 60 * MINUTE
    assert told(NOW + 29 * day) == 0
    assert (told(NOW + 30 * day), told(NOW + 31 * day)) == (5, 5)
    opened(company, slug="practised", drill=True, now=NOW + 31 * day)
    assert told(NOW + 60 * day) == 5
    assert told(NOW + 61 * day + SECOND) == 10
