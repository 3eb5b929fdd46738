"""The page of a capsule: what was signed on, what was erased of it, which links are not shown now."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from evidence import capsules, emptying, erasing, intake, links
from evidence.models import Actor, Capsule, Deposit, Event, Link, Looked, Source
from evidence.permissions import Reader
from evidence.vocabulary import BECAUSE_NAMED, INFERRED, PROOF_INFERRED, TOOL_CALL
from identities.models import Finding
from reviews.models import Case
from tests.evidence.bodies import export, run_of
from tests.linked import link_everybody
from tests.reviews.conftest import HOUR, KEY, NOW, Told, make_user, tell_story

pytestmark = pytest.mark.django_db(transaction=True)
ANNA = Reader("user:anna", "Anna", None, frozenset(), None, None, "person-anna")
BEN = Reader("user:ben", "Ben", None, frozenset(), None, None, "person-ben")


@pytest.fixture
def story(transactional_db: None) -> Told:
    return tell_story()


def traces(body: Any) -> None:
    source, _ = Source.objects.get_or_create(
        name="traces", defaults={"created_at": NOW, "created_by": "command", "plane": "ai"}
    )
    data = body.SerializeToString()
    intake.take(source=source, body=data, by="command", now=NOW, format="otlp")
    while links.link_next(now=NOW):
        pass


@pytest.fixture
def guessed(story: Told) -> Event:
    """An event with an inferred link to a tool call of a run that shows no calls of its own."""
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "read_invoice"}
    traces(export({"trace": 7, "name": "execute_tool", "attributes": tool}, at=NOW - HOUR))
    event = Event.objects.get(request_id="REQ0000000000001")
    cause = Event.objects.get(activity=TOOL_CALL)
    Link.objects.create(
        effect_at=event.at,
        effect_id=event.id,
        cause_at=cause.at,
        cause_id=cause.id,
        proof=PROOF_INFERRED + BECAUSE_NAMED,
        strength=INFERRED,
        recorded_at=NOW,
    )
    return event


def signed(sign: Any, case: Case, user: Any) -> Capsule:
    capsule = sign(case, "credential", user, "keep").capsule
    assert isinstance(capsule, Capsule)
    return capsule


def page_of(user: Any, case: Case, capsule: Capsule) -> str:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    response = client.get(f"/cases/{case.key}/capsules/{capsule.key}/")
    assert response.status_code == 200
    text = response.content.decode()
    response.close()
    return text


def test_page_says_which_frozen_link_is_no_longer_shown(
    story: Told, guessed: Event, case: Case, sign: Any
) -> None:
    capsule = signed(sign, case, story.ines)
    assert [one["strength"] for one in capsule.body["links"]] == ["inferred"]
    assert capsules.no_longer_shown(capsule) == [""]
    assert "No longer shown" not in page_of(story.ines, case, capsule)
    traces(run_of("REQ0000000000001", trace=9))
    link_everybody(NOW)
    why = "the event has a stronger link by now: exact"
    assert capsules.no_longer_shown(capsule) == [why]
    text = page_of(story.ines, case, capsule)
    assert f"<b>No longer shown:</b> {why}" in text
    assert (capsules.intact(capsule), "digest verified" in text) == (True, True)
    assert Looked.objects.filter(kind="capsule", ref=capsule.key, case=case.pk).count() == 2


def test_link_that_was_not_shown_is_not_frozen(
    story: Told, guessed: Event, case: Case, sign: Any
) -> None:
    traces(run_of("REQ0000000000001", trace=9))
    link_everybody(NOW)
    capsule = signed(sign, case, story.ines)
    mine = [one for one in capsule.body["links"] if one["effect"]["id"] == str(guessed.id)]
    assert {one["strength"] for one in mine} == {"exact"}


def erase(deposit: Deposit, ordinal: int, now: Any) -> None:
    row = erasing.ask(
        deposit=deposit, ordinal=ordinal, names=True, reason="court order 7", by=ANNA, now=now
    )
    erasing.confirm(erasure=row, by=BEN, now=now)
    assert emptying.carry_out_all(now=now) == 1
    row.refresh_from_db()
    # A credential, bindings and the other events need both names.
    assert (row.became["names"], row.became["names_kept"]) == (0, 2)


def test_page_says_what_was_erased_when_by_whom_and_why(story: Told, case: Case, sign: Any) -> None:
    capsule = signed(sign, case, story.ines)
    erase(Deposit.objects.get(), 2, timezone.now())
    text = page_of(story.ines, case, capsule)
    assert "<b>1 event</b> lost what was said: Anna asked, Ben confirmed: court order 7" in text
    assert (text.count(">[erased]<"), "digest verified" in text) == (1, True)
    client = Client()
    client.force_login(story.ines, backend="django.contrib.auth.backends.ModelBackend")
    data = client.get(f"/cases/{case.key}/capsules/{capsule.key}.json").json()
    (stone,) = data["tombstones"]
    assert stone["gone_digest"] == data["digest"]
    assert stone["left_digest"] == capsules.digest(data["body"]).hex()
    assert [key for key, wrong in capsules.verify() if wrong] == []


def test_names_that_records_of_people_hold_stay(story: Told) -> None:
    named = Actor.objects.create(
        key="00000000-0000-4000-8000-000000000001", realm="aws", kind="arn", value="of-a-finding",
        created_at=NOW,
    )  # fmt: skip
    Finding.objects.create(
        actor_id=named.pk, rule="no_authority", strength=3, words="w", first_at=NOW, last_at=NOW,
        opened_at=NOW, state_at=NOW,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT names FROM evidence_holder WHERE name = 'cases'")
        (function,) = cursor.fetchone()
        cursor.execute(
            f"SELECT * FROM {function}(%s::bigint[])",
            [[named.pk, Actor.objects.get(value=KEY).pk]],
        )
        assert cursor.fetchall() == [(named.pk,)]


def test_capsule_of_a_case_that_one_may_not_see_is_absent(
    story: Told, case: Case, sign: Any
) -> None:
    capsule = signed(sign, case, story.ines)
    Case.objects.update(sealed=True)
    client = Client()
    client.force_login(make_user("nosy"), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(f"/cases/{case.key}/capsules/{capsule.key}/").status_code == 404
