"""Changing a policy takes two people; what is signed never changes; a running case keeps it."""

import json
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from evidence.models import LedgerEntry
from identities.models import Identity, Person, User
from identities.permissions import AUDITOR, NotAllowed, NotPossible
from reviews import actions, policy_permissions
from reviews.actions import policy_versions
from reviews.models import Case, ReviewPolicy
from reviews.policy_document import REQUESTS, DocumentError

from .conftest import DAY, HOUR, NOW, Told, make_user, person_of
from .test_opening import drain, finding

pytestmark = pytest.mark.django_db


def proposed(by: Any, *, name: str = "access review", now: Any = NOW, **said: Any) -> ReviewPolicy:
    return policy_versions.propose(
        name=name, text=json.dumps(said), reason="the audit asks for it", by=by, now=now
    )


def put_in_force(story: Told, *, name: str = "access review", **said: Any) -> ReviewPolicy:
    """Proposed by the reviewer, signed by an administrator."""
    row = proposed(story.rita, name=name, **said)
    other = make_user(f"ada{User.objects.count()}", "administrator")
    return policy_versions.sign(policy=row, by=other, now=NOW)


def test_two_people_put_a_version_in_force(story: Told) -> None:
    row = proposed(story.rita, silence="suspend")
    before = policy_versions.in_force(now=NOW)
    ada = make_user("ada", "administrator")
    policy_versions.sign(policy=row, by=ada, now=NOW + HOUR)
    after = policy_versions.in_force(now=NOW)
    assert [(one.version, one.silence) for one in (before, after)] == [
        (1, "escalate"),
        (2, "suspend"),
    ]
    assert (after.settled_person, after.settled_at, after.settled_by_name) == (
        person_of(ada),
        NOW + HOUR,
        "Ada",
    )


def test_running_case_keeps_its_version_and_a_new_one_has_the_next(story: Told, case: Case) -> None:
    put_in_force(story, decide_within_hours=24, remind_before_hours=[2], silence="revoke")
    case.refresh_from_db()
    assert (case.policy and case.policy.version, case.silence) == (1, "escalate")
    assert case.deadline_at == NOW + timedelta(hours=168)
    other = Identity.objects.create(name="another", kind="agent", created_at=NOW)
    new = actions.open_review(identity=other, by=story.rita, now=NOW, reason="x")
    assert (new.policy and new.policy.version, new.silence) == (2, "revoke")
    assert new.deadline_at == NOW + timedelta(hours=24)


def test_requests_are_opened_under_their_own_policy(story: Told) -> None:
    put_in_force(story, name=REQUESTS, decide_within_hours=48, remind_before_hours=[2])
    case = actions.request_access(
        identity=story.identity,
        wanted=actions.Wanted(["s3:GetObject"], ["more/*"], "a purpose", NOW + 30 * DAY),
        by=story.rita,
        now=NOW,
        reason="x",
    )
    assert (case.policy and case.policy.version, case.deadline_at) == (2, NOW + 48 * HOUR)
    assert case.silence == "deny"


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("rita", "You proposed it: a second person signs."),
        ("ines", "Only a reviewer or an administrator may change a review policy."),
        ("otto", AUDITOR),
    ],
)
def test_who_may_not_sign(story: Told, who: str, why: str) -> None:
    row = proposed(story.rita, silence="narrow")
    user = getattr(story, who)
    assert policy_permissions.why_not_sign_policy(user, row, now=NOW) == why
    with pytest.raises(NotAllowed, match=why[:20]):
        policy_versions.sign(policy=row, by=user, now=NOW)
    assert ReviewPolicy.objects.get(pk=row.pk).state == "proposed"


def test_second_login_of_the_proposer_does_not_sign(story: Told) -> None:
    row = proposed(story.rita, silence="narrow")
    again = make_user("rita2", "administrator", person=story.rita.person)
    with pytest.raises(NotAllowed, match="a second person signs"):
        policy_versions.sign(policy=row, by=again, now=NOW)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"is_active": False}, "This login is switched off."),
        ({"person": None}, "This login is nobody's: signing needs a person behind it."),
    ],
)
def test_who_may_not_propose(story: Told, change: dict[str, Any], why: str) -> None:
    for name, value in change.items():
        setattr(story.rita, name, value)
    assert policy_permissions.why_not_propose_policy(story.rita, now=NOW) == why
    with pytest.raises(NotAllowed):
        proposed(story.rita, silence="narrow")


def test_who_has_left_changes_no_policy(story: Told) -> None:
    Person.objects.filter(pk=person_of(story.rita).pk).update(left_at=NOW - DAY)
    story.rita.refresh_from_db()
    why = policy_permissions.why_not_propose_policy(story.rita, now=NOW)
    assert why == "You have left: this login signs nothing."


def test_database_refuses_what_one_person_signed_alone(story: Told) -> None:
    row = proposed(story.rita, silence="narrow")
    with pytest.raises(IntegrityError, match="policy_signed_by_another"), transaction.atomic():
        ReviewPolicy.objects.filter(pk=row.pk).update(
            state="signed", settled_person=person_of(story.rita)
        )
    with pytest.raises(IntegrityError, match="policy_signed_by_another"), transaction.atomic():
        ReviewPolicy.objects.filter(pk=row.pk).update(state="signed")


