"""Renewing within a policy's bounds: which policy, which bound, and the sentence that names both."""

from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import Attestation, Credential, Finding, Identity
from identities.permissions import NotAllowed, NotPossible
from reviews import attestation_bounds, policy_document
from reviews.actions import attesting, policy_versions
from reviews.policy_document import DocumentError

from .conftest import DAY, NOW, Told, party
from .owning import put_in_force

SAYS: dict[str, Any] = {
    "longest_days": 365,
    "by_criticality": {"critical": 30, "high": 180},
    "by_kind": {"agent": 90},
    "standing_days": 60,
    "purpose_at_least": 20,
    "warn_before_days": [1, 30, 7],
    "at_end": "suspend",
    "accept_within_days": 5,
}
PURPOSE = "writes the quarterly reports"


def test_all_of_the_field_is_read_and_said() -> None:
    read = policy_document.parse({"attestation": SAYS}, name="agents").attestation
    assert read == attestation_bounds.Attestation(
        longest_days=365,
        by_criticality={"critical": 30, "high": 180},
        by_kind={"agent": 90},
        standing_days=60,
        purpose_at_least=20,
        warn_before_days=(30, 7, 1),
        at_end="suspend",
        accept_within_days=5,
    )
    assert dict(attestation_bounds.words(read))["Attestations"] == (
        "They last at most: 365 days; 30 days where criticality is critical; 180 days where"
        " criticality is high; 90 days for the kind agent; 60 days where a credential is standing."
    )
    assert attestation_bounds.words(None) == []


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ([], ""),
        ({"longest_days": 0}, ".longest_days"),
        ({"by_kind": {"robot": 1}}, ".by_kind.robot"),
        ({"by_criticality": {"high": "1"}}, ".by_criticality.high"),
        ({"warn_before_days": [7, 7]}, ".warn_before_days[1]"),
        ({"at_end": "retire"}, ".at_end"),
        ({"purpose": 3}, ".purpose"),
    ],
)
def test_problem_names_its_place(value: object, place: str) -> None:
    with pytest.raises(DocumentError) as wrong:
        policy_document.parse({"attestation": value}, name="agents")
    assert [where for where, _ in wrong.value.problems] == [f"attestation{place}"]


def test_words_are_those_of_the_models() -> None:
    assert attestation_bounds.KINDS == policy_document.KINDS
    assert attestation_bounds.CRITICALITIES == policy_document.CRITICALITIES


@pytest.mark.parametrize(
    ("kind", "criticality", "standing", "bound"),
    [
        ("workload", "normal", False, (365, "for every identity")),
        ("workload", "high", False, (180, "where criticality is high")),
        ("agent", "high", False, (90, "for the kind agent")),
        ("agent", "low", True, (60, "where a credential is standing")),
        ("agent", "critical", True, (30, "where criticality is critical")),
    ],
)
def test_the_strictest_bound_holds(
    kind: str, criticality: str, standing: bool, bound: tuple[int, str]
) -> None:
    read = attestation_bounds.read(SAYS)
    assert read.longest(kind=kind, criticality=criticality, standing=standing) == bound


def test_out_of_bounds_names_bound_and_version(story: Told) -> None:
    put_in_force(attestation=SAYS)
    with pytest.raises(NotPossible) as late:
        attesting.attest(
            identity=story.identity,
            purpose=PURPOSE,
            expires_at=NOW + 62 * DAY,
            by=story.ines,
            now=NOW,
        )
    assert str(late.value) == (
        "The expiry may lie at most 60 days ahead, on 2027-01-23 at the latest: access review,"
        " version 1 says so where a credential is standing."
    )
    with pytest.raises(NotPossible) as short:
        attesting.attest(
            identity=story.identity,
            purpose="reports",
            expires_at=NOW + DAY,
            by=story.ines,
            now=NOW,
        )
    assert str(short.value) == (
        "Say the purpose in at least 20 characters, what it does and for whom: 7 are given, and"
        " access review, version 1 asks for it."
    )
    assert (Attestation.objects.count(), LedgerEntry.objects.filter(subject="NHI-1").count()) == (
        0,
        0,
    )


def test_within_bounds_is_recorded_by_the_owner_only(story: Told) -> None:
    put_in_force(attestation=SAYS)
    end = NOW + 60 * DAY
    with pytest.raises(NotAllowed):
        attesting.attest(
            identity=story.identity, purpose=PURPOSE, expires_at=end, by=story.rita, now=NOW
        )
    attesting.attest(
        identity=story.identity, purpose=PURPOSE, expires_at=end, by=story.ines, now=NOW
    )
    story.identity.refresh_from_db()
    assert (story.identity.purpose, story.identity.expires_at) == (PURPOSE, end)
    assert Attestation.objects.get().attested_by == story.ines.person


