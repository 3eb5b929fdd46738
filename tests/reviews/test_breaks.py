"""What revoking breaks: said beside the form, re-run on signing, never called unused, never in the way."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from evidence.models import Actor, Run, Source
from identities.models import (
    Binding,
    Credential,
    Delegation,
    DelegationVersion,
    Identity,
)
from reviews.models import Case, Decision
from reviews.pages import breaks

from .conftest import DAY, HOUR, NOW, Told, item_of, make_user, person_of, seat_of
from .test_pages import PASSWORD, answered, as_user

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db


def words(case: Case, kind: str = "credential", now: Any = NOW) -> list[str]:
    item = item_of(case, kind)
    return [row["words"] for row in breaks.look(item, case.identity, now=now).rows]


def digest(case: Case, now: Any = NOW) -> str:
    return breaks.look(item_of(case, "credential"), case.identity, now=now).digest


def other(name: str) -> Identity:
    return Identity.objects.create(name=name, kind="workload", created_at=NOW)


def share(story: Told, name: str) -> None:
    Binding.objects.filter(actor=story.credential.actor).update(shared=True)
    Binding.objects.create(
        identity=other(name),
        actor=story.credential.actor,
        basis="declared",
        state="confirmed",
        shared=True,
        during=(NOW - DAY, None),
        recorded_at=NOW,
        by="command",
    )


def agent_runs(story: Told, *, last_at: Any, ended: bool = False) -> None:
    agent = Actor.objects.create(
        key=uuid4(), realm="otel:x", kind="agent", value=f"agent {uuid4()}", created_at=NOW
    )
    Binding.objects.create(
        identity=story.identity,
        actor=agent,
        basis="declared",
        state="confirmed",
        during=(NOW - DAY, None),
        recorded_at=NOW,
        by="command",
    )
    Run.objects.create(
        source=Source.objects.get(),
        trace=uuid4(),
        first_at=last_at - timedelta(minutes=5),
        last_at=last_at,
        agent=agent,
        ended=ended,
    )


def test_says_when_it_was_used_and_how_far_evidence_goes(story: Told, case: Case) -> None:
    said = words(case, now=NOW - HOUR + timedelta(minutes=12))
    assert said[0].startswith("Last used 12 minutes ago, 24 Nov 11:00 UTC (")
    Source.objects.update(watermark=NOW, completeness="declared")
    assert words(case)[0] == (
        "Last used 1 hour ago, 24 Nov 11:00 UTC (evidence is known up to 24 Nov 12:00 UTC)."
    )
    assert words(case, "delegation")[0].startswith("Last used 1 hour ago")


def test_no_evidence_is_never_unused(story: Told, case: Case) -> None:
    Credential.objects.filter(pk=story.credential.pk).update(
        actor=Actor.objects.create(
            key=uuid4(), realm="aws", kind="access_key", value="AKIANEVER", created_at=NOW
        )
    )
    said = words(case)[0]
    assert said.startswith("No use of it is in evidence (")
    assert said.endswith("That does not say that nobody uses it.")
    assert "unused" not in " ".join(words(case))


def test_names_who_shares_it_and_who_holds_what_was_passed_on(story: Told, case: Case) -> None:
    share(story, "svc-other")
    child = Delegation.objects.create(
        grantee=other("child"), parent=story.delegation, created_at=NOW
    )
    DelegationVersion.objects.create(
        delegation=child,
        version=1,
        state="in_force",
        imported=True,
        actions=["s3:GetObject"],
        resources=["invoices/*"],
        during=(NOW - DAY, None),
        recorded_at=NOW,
        by="command",
    )
    said = words(case)
    assert said[:2] == [
        "It is shared: svc-other use it as well and lose it too.",
        "1 identity holds authority passed on from svc-report: child.",
    ]


@pytest.mark.parametrize(
    ("minutes", "ended", "said"),
    [
        (3, False, True),
        (3, True, False),
        (16, False, False),
    ],
)
def test_runs_that_are_going_on_now(
    story: Told, case: Case, minutes: int, ended: bool, said: bool
) -> None:
    agent_runs(story, last_at=NOW - timedelta(minutes=minutes), ended=ended)
    assert ("1 run of its agents is going on now." in words(case)) is said


def test_says_what_is_left(story: Told, case: Case) -> None:
    assert words(case)[-1] == "It is the last standing key of svc-report."
    assert words(case, "delegation")[-1] == "0 delegations of it stay in force."


def test_too_slow_says_so_and_keeps_nobody_from_signing(
    story: Told, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: Any) -> Any:
        raise OperationalError("canceling statement due to statement timeout")

    before = digest(case)
    monkeypatch.setattr(breaks, "_shared", slow)
    assert (words(case), digest(case)) == ([breaks.SLOW], "")
    breaks.same_as_shown(item_of(case, "credential"), "revoke", before, now=NOW)


def test_a_minute_more_is_no_change_and_a_new_user_is(story: Told, case: Case) -> None:
    shown = digest(case)
    assert digest(case, NOW + timedelta(minutes=5)) == shown
    share(story, "svc-other")
    assert digest(case) != shown


def test_signing_asks_again_when_it_has_changed_meanwhile(
    story: Told, case: Case, as_user: Callable[..., Any]
) -> None:
    client = as_user(story.ines)
    item, seat = item_of(case, "credential"), seat_of(case, "identity_owner")
    page = client.get(f"/cases/{case.key}/?item={item.pk}").content.decode()
    shown = digest(case, timezone.now())
    assert f'name="breaks" value="{shown}"' in page
    assert "It is the last standing key of svc-report." in page
    share(story, "svc-other")
    form = {
        "item": str(item.pk),
        "seat": str(seat.pk),
        "version": str(Case.objects.get(pk=case.pk).version),
        "answer": "revoke",
        "reason": "because",
        "breaks": shown,
    }
    answer = client.post(f"/cases/{case.key}/decide/", form)
    said = answer.content.decode()
    assert (answer.status_code, Decision.objects.count()) == (409, 0)
    assert "What revoking breaks has changed since you looked" in said
    assert "It is shared: svc-other" in said
    again = form | {"breaks": digest(case, timezone.now())}
    assert client.post(f"/cases/{case.key}/decide/", again).status_code == 302
    assert Decision.objects.get().answer == "revoke"


def test_scripts_read_the_same_and_are_refused_with_the_new_facts(
    story: Told, case: Case, as_user: Callable[..., Any]
) -> None:
    client = as_user(story.ines)
    item, seat = item_of(case, "credential"), seat_of(case, "identity_owner")
    address = f"/api/cases/{case.key}/breaks/?item={item.pk}"
    found = client.get(address).json()
    assert found["digest"] == digest(case, timezone.now())
    assert [(one["about"], one["value"]) for one in found["facts"]] == [
        ("last_used", "2026-11-24T11:00:00Z"),
        ("left", 0),
    ]
    assert found["facts"][1]["words"] == "It is the last standing key of svc-report."
    share(story, "svc-other")
    body = {
        "item": str(item.pk),
        "seat": str(seat.pk),
        "version": Case.objects.get(pk=case.pk).version,
        "answer": "revoke",
        "reason": "because",
        "breaks": found["digest"],
    }
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    decide = f"/api/cases/{case.key}/decide/"
    answer = client.post(decide, body, content_type="application/json")
    said = answer.json()
    assert (answer.status_code, Decision.objects.count()) == (409, 0)
    assert said["detail"] == "What revoking breaks has changed since you looked."
    assert said["breaks"] == client.get(address).json()
    assert said["breaks"]["facts"][0]["value"] == ["svc-other"]
    again = body | {"breaks": said["breaks"]["digest"]}
    assert client.post(decide, again, content_type="application/json").status_code == 201


def test_names_of_others_are_for_who_sits_there_or_sees_all(
    story: Told, case: Case, as_user: Callable[..., Any]
) -> None:
    item = item_of(case, "credential")
    address = f"/api/cases/{case.key}/breaks/?item={item.pk}"
    olga = make_user("olga", "owner")
    Case.objects.filter(pk=case.pk).update(requester=person_of(olga))
    who = (story.rita, story.otto, story.samuel, olga)
    assert [as_user(one).get(address).status_code for one in who] == [200, 200, 200, 403]
    assert as_user(olga).get(f"/api/cases/{case.key}/").status_code == 200
    assert as_user(story.rita).get(f"/api/cases/{case.key}/breaks/?item=x").status_code == 400
    assert as_user(story.rita).get(address.replace(str(item.pk), str(uuid4()))).status_code == 404


def test_what_takes_nothing_away_is_never_asked_again(case: Case) -> None:
    breaks.same_as_shown(item_of(case, "credential"), "keep", "something else", now=NOW)
    breaks.same_as_shown(item_of(case, "credential"), "revoke", "", now=NOW)