def test_refused_version_is_never_in_force_and_its_number_is_not_used_again(story: Told) -> None:
    row = proposed(story.rita, silence="revoke")
    policy_versions.refuse(policy=row, reason="too hard", by=story.rita, now=NOW)
    assert policy_versions.in_force(now=NOW).version == 1
    why = policy_permissions.why_not_sign_policy(
        make_user("ada", "administrator"), ReviewPolicy.objects.get(pk=row.pk), now=NOW
    )
    assert why == "access review, version 2 is refused already, by Rita."
    assert proposed(story.rita, silence="suspend").version == 3


def test_one_version_waits_at_a_time(story: Told) -> None:
    proposed(story.rita, silence="revoke")
    with pytest.raises(NotPossible, match="waits for its second signature"):
        proposed(make_user("ada", "administrator"), silence="suspend")
    assert proposed(story.rita, name="agents", silence="suspend").version == 1


def test_version_that_says_the_same_is_refused(story: Told) -> None:
    put_in_force(story, silence="suspend")
    with pytest.raises(NotPossible, match="version 2 says this already"):
        proposed(story.rita, silence="suspend")


@pytest.mark.parametrize("name", ["", "Ünder", "a--b", "x" * 61, "../etc", "a b c d e f g h i"])
def test_name_that_no_address_has_is_refused(story: Told, name: str) -> None:
    with pytest.raises(NotPossible, match="Name the policy"):
        proposed(story.rita, name=name, silence="suspend")


@pytest.mark.parametrize(
    ("said", "place", "why"),
    [
        ({"scope": {"services": ["nix"]}, "every_days": 9}, "scope.services", "no service 'nix'"),
        ({"scope": {"sources": ["nix"]}, "every_days": 9}, "scope.sources", "no source 'nix'"),
        ({"seats": {"ai_owner": ["team:Nix"]}}, "seats", "no team 'Nix'"),
        (
            {"exemptions": [{"identity": "NHI-99999", "until": "2026-12-01", "reason": "x"}]},
            "exemptions[0].identity",
            "no identity NHI-99999",
        ),
    ],
)
def test_names_that_nothing_has_are_refused(
    story: Told, said: dict[str, Any], place: str, why: str
) -> None:
    with pytest.raises(DocumentError) as wrong:
        proposed(story.rita, name="agents", **said)
    [(where, what)] = wrong.value.problems
    assert (where, why in what) == (place, True)


@pytest.mark.parametrize(
    ("until", "why"),
    [("2026-11-23", "It is over"), ("2027-11-26", "at most 366 days"), ("2026-11-24", "")],
)
def test_exemption_ends_and_within_a_year(story: Told, until: str, why: str) -> None:
    exempt = [{"identity": story.identity.key, "until": until, "reason": "moves"}]
    if not why:
        assert proposed(story.rita, exemptions=exempt).version == 2
        return
    with pytest.raises(DocumentError, match=why):
        proposed(story.rita, exemptions=exempt)


def test_each_step_is_in_the_ledger(story: Told) -> None:
    put_in_force(story, silence="suspend")
    row = proposed(story.rita, silence="revoke")
    policy_versions.refuse(policy=row, reason="too hard", by=story.rita, now=NOW)
    entries = LedgerEntry.objects.filter(subject="policy: access review").order_by("id")
    assert [one.act for one in entries] == [
        "policy.proposed",
        "policy.signed",
        "policy.proposed",
        "policy.refused",
    ]
    signed = entries[1]
    assert "Whoever is silent: At the deadline the identity is suspended" in signed.words
    assert signed.data["document"] == {"silence": "suspend"}


def test_versions_from_before_there_were_documents_say_what_they_did(story: Told) -> None:
    """What migration 0005 writes into the rows that the app had made."""
    for name, silence in (("access review", "suspend"), (REQUESTS, "escalate")):
        ReviewPolicy.objects.create(
            name=name,
            silence=silence,
            decide_within_hours=72,
            remind_before_hours=[24],
            recorded_at=NOW,
            recorded_by="countersign",
        )
    with connection.cursor() as cursor:
        cursor.execute(import_module("reviews.migrations.0005_policies").WRITTEN)
    for row in policy_versions.all_signed():
        document = policy_versions.document_of(row)
        assert (document.decide_within_hours, document.remind_before_hours) == (72, (24,))
        assert document.silence == row.silence
    assert len(policy_versions.all_signed()) == 2


def exempt(story: Told, until: str = "2026-11-30") -> None:
    put_in_force(
        story,
        exemptions=[{"identity": story.identity.key, "until": until, "reason": "is being rebuilt"}],
    )


def test_finding_of_an_exempt_identity_waits_until_the_exemption_ends(story: Told) -> None:
    exempt(story)
    finding(story.identity, "no_authority")
    assert (drain(NOW), Case.objects.count()) == (0, 0)
    assert (drain(NOW + 6 * DAY), Case.objects.count()) == (0, 0)
    assert (drain(NOW + 7 * DAY), Case.objects.count()) == (1, 1)


def test_exemption_covers_no_finding_that_is_asked_about_in_every_mode(story: Told) -> None:
    exempt(story)
    finding(story.identity, "no_run")
    assert (drain(NOW), Case.objects.count()) == (1, 1)


def test_why_a_finding_is_left_alone_is_said(story: Told) -> None:
    exempt(story)
    said = policy_versions.why_left_alone(story.identity, now=NOW)
    key = story.identity.key
    assert said == (
        f"access review, version 2 leaves {key} alone until 2026-11-30: is being rebuilt"
    )
    assert policy_versions.why_left_alone(story.identity, now=NOW + 9 * DAY) == ""
