"""Late evidence withdraws a finding: whoever signed on it is told, and can undo what can be."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from evidence.models import LedgerEntry
from identities import judging
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Credential, Delegation, DelegationVersion, Finding, Identity
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.models import Case, CaseMember, Decision, Notice, Withdrawal
from tests.signed_in import sure, unsure

from .conftest import HOUR, NOW, Told, ingest, item_of, make_user, person_of, record
from .test_opening import drain

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
PASSWORD = "long enough 4 tests"
CAUSE = "judged again: it is inside the authority as known now"


@pytest.fixture
def found(story: Told) -> Finding:
    """A real finding with an open case: the key read what no delegation names."""
    ingest([record(90, "DeleteObject", "hr/salaries.csv", NOW)])
    drain(NOW)
    return Finding.objects.get(identity=story.identity)


@pytest.fixture
def case(found: Finding) -> Case:
    return Case.objects.get()


def explain(story: Told, *, now: Any = NOW + HOUR) -> None:
    """A delegation that was in force all along becomes known, and everything is judged again."""
    late = Delegation.objects.create(grantee=story.identity, slug="late", created_at=now)
    DelegationVersion.objects.create(
        delegation=late,
        version=1,
        state="in_force",
        imported=True,
        actions=["s3:DeleteObject"],
        resources=["hr/*"],
        during=(NOW - timedelta(days=30), None),
        recorded_at=now,
        by="command",
    )
    judging.again(identities=[story.identity], now=now)
    judging.judge_all(now=now)


def take_back(*, now: Any = NOW + HOUR) -> None:
    """The delegation turns out not to have been one."""
    DelegationVersion.objects.filter(delegation__slug="late").update(superseded_at=now)
    judging.again(identities=Identity.objects.all(), now=now)
    judging.judge_all(now=now)


def tell(now: Any = NOW + HOUR) -> int:
    done = 0
    while actions.tell_withdrawn_next(now=now):
        done += 1
    return done


def told(case: Case, what: str = "withdrawn") -> list[str]:
    rows = Notice.objects.filter(case=case.pk, occasion__startswith=f"{case.key} {what} ")
    return sorted(row.person.name for row in rows if row.person)


def test_whoever_signed_on_it_is_told_once(
    story: Told, case: Case, found: Finding, sign: Sign
) -> None:
    sign(case, "credential", story.ines, "keep")
    sign(case, "delegation", story.samuel, "keep", seat="ai_owner")
    explain(story)
    assert (tell(), tell()) == (1, 0)
    # Samuel has answered on the delegation only, whose events it was not among.
    assert told(case) == ["Ines"]
    row = Withdrawal.objects.get()
    assert (row.finding, row.because, row.items) == (
        found,
        CAUSE,
        [item_of(case, "credential").pk],
    )
    entry = LedgerEntry.objects.get(act="case.withdrawn")
    assert entry.words == f"{found.key} is withdrawn: {CAUSE}; told: Ines"


def test_the_notice_goes_out_as_mail_with_a_link_and_no_evidence(
    story: Told, case: Case, found: Finding, sign: Sign, mailoutbox: list[Any]
) -> None:
    from reviews import notices

    sign(case, "credential", story.ines, "keep")
    explain(story)
    tell()
    while notices.send_next(now=NOW + HOUR):
        pass
    mail = next(one for one in mailoutbox if "withdrawn" in one.subject)
    assert mail.to == ["ines@example.org"]
    assert f"/cases/{case.key}/" in mail.body
    assert f"because {CAUSE}" in mail.body
    assert "salaries" not in mail.body
    assert "svc-report" not in mail.body


@pytest.mark.parametrize("sealed", [False, True])
def test_the_notice_goes_out_as_a_webhook_too(
    story: Told, case: Case, sign: Sign, settings: LazySettings, *, sealed: bool
) -> None:
    settings.WEBHOOK_URL = "https://hooks.example.org/countersign"
    sign(case, "credential", story.ines, "keep")
    Case.objects.filter(pk=case.pk).update(sealed=sealed)
    CaseMember.objects.create(case=case, person=person_of(story.ines), since=NOW)
    explain(story)
    tell()
    rows = Notice.objects.filter(occasion__contains="withdrawn").order_by("channel")
    mail = ("mail", "", story.ines.person_id)
    hook = ("webhook", settings.WEBHOOK_URL, None)
    assert list(rows.values_list("channel", "address", "person")) == (
        [mail] if sealed else [mail, hook]
    )
    assert len(set(rows.values_list("subject", "body"))) == 1


def test_an_answer_that_was_changed_was_signed_on_it_all_the_same(
    story: Told, case: Case, sign: Sign
) -> None:
    sign(case, "credential", story.ines, "revoke")
    sign(case, "credential", story.ines, "keep")
    explain(story)
    tell()
    assert told(case) == ["Ines"]


def test_whoever_was_asked_again_because_of_it_is_told(
    story: Told, case: Case, found: Finding, sign: Sign
) -> None:
    """Samuel had signed the delegation before a second finding came, and was told of that one."""
    sign(case, "delegation", story.samuel, "keep", seat="ai_owner")
    ingest([record(91, "PutObject", "board/minutes.txt", NOW)])
    drain(NOW + HOUR)
    second = Finding.objects.exclude(pk=found.pk).get()
    Finding.objects.filter(pk=second.pk).update(
        state="withdrawn", state_at=NOW + HOUR, state_reason="explained"
    )
    tell()
    assert told(case) == ["Samuel"]


def test_in_a_decided_and_in_a_closed_case_too(
    story: Told, case: Case, found: Finding, sign: Sign
) -> None:
    for kind in ("credential", "delegation"):
        sign(case, kind, story.ines, "keep")
        sign(case, kind, story.samuel, "keep", seat="ai_owner")
    while actions.carry_out_next(now=NOW + HOUR):
        pass
    assert Case.objects.get(pk=case.pk).state == "closed"
    explain(story)
    tell()
    assert told(case) == ["Ines", "Samuel"]


def test_a_later_case_that_shows_an_older_finding_is_told_as_well(
    story: Told, case: Case, found: Finding, sign: Sign
) -> None:
    actions.cancel(case=case, by=make_user("root", "administrator"), now=NOW, reason="again")
    second = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")
    assert list(second.findings.all()) == []
    sign(second, "credential", story.ines, "keep")
    explain(story)
    assert tell() == 1
    assert told(second) == ["Ines"]


def test_a_case_nobody_signed_in_notes_it_and_looks_again(
    story: Told, case: Case, found: Finding
) -> None:
    before = item_of(case, "credential")
    assert (before.snapshot["findings"], before.recommendation) == ([found.key], "replace")
    explain(story)
    version = Case.objects.get(pk=case.pk).version
    tell()
    after = item_of(case, "credential")
    assert after.snapshot["findings"] == []
    assert after.recommendation_reason == "standing for 212 d, without an end"
    assert "nobody had signed on it" in LedgerEntry.objects.get(act="case.withdrawn").words
    assert Case.objects.get(pk=case.pk).version > version


def test_found_again_is_said_to_the_same_people(
    story: Told, case: Case, found: Finding, sign: Sign
) -> None:
    sign(case, "credential", story.ines, "keep")
    explain(story)
    tell()
    take_back(now=NOW + 2 * HOUR)
    assert Finding.objects.get(pk=found.pk).state == "open"
    assert (tell(NOW + 2 * HOUR), tell(NOW + 2 * HOUR)) == (1, 0)
    assert told(case, "found again") == ["Ines"]
    # And withdrawn once more: another occasion, told once more.
    DelegationVersion.objects.filter(delegation__slug="late").update(superseded_at=None)
    judging.again(identities=[story.identity], now=NOW + 3 * HOUR)
    judging.judge_all(now=NOW + 3 * HOUR)
    assert tell(NOW + 3 * HOUR) == 1
    assert told(case) == ["Ines", "Ines"]


# --- what the page offers


def signed_in(user: Any) -> Client:
    user.set_password(PASSWORD)
    user.save()
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    sure(client)
    return client


def page(case: Case, kind: str, user: Any) -> str:
    client = signed_in(user)
    answer = client.get(f"/cases/{case.key}/?item={item_of(case, kind).pk}")
    assert answer.status_code == 200
    return answer.content.decode()


def withdrawn(story: Told, case: Case, sign: Sign) -> None:
    sign(case, "credential", story.ines, "keep")
    explain(story)
    tell()


def test_the_case_says_it_beside_the_item(
    story: Told, case: Case, found: Finding, sign: Sign
) -> None:
    withdrawn(story, case, sign)
    said = page(case, "credential", story.ines)
    assert f"{found.key} was withdrawn since you signed, because {CAUSE}." in said
    assert "An answer that was given stands until it is changed here." in said
    assert "was withdrawn since Ines signed" in page(case, "credential", story.samuel)
    assert "was withdrawn" not in page(case, "delegation", story.ines)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("held", "Release CRED-{number}"),
        ("revoked", "CRED-{number} is revoked: that stays. A new one must be issued instead."),
        ("active", ""),
    ],
)
def test_the_undo_of_a_credential(
    story: Told, case: Case, sign: Sign, state: str, words: str
) -> None:
    withdrawn(story, case, sign)
    Credential.objects.filter(pk=story.credential.pk).update(state=state)
    said = page(case, "credential", story.ines)
    number = story.credential.number
    assert (f"/credentials/CRED-{number}/release/" in said) is (state == "held")
    assert words.format(number=number) in said
    assert ("must be issued instead" in said) is (state == "revoked")


def test_the_undo_of_a_delegation_is_a_new_request(
    story: Told, case: Case, found: Finding, sign: Sign
) -> None:
    for user, seat in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        sign(case, "delegation", user, "revoke", seat=seat)
    Withdrawal.objects.create(case=case, finding=found, at=NOW, because="explained")
    said = page(case, "delegation", story.ines)
    assert (
        f"/requests/new/?identity={story.identity.key}&amp;delegation={story.delegation.key}"
        in said
    )


def responder(story: Told) -> Any:
    story.rita.groups.add(Group.objects.get_or_create(name="responder")[0])
    return type(story.rita).objects.get(pk=story.rita.pk)


def test_a_suspended_identity_works_again_by_its_seats_only(
    story: Told, case: Case, sign: Sign
) -> None:
    withdrawn(story, case, sign)
    lead = responder(story)
    revocations.request(
        identity=story.identity, step="suspend", by=COUNTERSIGN, now=NOW, because="x"
    )
    # Whoever reads it there asks for it on the identity's page.
    for user in (story.ines, lead):
        shown = page(case, "credential", user)
        assert "Ask to resume svc-report" in shown
        assert f'href="/identities/{story.identity.key}/"' in shown
        with pytest.raises(NotAllowed, match="Resuming svc-report takes both seats"):
            revocations.request(
                identity=story.identity, step="resume", by=user, now=NOW, because="explained"
            )
    with pytest.raises(NotPossible, match="is not held"):
        actions.give_back(case=case, by=lead, now=NOW, reason="explained")
    assert Identity.objects.get(pk=story.identity.pk).state == "suspended"


def test_a_held_identity_is_released_from_the_page(story: Told, case: Case, sign: Sign) -> None:
    withdrawn(story, case, sign)
    now = timezone.now() - HOUR
    revocations.request(identity=story.identity, step="hold", by=story.ines, now=now, because="x")
    assert f"/cases/{case.key}/release/" in page(case, "credential", story.ines)
    client = unsure(signed_in(story.ines))
    answer = client.post(f"/cases/{case.key}/release/", {"reason": "explained"})
    # It asks who it is, and goes on by itself afterwards.
    assert answer["Location"].split("?")[0] == "/accounts/reauthenticate/"
    answer = client.post(answer["Location"], {"password": PASSWORD})
    assert answer["Location"] == f"/cases/{case.key}/"
    assert f"/cases/{case.key}/release/" not in page(case, "credential", story.ines)
    with pytest.raises(NotPossible, match="svc-report is not held"):
        actions.give_back(case=case, by=story.ines, now=timezone.now(), reason="x")


def test_what_was_frozen_names_the_findings(
    story: Told, case: Case, found: Finding, sign: Sign
) -> None:
    sign(case, "credential", story.ines, "keep")
    capsule = Decision.objects.get().capsule
    assert capsule is not None
    assert capsule.body["shown"]["findings"] == [found.key]