def test_policy_of_a_narrower_scope_comes_before_that_of_access_reviews(story: Told) -> None:
    put_in_force(attestation={"longest_days": 10})
    other = Identity.objects.create(
        name="batch", kind="workload", owner=party(story.ines), created_at=NOW
    )
    mine = put_in_force(
        "service accounts",
        scope={"kinds": ["service_account"]},
        attestation={"longest_days": 300},
    )
    put_in_force("silent", scope={})
    found = attesting.terms_of([story.identity.pk, other.pk], now=NOW)
    assert {pk: (one.says.longest_days, one.policy) for pk, one in found.items()} == {
        story.identity.pk: (300, str(mine)),
        other.pk: (10, "access review, version 1"),
    }


def test_where_no_policy_says_anything_the_shipped_bounds_hold(story: Told) -> None:
    terms = attesting.terms_of([story.identity.pk], now=NOW)[story.identity.pk]
    assert terms == (
        attestation_bounds.Attestation(longest_days=366, purpose_words=3),
        "the product's own policy",
    )
    said: dict[str, Any] = {"identity": story.identity, "by": story.ines, "now": NOW}
    with pytest.raises(NotPossible) as refused:
        attesting.attest(purpose="monthly reports for Finance", expires_at=NOW + 367 * DAY, **said)
    assert str(refused.value) == (
        "The expiry may lie at most 366 days ahead, on 2027-11-25 at the latest: the product's own"
        " policy says so for every identity."
    )
    with pytest.raises(NotPossible) as refused:
        attesting.attest(purpose="reports", expires_at=NOW + 366 * DAY, **said)
    assert str(refused.value) == (
        "Say the purpose in at least 3 words, what it does and for whom: 1 is given, and the"
        " product's own policy asks for it."
    )
    attesting.attest(purpose="reports for Finance", expires_at=NOW + 366 * DAY, **said)


def test_the_shipped_policy_says_its_bounds_and_two_people_may_sign_others(story: Told) -> None:
    shipped = policy_versions.in_force(now=NOW)
    assert shipped.document["attestation"] == {"longest_days": 366, "purpose_words": 3}
    terms = attesting.terms_of([story.identity.pk], now=NOW)[story.identity.pk]
    assert terms.policy == "access review, version 1"
    put_in_force(attestation={"longest_days": 1_000})
    terms = attesting.terms_of([story.identity.pk], now=NOW)[story.identity.pk]
    assert (terms.says.longest_days, terms.says.purpose_words) == (1_000, 1)


def test_renewing_many_says_what_became_of_each(story: Told) -> None:
    put_in_force(attestation={"longest_days": 90})
    Credential.objects.all().delete()
    said = {"kind": "agent", "owner": party(story.ines), "created_at": NOW, "criticality": "low"}
    good = Identity.objects.create(name="good", purpose="x", **said)
    empty = Identity.objects.create(name="empty", **said)
    found = Identity.objects.create(name="found", purpose="x", **said)
    Finding.objects.create(
        identity=found, rule="no_run", strength=3, words="x", opened_at=NOW, state_at=NOW,
        first_at=NOW, last_at=NOW,
    )  # fmt: skip
    theirs = Identity.objects.create(
        name="theirs", purpose="x", **said | {"owner": party(story.leila)}
    )
    rows = [story.identity, good, empty, found, theirs]
    done = attesting.attest_many(identities=rows, expires_at=NOW + 80 * DAY, by=story.ines, now=NOW)
    assert [(one.identity.name, one.why) for one in done] == [
        ("svc-report", "Its criticality is normal: renew it alone, with its purpose read."),
        ("good", ""),
        ("empty", "No purpose is stated: renew it alone and state one."),
        ("found", "It has open findings: look at them first, then renew it alone."),
        ("theirs", "Only its owner, sponsor, backup or AI-system owner may attest theirs."),
    ]
    assert list(Attestation.objects.values_list("identity__name", flat=True)) == ["good"]
    late = attesting.attest_many(
        identities=[good], expires_at=NOW + 400 * DAY, by=story.ines, now=NOW
    )
    assert late[0].why.startswith("The expiry may lie at most 90 days ahead")
    with pytest.raises(NotPossible, match="At most 100"):
        attesting.attest_many(identities=[good] * 101, expires_at=NOW + DAY, by=story.ines, now=NOW)
    with pytest.raises(NotPossible, match="Select what"):
        attesting.attest_many(identities=[], expires_at=NOW + DAY, by=story.ines, now=NOW)


def test_terms_cost_the_same_for_many(story: Told, django_assert_num_queries: Any) -> None:
    put_in_force(attestation={"longest_days": 10})
    rows = [story.identity.pk] + [
        Identity.objects.create(name=f"n{n}", kind="agent", created_at=NOW).pk for n in range(30)
    ]
    for some in (rows[:1], rows):
        with django_assert_num_queries(2):
            attesting.terms_of(some, now=NOW)
